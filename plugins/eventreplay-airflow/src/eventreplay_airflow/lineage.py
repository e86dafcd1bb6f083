"""What OpenLineage is told of a run: data sets with counts, and the hashes that prove what they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    RunFacet,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
)

if TYPE_CHECKING:
    from eventreplay_airflow.jobs.outcome import Outcome, Place

PRODUCER = "https://pypi.org/project/eventreplay-airflow/"
FACET = "eventreplay"


@attrs.define
class EventReplayRunFacet(RunFacet):
    """The receipt of a run: counts, positions and hashes; no data, no secret.

    Attributes:
        facts: as the task returned them.
    """

    facts: dict[str, Any] = attrs.field(factory=dict)
    _additional_skip_redact: ClassVar[list[str]] = []

    @staticmethod
    def _get_schema() -> str:
        return f"{PRODUCER}#EventReplayRunFacet"


def lineage_of(outcome: Outcome | None) -> OperatorLineage[Any, Any]:
    """The lineage of what was done; an empty one before anything was."""
    if outcome is None:
        return OperatorLineage()
    return OperatorLineage(
        inputs=[_read(place) for place in outcome.inputs],
        outputs=[_written(place) for place in outcome.outputs],
        run_facets={FACET: EventReplayRunFacet(facts=_plain(outcome.facts), producer=PRODUCER)},
    )


def _read(place: Place) -> InputDataset:
    facets: dict[str, Any] = {}
    if place.rows is not None:
        facts = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=place.rows)
        facets["inputStatistics"] = facts
    return InputDataset(namespace=place.namespace, name=place.name, inputFacets=facets)


def _written(place: Place) -> OutputDataset:
    facets: dict[str, Any] = {}
    if place.rows is not None:
        facts = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=place.rows, size=place.bytes
        )
        facets["outputStatistics"] = facts
    return OutputDataset(namespace=place.namespace, name=place.name, outputFacets=facets)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return dict(facts)
