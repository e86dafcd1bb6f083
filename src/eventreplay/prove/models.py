"""What dbt makes of RAW, run by run: built in other surroundings, its models hashed, its lineage known."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.prove.combinations import Combination
from eventreplay.prove.outputs import CLOCK_COLUMNS, RAW_TABLES, Output, opened, output
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import create_tables, driver_errors
from eventreplay.transform import transform
from eventreplay.transform.process import Progress

_KINDS = ("model", "seed", "snapshot")
_NO_TESTS = ("resource_type:test", "resource_type:unit_test")
_STRINGS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_AMBIENT = re.compile(
    r"\b(current_date|current_timestamp|current_time|localtimestamp|localtime|getdate|sysdate)\b"
    r"|\b(now|today|random|setseed|uuid|gen_random_uuid|uuid_string|rand|get_current_timestamp)\s*\(",
    re.IGNORECASE,
)


@frozen(kw_only=True)
class Model:
    """A model, seed or snapshot that has a table or view.

    Attributes:
        unique_id: dbt's name of it.
        name: for a person.
        place: database, schema and name.
        parents: unique ids of the models above it, through those that have no table.
        key: columns that name a row, as far as the project says; may be empty.
        asks: words of its SQL that ask the clock, or chance.
    """

    unique_id: str
    name: str
    place: tuple[str, ...]
    parents: tuple[str, ...]
    key: tuple[str, ...]
    asks: tuple[str, ...]


def build(
    project: Path,
    warehouse: Path,
    how: Combination,
    *,
    work: Path,
    label: str,
    ascii_only: bool,
    progress: Progress | None = None,
    select: Sequence[str] = (),
    full_refresh: bool = False,
) -> tuple[Model, ...]:
    """Let dbt build a project over a warehouse in the surroundings of a combination; without its tests.

    Args:
        project: its folder.
        warehouse: the DuckDB file.
        how: the combination.
        work: for dbt's artifacts.
        label: begins the message of an error.
        ascii_only: see `Combination.environment`.
        progress: told of nodes.
        select: only these nodes; empty: all.
        full_refresh: build incremental models from the beginning.

    Returns:
        the models that were built.

    Raises:
        TransformError: dbt failed.
        ConfigError: it is not installed, or there is no such project.
    """
    environment = {
        **DuckDBSink.dbt_environment(warehouse),
        **how.environment(ascii_only=ascii_only),
        "EVENTREPLAY_DBT_THREADS": str(how.dbt_threads),
        "EVENTREPLAY_DUCKDB_THREADS": str(how.duckdb_threads),
    }
    try:
        done = transform(
            project,
            "build",
            environment=environment,
            work=work,
            exclude=_NO_TESTS,
            select=select,
            full_refresh=full_refresh,
            threads=how.dbt_threads,
            progress=progress,
        )
    except EventReplayError as error:
        raise type(error)(f"{label}: {error.message}", hint=error.hint, **error.fields) from error
    built = {node.unique_id for node in done.nodes}
    known = models_of(json.loads((work / "manifest.json").read_text("utf-8")))
    return tuple(model for model in known if model.unique_id in built)


def models_of(manifest: Mapping[str, Any]) -> tuple[Model, ...]:
    """The models of a manifest that have a table or view."""
    nodes: Mapping[str, Mapping[str, Any]] = manifest["nodes"]
    kept = {
        unique_id: node
        for unique_id, node in nodes.items()
        if node["resource_type"] in _KINDS
        and (node.get("config") or {}).get("materialized") != "ephemeral"
        and (node.get("config") or {}).get("enabled", True)
    }
    keys = _keys(nodes)
    return tuple(
        Model(
            unique_id=unique_id,
            name=str(node["name"]),
            place=(str(node["database"]), str(node["schema"]), str(node.get("alias") or node["name"])),
            parents=tuple(_parents(unique_id, manifest.get("parent_map") or {}, kept)),
            key=_key(node, keys.get(unique_id, ())),
            asks=asking(str(node.get("compiled_code") or "")),
        )
        for unique_id, node in sorted(kept.items())
    )


def asking(sql: str) -> tuple[str, ...]:
    """Words in a query that ask the clock, or chance; texts, quoted names and comments do not count."""
    found = _AMBIENT.findall(_STRINGS.sub(" ", sql))
    return tuple(sorted({(word or call).lower() for word, call in found}))


def _parents(unique_id: str, above: Mapping[str, Sequence[str]], kept: Collection[str]) -> list[str]:
    found: dict[str, None] = {}
    left = list(above.get(unique_id, ()))
    while left:
        parent = left.pop()
        if parent in kept:
            found[parent] = None
        else:
            left += above.get(parent, ())
    return sorted(found)


def _keys(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Columns that tests of the project say are unique, by model."""
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes.values():
        about = node.get("test_metadata") or {}
        model, arguments = node.get("attached_node"), about.get("kwargs") or {}
        column, several = arguments.get("column_name"), None
        for name in ("combination_of_columns", "columns"):
            several = several or arguments.get(name)
        if about.get("name") == "unique" and model and column:
            found.setdefault(str(model), (str(column),))
        elif str(about.get("name")).startswith("unique") and model and isinstance(several, list):
            found.setdefault(str(model), tuple(map(str, several)))
    return found


