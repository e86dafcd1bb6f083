"""What a dbt project makes, of what, and who reads it: from its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from eventreplay.errors import PlanError
from eventreplay.rebuild.fingerprints import BUILT, model_fingerprints
from eventreplay.rebuild.parts import Exposure, Model
from eventreplay.transform.artifacts import MANIFEST

_Json = Mapping[str, Any]
_HINT = (
    "Give the project a macro generate_schema_name that appends env_var('EVENTREPLAY_SCHEMA_SUFFIX', ''), "
    "and its sources the schema env_var('EVENTREPLAY_RAW_SCHEMA', 'RAW')."
)


@frozen(kw_only=True)
class Lineage:
    """A project as its manifest has it.

    Attributes:
        adapter: dbt's word for the warehouse.
        models: what it makes, by name, with live names of schemas.
        exposures: name, kind, owner and models of each.
        snapshots: models that keep a history of their own, which no log holds.
    """

    adapter: str
    models: Mapping[str, Model]
    exposures: tuple[tuple[str, str, str, tuple[str, ...]], ...] = field(repr=False)
    snapshots: tuple[str, ...]

    def schemas(self) -> tuple[str, ...]:
        """Schemas that something is built in, those nearest to the sources first."""
        depth: dict[str, int] = {}
        for name, model in self.models.items():
            if model.materialized != "ephemeral":
                own = self._depth(name)
                depth[model.schema] = max(own, depth.get(model.schema, own))
        return tuple(sorted(depth, key=lambda name: (depth[name], name)))

    def _depth(self, name: str) -> int:
        """How many steps from a source it is, at least."""
        steps, now, seen = 0, {name}, {name}
        while now and not any(self.models[each].reads or not self.models[each].parents for each in now):
            now = {parent for each in now for parent in self.models[each].parents} - seen
            seen |= now
            steps += 1
        return steps

    def affected_by(self, changed: Iterable[str], tables: Iterable[str] = ()) -> tuple[str, ...]:
        """Models that may come out otherwise: `changed`, what reads `tables`, and all below; sorted."""
        sources = set(tables)
        found = {
            *changed,
            *(name for name, model in self.models.items() if sources.intersection(model.reads)),
        }
        size = -1
        while size != len(found):
            size = len(found)
            found |= {name for name, model in self.models.items() if found.intersection(model.parents)}
        return tuple(sorted(found))

    def exposed(self, affected: Sequence[str]) -> tuple[Exposure, ...]:
        """What reads the models, with whether one of `affected` is among them."""
        touched = set(affected)
        return tuple(
            Exposure(
                name=name,
                kind=kind,
                owner=owner,
                parents=parents,
                affected=bool(touched.intersection(parents)),
            )
            for name, kind, owner, parents in self.exposures
        )


def read_manifest(work: Path) -> dict[str, Any]:
    """The manifest that dbt left in its folder.

    Raises:
        PlanError: there is none.
    """
    try:
        found: dict[str, Any] = json.loads((work / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PlanError(
            f"dbt left no manifest in {work}.", hint=f"See {work / 'dbt.log'}: the project cannot be parsed."
        ) from error
    return found


def lineage_of(
    manifest: _Json,
    *,
    suffix: str,
    raw_schema: str,
    project: Path | None = None,
    variables: Mapping[str, object] | None = None,
) -> Lineage:
    """What a project makes when it is built beside the live tables.

    Args:
        manifest: of the project, parsed under the names of a shadow: RAW's and all schemas with `suffix`.
        suffix: what stands behind the names of the shadow's schemas.
        raw_schema: RAW's name when live.
        project: the project's folder, for its variables.
        variables: dbt's `--vars`.

    Raises:
        PlanError: it would build over the live tables, or would read the live RAW.
    """
    prints = model_fingerprints(manifest, project=project, variables=variables)
    keys = _keys(manifest)
    nodes = {
        unique_id: node for unique_id, node in manifest["nodes"].items() if node["resource_type"] in BUILT
    }
    _check_places(nodes.values(), manifest["sources"].values(), suffix, raw_schema)
    models: dict[str, Model] = {}
    for unique_id, node in nodes.items():
        name = str(node["name"])
        if name in models:
            raise PlanError(
                f"Two models are called {name}.",
                hint="Give each a name of its own, in packages too.",
                name=name,
            )
        above = (node.get("depends_on") or {}).get("nodes") or []
        models[name] = Model(
            fingerprint=prints[name],
            kind=str(node["resource_type"]),
            schema=_live(str(node["schema"]), suffix),
            identifier=str(node.get("alias") or name),
            materialized=str(node["config"].get("materialized") or node["resource_type"]),
            parents=sorted(str(nodes[parent]["name"]) for parent in above if parent in nodes),
            reads=sorted(
                _source(manifest["sources"][parent], suffix, raw_schema)
                for parent in above
                if parent in manifest["sources"]
            ),
            key=_key(node, keys.get(unique_id, ())),
            columns=list(node.get("columns") or {}),
            compare=_compare(node),
        )
    return Lineage(
        adapter=str(manifest["metadata"].get("adapter_type") or ""),
        models=dict(sorted(models.items())),
        exposures=tuple(_exposure(each, nodes) for each in _sorted(manifest.get("exposures") or {})),
        snapshots=tuple(sorted(name for name, model in models.items() if model.kind == "snapshot")),
    )


def _check_places(nodes: Iterable[_Json], sources: Iterable[_Json], suffix: str, raw_schema: str) -> None:
    shadow_raw = f"{raw_schema}{suffix}".upper()
    for node in nodes:
        if node["config"].get("materialized") == "ephemeral":
            continue
        schema = str(node["schema"])
        if not schema.upper().endswith(suffix) or len(schema) == len(suffix):
            raise PlanError(
                f"dbt would build {node['name']} into {schema}, over what is live: the project pays no "
                "heed to the suffix of a shadow.",
                hint=_HINT,
                model=node["name"],
                schema=schema,
            )
        if schema.upper() == shadow_raw:
            raise PlanError(
                f"dbt builds {node['name']} into {raw_schema}, which belongs to the loads.",
                hint="Give the model another schema.",
                model=node["name"],
            )
    for source in sources:
        if str(source["schema"]).upper() == raw_schema.upper():
            raise PlanError(
                f"The source {source['source_name']}.{source['name']} is {raw_schema} by a fixed name: a "
                "shadow would be built of the live RAW.",
                hint=_HINT,
                source=source["name"],
            )


def _live(schema: str, suffix: str) -> str:
    return schema[: -len(suffix)] if schema.upper().endswith(suffix) else schema


def _source(source: _Json, suffix: str, raw_schema: str) -> str:
    schema = str(source["schema"])
    if schema.upper() == f"{raw_schema}{suffix}".upper():
        schema = raw_schema
    return f"{schema}.{source.get('identifier') or source['name']}"


def _keys(manifest: _Json) -> dict[str, tuple[str, ...]]:
    """Columns that a test says are unique together, by the node it is about; the fewest, of several."""
    found: dict[str, tuple[str, ...]] = {}
    for _, test in sorted(manifest["nodes"].items()):
        about = test.get("test_metadata") or {}
        if not str(about.get("name") or "").startswith("unique") or not test.get("attached_node"):
            continue
        told = about.get("kwargs") or {}
        columns = told.get("columns") or told.get("combination_of_columns") or test.get("column_name")
        names = (columns,) if isinstance(columns, str) else tuple(str(name) for name in columns or ())
        known = found.get(test["attached_node"])
        if names and (known is None or len(names) < len(known)):
            found[test["attached_node"]] = names
    return found


def _compare(node: _Json) -> dict[str, Any]:
    meta = {**(node.get("meta") or {}), **(node["config"].get("meta") or {})}
    told = meta.get("eventreplay") or {}
    return dict(told) if isinstance(told, Mapping) else {}


def _key(node: _Json, tested: tuple[str, ...]) -> tuple[str, ...]:
    """What the project says for us, else a test, else a constraint, else what an incremental replaces by."""
    told = _compare(node).get("key")
    if told:
        return (told,) if isinstance(told, str) else tuple(str(name) for name in told)
    if tested:
        return tested
    if node.get("primary_key"):
        return tuple(node["primary_key"])
    key = node["config"].get("unique_key")
    return (key,) if isinstance(key, str) else tuple(key or ())


def _exposure(each: _Json, nodes: Mapping[str, _Json]) -> tuple[str, str, str, tuple[str, ...]]:
    owner = each.get("owner") or {}
    above = (each.get("depends_on") or {}).get("nodes") or []
    return (
        str(each["name"]),
        str(each.get("type") or ""),
        str(owner.get("name") or owner.get("email") or ""),
        tuple(sorted(str(nodes[parent]["name"]) for parent in above if parent in nodes)),
    )


def _sorted(exposures: _Json) -> list[_Json]:
    return [each for _, each in sorted(exposures.items())]
