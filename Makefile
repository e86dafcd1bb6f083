# Every target prepares .venv by itself (tools/setup-venv) and skips that when it is up to date. What tests or checks
# the plugins needs their packages too: `setup-all`.
#   PYTHON=python3.12   which interpreter makes the environment (default: the first of 3.11, 3.12, 3.13 found)
#   ARGS="..."          passed on to the command behind a target

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?=
ARGS ?=
DEMO_DIR ?= demo-run
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"

# Another project on the path would be tested instead of this one.
unexport PYTHONPATH

.PHONY: help setup setup-all demo test test-all services snowflake-standin airflow check lint format-check types layers tidy format bench proto lock clean

help:  ## show this
	@echo "eventreplay: make <target> [PYTHON=python3.12] [ARGS=...]"
	@grep -hE '^[a-z-]+:.*  ## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*  ## (.*)/  \1\t\2/' | expand -t 17

setup:  ## prepare .venv with the locked packages (every target does this by itself)
	@PYTHON='$(PYTHON)' bash tools/setup-venv

setup-all:  ## prepare .venv for the plugins too: with Airflow
	@PYTHON='$(PYTHON)' bash tools/setup-venv plugins

demo: setup  ## the whole way at full size: generate, capture, replay, dbt, report; into demo-run/
	@echo "demo: everything goes into $(DEMO_DIR)/"
	@$(BIN)/eventreplay demo --dir "$(DEMO_DIR)" $(ARGS)

# In the order of the files: servers and whole runs first, unit tests last, so that no core waits for another at the
# end. (xdist would begin with the files that have the most tests, and those are the quick ones.)
test: setup-all  ## run all tests, on every core, without a network
	@echo "test: every test under tests/ but the long ones (make test-all), on every core"
	@started=$$SECONDS; $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not long" $(ARGS); \
	echo "test: all passed in $$((SECONDS - started)) s"

test-all: setup-all  ## the long tests too: a million events, minutes of stalls, a second S3 server
	@echo "test-all: every test under tests/, on every core"
	@started=$$SECONDS; $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS); \
	echo "test-all: all passed in $$((SECONDS - started)) s"

services: setup  ## start PostgreSQL, RabbitMQ, S3 and the Snowflake stand-in; print their URLs; until Ctrl-C
	@$(BIN)/python -m eventreplay.testing.services $(ARGS)

snowflake-standin: setup  ## start the Snowflake stand-in alone; prints how to connect; until Ctrl-C
	@$(BIN)/python -m eventreplay.testing.standin $(ARGS)

airflow: setup-all  ## the whole platform with Airflow: start, fill, run every DAG; until Ctrl-C (ARGS=--once: then end)
	@$(BIN)/python -m tools.airflow_platform $(ARGS)

# Side by side: the type checker uses one core alone, for half of the time.
check: setup-all  ## everything that is checked without running: lint, format, types, layers, tidiness
	@$(MAKE) --jobs --keep-going lint format-check types layers tidy || { echo "check: failed; see above" >&2; exit 1; }
	@echo "check: all passed"

lint: setup-all
	@echo "check: ruff, all rules"
	@$(BIN)/ruff check .

format-check: setup-all
	@echo "check: ruff, format"
	@$(BIN)/ruff format --check --output-format concise . || { echo "Not formatted as ruff would. Run: make format" >&2; exit 1; }

types: setup-all
	@echo "check: mypy, strict"
	@$(BIN)/python -m mypy

layers: setup-all
	@echo "check: import-linter, floors of the package"
	@$(BIN)/lint-imports --no-logo

tidy: setup-all
	@echo "check: tidiness"
	@$(BIN)/python -m pytest --quiet tests/unit/test_tidy.py

format: setup-all  ## mend what ruff can mend by itself, and format
	@$(BIN)/ruff check --fix --quiet --exit-zero .
	@$(BIN)/ruff format .

bench: setup  ## measure the speed of capture and replay on this machine
	@echo "bench: let the machine be idle meanwhile"
	@$(BIN)/python -m benchmarks $(ARGS)

proto: setup  ## compile proto/ into the descriptor set that the package ships
	@$(BIN)/python tools/build_protos.py $(ARGS)

lock: setup  ## resolve the dependencies again; ARGS=--upgrade takes the newest that the bounds allow
	@echo "lock: requirements/bootstrap.txt"
	@$(COMPILE) $(ARGS) requirements/bootstrap.in -o requirements/bootstrap.txt
	@echo "lock: requirements/dev.txt"
	@$(COMPILE) $(ARGS) pyproject.toml --extra demo --extra amqp --extra postgres --extra s3 --extra snowflake --extra dbt-snowflake --extra testing \
		--extra services --extra standin --group dev -o requirements/dev.txt
	@echo "lock: requirements/plugins.txt"
	@cp requirements/dev.txt requirements/plugins.txt
	@$(COMPILE) $(ARGS) pyproject.toml --extra demo --extra amqp --extra postgres --extra s3 --extra snowflake --extra dbt-snowflake --extra testing \
		--extra services --extra standin --group dev --group plugins -o requirements/plugins.txt
	@echo "lock: done; the next target installs what changed"

clean:  ## remove what can be made again: caches, builds, the demo's output (.venv stays)
	@rm -rf build dist demo-run .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache \
		dbt/target dbt/logs dbt/dbt_packages logs
	@find src tests tools benchmarks dags plugins -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	@echo "clean: done"
