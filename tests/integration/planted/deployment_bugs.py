"""Bugs of the deployment's files, and of where the settings name a bucket; see `bugs`."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

DEPLOYMENT_BUGS = (
    Bug(
        "Deployment: a migration's sum is of its name alone",
        "src/eventreplay/sinks/snowflake/deployment/files.py",
        (("hashlib.sha256(content)", "hashlib.sha256(file.name.encode())"),),
        ("tests/unit/sinks/test_deployment_files.py::test_the_sum_is_of_the_file_whatever_the_names",),
    ),
    Bug(
        "Deployment: a size goes into a statement as it was given",
        "src/eventreplay/sinks/snowflake/deployment/names.py",
        (("if self.warehouse_size not in _SIZES:", "if False:"),),
        ("tests/unit/sinks/test_deployment_files.py::test_values_that_no_statement_may_hold_are_refused",),
    ),
    Bug(
        "Settings: a bucket in the environment wins over the file",
        "src/eventreplay/config/core.py",
        (("        *_from_bucket(variables),\n        *_from_file(file),", "        *_from_file(file),\n        *_from_bucket(variables),"),),
        ("tests/unit/config/test_bucket.py::test_anything_of_ours_is_stronger",),
    ),
)  # fmt: skip
