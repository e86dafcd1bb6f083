"""Fingerprints of what tables are made by: a codec by event type, RAW's columns, dbt's models.

A model's is made of its own text and configuration, of every macro whose name stands in them or in such a
macro, of the project's variables if it reads any, and of what the project puts in the place of dbt's own
macros. What it reads is not in it: of that the lineage tells. Neither are variables of the environment,
which say where something stands, nor dbt's own code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.interfaces import Codec, SupportsTypes
from eventreplay.log.sealing import canonical
from eventreplay.rebuild.parts import OTHER_TYPES

BUILT = frozenset({"model", "seed", "snapshot"})
"""Kinds of nodes that leave a table or a view."""
_PLACES = frozenset(
    {"access", "alias", "database", "docs", "enabled", "grants", "group", "persist_docs", "quoting"}
    | {"schema", "static_analysis", "tags"}
)
"""Configuration that says where something stands and who may see it, not what it is."""
_NAMING = re.compile(r"generate_\w+_name(_for_env)?")
_WORD = re.compile(r"[A-Za-z_]\w*")
_VARIABLE = re.compile(r"\bvar\s*\(")
_DISPATCHED = re.compile(r"([a-z0-9]+)__(\w+)")
_Json = Mapping[str, Any]


def codec_types(codec: Codec) -> dict[str, str]:
    """The fingerprint of each event type; of one that cannot tell them apart, one for all of them."""
    if isinstance(codec, SupportsTypes):
        return dict(sorted(codec.type_fingerprints().items()))
    return {OTHER_TYPES: codec.fingerprint}


def changed_types(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Types that differ; one that a side does not know is there what all others are."""
    names = sorted({*before, *now})
    return tuple(
        name
        for name in names
        if before.get(name, before.get(OTHER_TYPES)) != now.get(name, now.get(OTHER_TYPES))
    )


def raw_fingerprint() -> str:
    """Of the columns that RAW's tables have."""
    return hashlib.sha256("\n".join(_columns()).encode()).hexdigest()


def _columns() -> Iterator[str]:
    schemas: tuple[tuple[str, pa.Schema], ...] = (("EVENTS", RAW_SCHEMA), ("QUARANTINE", QUARANTINE_SCHEMA))
    for table, schema in schemas:
        for column in schema:
            yield f"{table}.{column.name} {column.type} {column.nullable}"


def model_fingerprints(
    manifest: _Json, *, project: Path | None = None, variables: Mapping[str, object] | None = None
) -> dict[str, str]:
    """The fingerprint of each model, seed and snapshot, by its name.

    Args:
        manifest: dbt's manifest.json.
        project: the project's folder, for its variables; None: they have no part.
        variables: dbt's `--vars`.
    """
    macros = _Macros(manifest)
    values = f"{'' if project is None else _declared_variables(project)} {_hash(dict(variables or {}))}"
    return {
        str(node["name"]): _fingerprint(node, macros, values)
        for node in manifest["nodes"].values()
        if node["resource_type"] in BUILT
    }


def _fingerprint(node: _Json, macros: _Macros, variables: str) -> str:
    config = {name: value for name, value in node["config"].items() if name not in _PLACES}
    # How two of it are compared is no part of how it is made.
    config["meta"] = {
        name: value for name, value in (config.get("meta") or {}).items() if name != "eventreplay"
    }
    columns = {}
    if (node.get("contract") or {}).get("enforced"):
        columns = {
            name: [column.get("data_type"), column.get("constraints")]
            for name, column in (node.get("columns") or {}).items()
        }
    text = "\n".join([str(node.get("raw_code") or ""), *_texts(config)])
    used = macros.used_by(text, node)
    is_seed = node["resource_type"] == "seed"
    reads_variables = _VARIABLE.search(text) or any(_VARIABLE.search(sql) for sql in used.values())
    return _hash(
        {
            "kind": node["resource_type"],
            "language": node.get("language"),
            "code": node.get("raw_code"),
            "content": (node.get("checksum") or {}).get("checksum") if is_seed else None,
            "config": config,
            "columns": columns,
            "constraints": node.get("constraints"),
            "macros": used,
            "variables": variables if reads_variables else None,
        }
    )


class _Macros:
    """Macros of the project and of packages, and how one leads to others."""

    def __init__(self, manifest: _Json) -> None:
        adapter = str(manifest["metadata"].get("adapter_type") or "")
        dbts_own = {"dbt", f"dbt_{adapter}"}
        every = manifest["macros"].values()
        self._variants = {"default", adapter}
        own = {str(macro["name"]) for macro in every if macro["package_name"] in dbts_own}
        self._by_name: dict[str, dict[str, str]] = {}
        for macro in every:
            name = str(macro["name"])
            if macro["package_name"] in dbts_own or _NAMING.fullmatch(name) or not self._applies(name):
                continue
            known = self._by_name.setdefault(_plain(name), {})
            known[f"{macro['package_name']}.{name}"] = str(macro["macro_sql"])
        plain_own = {_plain(name) for name in own}
        # What stands in the place of a macro of dbt's own is called by dbt: no text needs to name it.
        self._everywhere = sorted(name for name in self._by_name if name in plain_own)

    def _applies(self, name: str) -> bool:
        """Whether it may be called on this warehouse; `snowflake__x` is not, on DuckDB."""
        found = _DISPATCHED.fullmatch(name)
        return found is None or found[1] in self._variants

    def used_by(self, text: str, node: _Json) -> dict[str, str]:
        """The SQL of each macro that a text leads to, by its full name."""
        config = node["config"]
        ahead = [
            *self._everywhere,
            f"get_incremental_{config.get('incremental_strategy')}_sql",
            f"materialization_{config.get('materialized')}_default",
            *(f"materialization_{config.get('materialized')}_{variant}" for variant in self._variants),
            *_WORD.findall(text),
        ]
        found: dict[str, str] = {}
        seen = set()
        while ahead:
            name = _plain(ahead.pop())
            if name in seen:
                continue
            seen.add(name)
            for full_name, sql in self._by_name.get(name, {}).items():
                found[full_name] = sql
                ahead += _WORD.findall(sql)
        return found


def _plain(name: str) -> str:
    """The name under which a macro is called: that of `default__x` is `x`."""
    found = _DISPATCHED.fullmatch(name)
    return name if found is None else found[2]


def _texts(value: object) -> Iterator[str]:
    """All texts in a configuration: hooks hold SQL."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _declared_variables(project: Path) -> str:
    """The section `vars` of dbt_project.yml, as it is written."""
    lines = (project / "dbt_project.yml").read_text("utf-8").splitlines()
    taken: list[str] = []
    inside = False
    for line in lines:
        if re.match(r"\S", line) and not line.startswith("#"):
            inside = line.startswith("vars:")
        if inside and line.strip() and not line.strip().startswith("#"):
            taken.append(line.rstrip())
    return hashlib.sha256("\n".join(taken).encode()).hexdigest()


def _hash(facts: object) -> str:
    return hashlib.sha256(canonical(facts)).hexdigest()
