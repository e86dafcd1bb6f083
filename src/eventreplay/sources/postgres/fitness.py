"""Whether a journal can be captured without loss: each reason against it, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from eventreplay.errors import SourceError
from eventreplay.sources.postgres.settings import PostgresSettings
from eventreplay.sources.postgres.table import Journal

VERSION_MIN = 130_000
_ID_KINDS = {"bigint", "integer", "smallint"}


@frozen(kw_only=True)
class Obstacle:
    """A reason not to capture; `allowance` is the setting that accepts it, if any does."""

    name: str
    detail: str
    hint: str
    allowance: str | None = None


def obstacles(journal: Journal, settings: PostgresSettings) -> list[Obstacle]:
    """What stands against capturing, without what the settings accept."""
    every = [*_of_server(journal), *_of_table(journal, settings), *_of_ids(journal)]
    return [each for each in every if each.allowance is None or each.allowance not in settings.allow]


def check_fitness(journal: Journal, settings: PostgresSettings) -> None:
    """Refuse what cannot be captured.

    Raises:
        SourceError: the first obstacle.
    """
    for each in obstacles(journal, settings):
        raise SourceError(each.detail, hint=each.hint, obstacle=each.name)


def _of_server(journal: Journal) -> Iterator[Obstacle]:
    if journal.version < VERSION_MIN:
        yield Obstacle(
            name="version",
            detail=f"The server is PostgreSQL {journal.version // 10_000}.",
            hint="PostgreSQL 13 or newer is needed.",
        )
    if journal.is_replica:
        yield Obstacle(
            name="replica",
            detail="The server is a replica: it does not know who may still fill a hole in the ids.",
            hint="Capture from the primary; with allow=replica capture stops below the first hole.",
            allowance="replica",
        )


def _of_table(journal: Journal, settings: PostgresSettings) -> Iterator[Obstacle]:
    if journal.kind not in {"r", "p"}:
        yield Obstacle(
            name="kind",
            detail=f"{journal.schema}.{journal.name} is no table.",
            hint="Name the table itself: writers lock it, not its views.",
        )
    if journal.persistence != "p":
        yield Obstacle(
            name="persistence",
            detail=f"{journal.schema}.{journal.name} is unlogged or temporary: a crash empties it.",
            hint="ALTER TABLE ... SET LOGGED;",
        )
    column = journal.columns.get(settings.id_column)
    if column is None or column.kind not in _ID_KINDS:
        found = "is not there" if column is None else f"is of type {column.kind}"
        yield Obstacle(
            name="id",
            detail=f"The id column {settings.id_column!r} {found}.",
            hint=f"Set id_column; the table has {', '.join(journal.columns)}.",
        )


def _of_ids(journal: Journal) -> Iterator[Obstacle]:
    if len(journal.sequences) != 1 or journal.is_subscribed:
        origin = "another server" if journal.is_subscribed else f"{len(journal.sequences)} sequences"
        yield Obstacle(
            name="ids",
            detail=f"The ids come from {origin}, not from one sequence of this server.",
            hint="Holes in them can be filled at any time, unseen by locks: make the id GENERATED AS "
            "IDENTITY, or set allow=foreign_ids and live with late arrivals (they raise an alarm).",
            allowance="foreign_ids",
        )
    for each in journal.sequences:
        if each.cache > 1:
            yield Obstacle(
                name="sequence cache",
                detail=f"The sequence {each.name} has CACHE {each.cache}: sessions keep ids for later.",
                hint=f'ALTER SEQUENCE "{each.schema}"."{each.name}" CACHE 1; (and end old sessions), or set '
                "allow=sequence_cache and live with late arrivals (they raise an alarm).",
                allowance="sequence_cache",
            )
        if each.increment < 1:
            yield Obstacle(
                name="sequence direction",
                detail=f"The sequence {each.name} counts downwards.",
                hint="Positions ascend: a journal whose ids descend cannot be captured.",
            )
