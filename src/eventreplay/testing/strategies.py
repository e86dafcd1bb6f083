"""Hypothesis strategies for events and their parts. Needs hypothesis, which the core does not install."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

from eventreplay.batch import Batch
from eventreplay.errors import ConfigError
from eventreplay.event import Event
from eventreplay.testing.examples import DECIMAL_TEXTS, HOSTILE_TEXTS
from eventreplay.testing.mutations import mutated

try:
    from datetime import UTC

    from hypothesis import strategies as st
except ImportError as error:
    raise ConfigError(
        "eventreplay.testing.strategies needs hypothesis.", hint="Install it: pip install hypothesis."
    ) from error

_NAME_CHARACTERS_MAX = 40


def hostile_texts(*, nul: bool = True) -> st.SearchStrategy[str]:
    """Texts with quotes, `../`, bidi marks, four-byte characters, controls; and NUL unless told otherwise."""
    known = [text for text in HOSTILE_TEXTS.values() if nul or "\x00" not in text]
    excluded = () if nul else ("\x00",)
    free = st.text(st.characters(codec="utf-8", exclude_characters=excluded), max_size=_NAME_CHARACTERS_MAX)
    return st.sampled_from(known) | free


def decimal_texts(*, precision: int = 38, scale: int | None = None) -> st.SearchStrategy[str]:
    """Plain decimal texts of at most `precision` digits, with exactly `scale` fraction digits if given."""
    if scale is not None and not 0 <= scale <= precision:
        raise ConfigError(
            "The scale is between 0 and the precision.", hint="For instance precision=38, scale=9."
        )
    scales = st.integers(0, precision) if scale is None else st.just(scale)
    unscaled = st.integers(-(10**precision) + 1, 10**precision - 1)
    made = st.builds(_plain, unscaled, scales)
    fitting = [
        text
        for text in DECIMAL_TEXTS
        if scale is None and len(text.replace("-", "").replace(".", "")) <= precision
    ]
    return st.sampled_from(fitting) | made if fitting else made


def _plain(unscaled: int, scale: int) -> str:
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    sign = "-" if unscaled < 0 else ""
    return (
        f"{sign}{digits[: len(digits) - scale]}.{digits[len(digits) - scale :]}"
        if scale
        else f"{sign}{digits}"
    )


def moments() -> st.SearchStrategy[datetime]:
    """Moments to the microsecond, in UTC, over all the years there are."""
    return st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)).map(  # noqa: DTZ001
        lambda moment: moment.replace(tzinfo=UTC)
    )


@st.composite
def events(draw: st.DrawFn, *, payloads: st.SearchStrategy[bytes] | None = None) -> Event:
    """Events as a source may yield them: hostile names, any moment, any payload."""
    name = hostile_texts()
    return Event(
        event_id=draw(name.filter(bool)),
        event_type=draw(st.sampled_from(["example.v1.Happened", "example.v2.Happened"]) | name.filter(bool)),
        stream_id=draw(name),
        source=draw(name),
        occurred_at=draw(moments()),
        recorded_at=draw(st.none() | moments()),
        content_type=draw(st.sampled_from(["application/protobuf", "application/json", ""])),
        headers=draw(st.dictionaries(name, name, max_size=3)),
        payload=draw(st.binary(max_size=64) if payloads is None else payloads),
    )


@st.composite
def batches(draw: st.DrawFn, *, rows_max: int = 20) -> Batch:
    """Batches as a re-readable source yields them: positions ascend, with gaps."""
    drawn: list[Event] = draw(st.lists(events(), max_size=rows_max))
    steps = draw(st.lists(st.integers(1, 3), min_size=len(drawn), max_size=len(drawn)))
    position = draw(st.integers(-1, 5))
    placed: list[Event] = []
    for event, step in zip(drawn, steps, strict=True):
        position += step
        fields: dict[str, Any] = {name: getattr(event, name) for name in _EVENT_FIELDS}
        placed.append(Event(**{**fields, "source_position": position}))
    return Batch.from_events(placed)


_EVENT_FIELDS = tuple(attribute.name for attribute in Event.__attrs_attrs__)


def mutated_payloads(payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """What `payloads` gives, injured: cut, flipped, doubled, with lengths that lie."""
    return st.builds(
        lambda payload, seed: mutated(payload, Random(seed)),  # noqa: S311 - reproducible, not secret
        payloads,
        st.integers(0, 2**32 - 1),
    )
