"""What a proxy does to a connection, and what it notes of having done it."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators

from eventreplay.errors import ConfigError

Direction = Literal["up", "down"]
"""`up`: from the client to the server; `down`: back."""

DIRECTIONS: tuple[Direction, ...] = ("up", "down")
CUTS = ("reset", "close")


@frozen(kw_only=True)
class Rule:
    """What happens to the bytes of a connection; by default they pass.

    Attributes:
        latency_s: every byte arrives this much later; order and throughput stay.
        bytes_per_s: no faster than this, in each direction; None: as fast as it goes.
        stall: directions in which nothing is read or passed on any more; what was sent arrives when the rule
            ends. Both at once is what a connection looks like after the network between has gone.
        drop: directions in which everything is read and thrown away, its end too; such bytes never arrive.
        cut_after: so many more bytes pass in `cut_direction`, then the connection ends; None: it does not.
        cut_direction: whose bytes are counted.
        cut: `reset` (both sides get a RST) or `close` (both get an orderly end).
        connect: whether the server is connected to at all; if not, the client is accepted into silence.
    """

    latency_s: float = field(default=0.0, validator=validators.ge(0))
    bytes_per_s: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    stall: frozenset[Direction] = frozenset()
    drop: frozenset[Direction] = frozenset()
    cut_after: int | None = field(default=None, validator=validators.optional(validators.ge(0)))
    cut_direction: Direction = "up"
    cut: Literal["reset", "close"] = "reset"
    connect: bool = True


PASS = Rule()


@frozen(kw_only=True)
class Noted:
    """Something that a proxy did.

    Attributes:
        number: of the connection, from 1; 0 for the proxy as a whole.
        kind: `accepted`, `connected`, `unreachable`, `rule`, `passed`, `delayed`, `trickled`, `stalled`,
            `dropped`, `cut`, `reset`, `closed`, `ended`; of the proxy: `refusing`, `listening`.
        direction: where that has a meaning.
        bytes: how many it was about.
    """

    number: int
    kind: str
    direction: Direction | None = None
    bytes: int = 0


def directions(name: str) -> frozenset[Direction]:
    """`up`, `down` or `both`.

    Raises:
        ConfigError: another word.
    """
    known: dict[str, frozenset[Direction]] = {
        "up": frozenset({"up"}),
        "down": frozenset({"down"}),
        "both": frozenset(DIRECTIONS),
    }
    if name not in known:
        raise ConfigError(f"A proxy knows no direction {name!r}.", hint="Say `up`, `down` or `both`.")
    return known[name]