def _key(node: Mapping[str, Any], tested: tuple[str, ...]) -> tuple[str, ...]:
    if tested:
        return tested
    key = (node.get("config") or {}).get("unique_key")
    if isinstance(key, str):
        return (key,)
    return tuple(map(str, key)) if isinstance(key, list) else ()


def model_outputs(
    warehouse: Path, models: Sequence[Model], ignored: Collection[str] = ()
) -> dict[str, Output]:
    """Hashes of each model's rows, as a set, by its unique id.

    Args:
        warehouse: the file dbt built in.
        models: of its manifest.
        ignored: columns that are not compared, `column` or `model.column`.

    Raises:
        ConfigError: nothing of a model would be compared.
    """
    with opened(warehouse) as connection:
        return {
            model.unique_id: output(
                connection, model.place, in_order=False, skipped=_skipped(model.name, ignored)
            )
            for model in models
        }


def _skipped(model: str, ignored: Collection[str]) -> set[str]:
    named = {
        item.rpartition(".")[2].lower()
        for item in ignored
        if "." not in item or item.rpartition(".")[0].lower() == model.lower()
    }
    return {*CLOCK_COLUMNS, *named}


def see_ignored(models: Sequence[Model], ignored: Collection[str]) -> None:
    """See that each `model.column` names a model: a misspelt one would be passed over in silence.

    Raises:
        ConfigError: one does not.
    """
    names = {model.name.lower() for model in models}
    for item in ignored:
        model = item.rpartition(".")[0].lower()
        if model and model not in names:
            raise ConfigError(f"No model is called {model!r}.", hint="Write --ignore MODEL.COLUMN.")


def lay(warehouse: Path, order: str, seed: int) -> None:
    """Let RAW's rows lie in another order; what reads them as sets finds the same.

    Args:
        warehouse: the file.
        order: of `combinations.ORDERS`; `log` leaves them as they are.
        seed: of the shuffle.
    """
    if order == "log":
        return
    by = "rowid DESC" if order == "reversed" else f"md5(concat_ws(',', {int(seed)}, rowid))"
    with opened(warehouse, read_only=False) as connection, driver_errors("Turning RAW's rows round"):
        for table in RAW_TABLES:
            connection.execute(f"ALTER TABLE RAW.{table} RENAME TO {table}_AS_LOADED")
        create_tables(connection)
        for table in RAW_TABLES:
            connection.execute(f"INSERT INTO RAW.{table} SELECT * FROM RAW.{table}_AS_LOADED ORDER BY {by}")
            connection.execute(f"DROP TABLE RAW.{table}_AS_LOADED")


def begins(differing: Collection[str], models: Sequence[Model]) -> set[str]:
    """Of the models that differ, those whose parents are equal."""
    by_id = {model.unique_id: model for model in models}
    return {unique_id for unique_id in differing if not set(by_id[unique_id].parents) & set(differing)}
