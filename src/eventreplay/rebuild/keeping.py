"""Looking after the generations that there are: list, find, roll back, drop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from eventreplay.capabilities.generations import Generation, SupportsGenerations
from eventreplay.errors import GenerationError
from eventreplay.rebuild.ends import OpenSink, Patience, opened


def generations(open_sink: OpenSink, patience: Patience | None = None) -> Sequence[Generation]:
    """All there are, the live one first."""

    def once() -> Sequence[Generation]:
        with opened(open_sink) as (_, kept):
            return kept.generations()

    return (patience or Patience()).of(once)


def found(kept: SupportsGenerations, name: str) -> Generation:
    """One generation.

    Raises:
        GenerationError: there is none of this name.
    """
    known = {generation.name: generation for generation in kept.generations()}
    if name not in known:
        raise GenerationError(
            f"There is no generation {name[:80]!r}.",
            hint=f"`eventreplay rebuild ls` lists them: {', '.join(known)}.",
            name=name[:80],
        )
    return known[name]


def unfinished(kept: Sequence[Generation]) -> str | None:
    """What to say if a promotion was broken off; None if none was."""
    for generation in kept:
        if generation.state == "promoting":
            return (
                f"The promotion of {generation.name} was broken off: some tables may have changed places and "
                f"others not. Run `eventreplay rebuild promote {generation.name}` to finish it, or "
                "`eventreplay rebuild rollback` to undo it."
            )
    return None


def refuse_unfinished(kept: Sequence[Generation]) -> None:
    """Go no further while a promotion is half done.

    Raises:
        GenerationError: one is.
    """
    said = unfinished(kept)
    if said is not None:
        raise GenerationError("A promotion was broken off, and is to be ended first.", hint=said)


def rollback(open_sink: OpenSink, patience: Patience | None = None) -> Generation:
    """Undo the last promotion, finished or not; what was live before it is so again.

    What came in since is missing from the tables that come back until the next load: their checkpoints
    came back with them.

    Raises:
        GenerationError: nothing was promoted, or what was live is dropped.
    """

    def once() -> Generation:
        with opened(open_sink) as (_, kept):
            return kept.rollback()

    return (patience or Patience()).of(once)


def drop(
    open_sink: OpenSink,
    name: str,
    *,
    now: datetime | None = None,
    force: bool = False,
    patience: Patience | None = None,
) -> Generation:
    """Remove a generation that is neither live nor being promoted; gives what it was.

    Args:
        open_sink: the warehouse.
        name: of the generation.
        now: the moment by which a stated time is over, timezone-aware; None: the clock's.
        force: also one that was to be kept longer.
        patience: how a busy warehouse is waited for.

    Raises:
        GenerationError: there is none of this name, it may not be removed, or not yet.
    """
    moment = now or datetime.now(UTC)

    def once() -> Generation:
        with opened(open_sink) as (_, kept):
            gone = found(kept, name)
            until = gone.keep_until
            if gone.state == "kept" and until is not None and until > moment and not force:
                raise GenerationError(
                    f"{name} is to be kept until {until.isoformat(timespec='seconds')}.",
                    hint="Nothing goes back to it once it is dropped; `rebuild drop --force` does it anyway.",
                    name=name,
                )
            kept.drop(name)
            return gone

    return (patience or Patience()).of(once)


def drop_expired(
    open_sink: OpenSink, now: datetime, patience: Patience | None = None
) -> Sequence[Generation]:
    """Remove what is kept no longer: its stated time is over.

    Args:
        open_sink: the warehouse.
        now: timezone-aware.
        patience: how a busy warehouse is waited for.
    """

    def once() -> Sequence[Generation]:
        with opened(open_sink) as (_, kept):
            old = [
                generation
                for generation in kept.generations()
                if generation.state == "kept"
                and generation.keep_until is not None
                and generation.keep_until <= now
            ]
            for generation in old:
                kept.drop(generation.name)
            return old

    return (patience or Patience()).of(once)
