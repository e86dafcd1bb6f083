"""What is sold: an invented catalog that grows with releases, or a catalog that the caller passes in."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from eventreplay.demo.generator import names
from eventreplay.demo.generator.columns import numbered
from eventreplay.demo.generator.dice import Dice, Ints
from eventreplay.demo.generator.layout import PERIOD_RELEASES
from eventreplay.errors import ConfigError

FIRST_SKUS_MAX = 4_000
LATER_SKUS_MAX = 4_000
CATALOG_SKUS_MAX = 1_000_000
LIST_PRICE4_MAX = 100_000_000
"""Dearest list price that is used, in 1/10,000: 10,000.00."""

_VERSIONS = 1_000
_PARALLEL_PRICE = np.array([100, 240, 900, 9_000], dtype=np.int64)
_PARALLEL_WEIGHT = np.array([1_000, 240, 40, 4], dtype=np.int64)
_PRINT_RUNS = np.array([25, 50, 99, 150, 199, 299], dtype=np.int64)


@frozen(eq=False)
class Catalog:
    """SKUs in the order of their release; every column has one entry for each.

    Attributes:
        synthetic: whether the history itself releases them (True), or they come from elsewhere.
        first: how many are released before the first order.
        stride: a release happens in every stride-th period.
        sku: names, string.
        price4: list price in 1/10,000 of a US dollar.
        demand: cumulative demand, ascending; entry n is that of the SKUs below n.
        players: list of strings, or None where unknown.
        digest: hash of what was passed in; empty for an invented catalog.
    """

    synthetic: bool
    first: int
    stride: int
    sku: pa.Array
    price4: Ints
    demand: Ints
    players: pa.Array | None
    digest: str = ""

    def released(self, period: Ints) -> Ints:
        """How many SKUs were released before `period` began."""
        later = (period + self.stride - 1) // self.stride * PERIOD_RELEASES
        return np.minimum(self.first + later, len(self.price4))

    def choose(self, word: Ints, available: Ints, hyped: Ints) -> Ints:
        """A SKU below `available` for each `word` in [0, 2^31): by demand, of the newest where `hyped` is 1.

        Integer arithmetic on cumulative weights, so the choice does not depend on a float library.
        """
        low = np.where(hyped == 1, self.demand[np.maximum(available - 48, 0)], 0)
        reach = self.demand[available] - low
        found: Ints = np.searchsorted(self.demand, low + ((word * reach) >> 31), side="right") - 1
        return found


@frozen(eq=False)
class CardColumns:
    """The fields of a Card message for chosen SKUs; `price4` is None where no price is known."""

    sku: pa.Array
    base_sku: pa.Array
    players: pa.Array
    team: pa.Array
    sport: pa.Array
    release: pa.Array
    set_name: pa.Array
    card_number: pa.Array
    release_year: Ints
    parallel: pa.Array
    print_run: pa.Array
    attributes: pa.Array
    price4: Ints | None


class Cards:
    """Makes the invented cards: attributes of a SKU are a function of its number and its version."""

    def __init__(self, dice: Dice, skus: int) -> None:
        self._dice = dice
        self._player_count = 40 + skus // 24
        roster = np.arange(self._player_count, dtype=np.int64)
        self.roster = _roster(roster)
        self._team = dice.below("team", roster, len(names.CITIES) * len(names.MASCOTS))
        self.teams = pa.array([f"{city} {mascot}" for city in names.CITIES for mascot in names.MASCOTS])

    def skus(self, sku: Ints) -> pa.Array:
        """Names of SKUs by number: release, card and parallel."""
        card = sku // 4
        return pc.binary_join_element_wise(
            numbered("NS", card // 10, 4), numbered("", card % 10 + 1, 2),
            pa.array(["B", "S", "G", "K"]).take(pa.array(sku % 4)), pa.scalar("-"),
        )  # fmt: skip

    def player_numbers(self, sku: Ints) -> tuple[Ints, Ints]:
        """Roster numbers of each SKU's players, flat, and the offsets of each SKU in them."""
        card = sku // 4
        several = self._dice.below("several players", card, 100)
        counts = 1 + (several < 9) + (several < 2)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        nth = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        first = self._dice.skewed("player", card, np.full(len(card), self._player_count))
        return (np.repeat(first, counts) + nth * 7) % self._player_count, offsets

    def team_numbers(self, sku: Ints, version: Ints) -> Ints:
        """Team of each SKU as of a version: its first player's, unless a correction moved the player."""
        flat, offsets = self.player_numbers(sku)
        team = self._team[flat[offsets[:-1]]]
        moved = (version > 0) & (version % 4 == 1)
        return np.where(moved, (team + version) % len(self.teams), team)

    def price4(self, sku: Ints, version: Ints) -> Ints:
        """List price in 1/10,000 US dollars as of a version."""
        card = (
            5_000
            + self._dice.below("card price", sku // 4, 90) * 500
            + self._dice.below("sub-cent", sku, 4) * 25
        )
        price = card * _PARALLEL_PRICE[sku % 4] // 100
        return np.where(version > 0, price * (90 + version % 41) // 100, price)

    def weight(self, sku: Ints) -> Ints:
        """Demand relative to other SKUs: by player, by release and by parallel, each falling like 1/rank."""
        flat, offsets = self.player_numbers(sku)
        star = 400_000 // (3 + flat[offsets[:-1]])
        hit = 1_000 // (1 + self._dice.below("hit release", sku // 40, 12))
        return star * hit // 1_000 * _PARALLEL_WEIGHT[sku % 4] // 1_000 + 1

    def columns(self, sku: Ints, version: Ints) -> CardColumns:
        """All fields of the cards `sku` as of `version` (0: as released)."""
        flat, offsets = self.player_numbers(sku)
        product = sku // 40
        kind = product % len(names.SPORTS)
        run = _PRINT_RUNS[self._dice.below("print run", sku, len(_PRINT_RUNS))]
        run = np.where(sku % 4 == 3, 1, run) + np.where((version % 10 == 3) & (sku % 4 == 2), 1, 0)
        rookie = self._dice.chance("rookie", sku // 4, 120).astype(np.int64)
        rookies = np.concatenate([[0], np.cumsum(rookie)]).astype(np.int64)
        return CardColumns(
            sku=self.skus(sku),
            base_sku=self.skus(sku - sku % 4),
            players=_lists(offsets, self.roster.take(pa.array(flat))),
            team=self.teams.take(pa.array(self.team_numbers(sku, version))),
            sport=pa.array(names.SPORTS).take(pa.array(kind)),
            release=_PRODUCT_NAMES.take(pa.array(product % len(_PRODUCT_NAMES))),
            set_name=pa.array(["Base Set", "Inserts", "Collectors’ Choice"]).take(pa.array(product % 3)),
            card_number=pc.cast(pa.array(sku // 4 % 10 + 1), pa.string()),
            release_year=np.full(len(sku), 2026, dtype=np.int64),
            parallel=pa.array(names.PARALLELS).take(pa.array(sku % 4)),
            print_run=pa.array(run.astype(np.uint32), mask=sku % 4 < 2),
            attributes=_lists(rookies, _repeat("RC", int(rookies[-1]))),
            price4=self.price4(sku, version),
        )  # fmt: skip

    @staticmethod
    def random_version(dice: Dice, index: Ints) -> Ints:
        """A version for each correction; equal versions of one card are equal cards."""
        return 1 + dice.below("version", index, _VERSIONS)


_PRODUCT_NAMES = pa.array([f"2026 {maker} {product}" for product in names.PRODUCTS for maker in names.MAKERS])


def _lists(offsets: Ints, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _repeat(text: str, count: int) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(count, dtype=np.int64)))


def _roster(number: Ints) -> pa.Array:
    first, last = len(names.FIRST_NAMES), len(names.LAST_NAMES)
    regular = pc.binary_join_element_wise(
        pa.array(names.FIRST_NAMES).take(pa.array(number * 37 % first)),
        pa.array(names.LAST_NAMES).take(pa.array((number * 37 // first + number * 11) % last)),
        pa.scalar(" "),
    )
    odd = number % 12 == 7
    named = pc.binary_join_element_wise(regular, numbered("#", number, 1), pa.scalar(" "))
    strange = pa.array(names.ODD_NAMES).take(pa.array(number // 12 % len(names.ODD_NAMES)))
    strange = pc.if_else(
        pa.array(number // 12 < len(names.ODD_NAMES)), strange,
        pc.binary_join_element_wise(strange, numbered("#", number, 1), pa.scalar(" ")),
    )  # fmt: skip
    return pc.if_else(pa.array(odd), strange, pc.if_else(pa.array(number < 60), regular, named))


def invented_sizes(events: int) -> tuple[int, int]:
    """How many SKUs are released before the first order, and how many later, for `events` events."""
    first = min(max(events // 16, 1), FIRST_SKUS_MAX, events)
    return first, min(max(events - first, 0) // 256, LATER_SKUS_MAX)


def invented(dice: Dice, events: int) -> tuple[Catalog, Cards]:
    """The catalog of a history of `events` events, and what makes its cards."""
    first, later = invented_sizes(events)
    periods = max((events - first) // 1_024, 1)
    cards = Cards(dice, first + later)
    sku = np.arange(first + later, dtype=np.int64)
    flat, offsets = cards.player_numbers(sku)
    catalog = Catalog(
        synthetic=True,
        first=first,
        stride=max(periods * PERIOD_RELEASES // max(later, 1), 1),
        sku=cards.skus(sku),
        price4=cards.price4(sku, np.zeros(len(sku), dtype=np.int64)),
        demand=np.concatenate([[0], np.cumsum(cards.weight(sku))]).astype(np.int64),
        players=pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), cards.roster.take(pa.array(flat))
        ),
    )
    return catalog, cards


def given(dice: Dice, table: pa.Table) -> Catalog:
    """A catalog from the caller's table: `sku` (string, unique), and where known `players`, `list_price`.

    Raises:
        ConfigError: no usable column `sku`, no row, a SKU twice, or too many.
    """
    if "sku" not in table.column_names or table.num_rows == 0:
        raise ConfigError(
            "A catalog needs a column `sku` with at least one row.", hint="Pass sku, players, list_price."
        )
    sku = table.column("sku").combine_chunks().cast(pa.string())
    if sku.null_count or pc.count_distinct(sku).as_py() != len(sku) or len(sku) > CATALOG_SKUS_MAX:
        raise ConfigError(
            f"A catalog has 1 to {CATALOG_SKUS_MAX:,} SKUs, each once and never null.",
            hint="Deduplicate it.",
            skus=len(sku),
        )  # fmt: skip
    number = np.arange(len(sku), dtype=np.int64)
    fallback = 5_000 + dice.below("given price", number, 400) * 500
    price4 = (
        _price4(table.column("list_price").combine_chunks(), fallback)
        if "list_price" in table.column_names
        else fallback
    )
    weight = 5_000_000 // (5 + dice.skewed("given demand", number, np.full(len(sku), len(sku)))) + 1
    players = None
    if "players" in table.column_names:
        players = table.column("players").combine_chunks().cast(pa.list_(pa.string()))
    return Catalog(
        synthetic=False, first=len(sku), stride=1, sku=sku, price4=price4,
        demand=np.concatenate([[0], np.cumsum(weight)]).astype(np.int64), players=players,
        digest=_digest(sku, price4, players),
    )  # fmt: skip


def _price4(prices: pa.Array, fallback: Ints) -> Ints:
    """Usable list prices in 1/10,000; the fallback where one is missing, zero or out of range."""
    exact = pc.cast(prices, pa.decimal128(38, 4), safe=False)
    usable = pc.and_(pc.greater(exact, 0), pc.less_equal(exact, LIST_PRICE4_MAX // 10_000))
    chosen = pc.if_else(pc.fill_null(usable, fill_value=False), exact, None)
    scaled = pc.cast(
        pc.multiply(pc.cast(chosen, pa.decimal128(18, 4)), pa.scalar(10_000, pa.int64())), pa.int64()
    )
    known = pc.is_valid(scaled).to_numpy(zero_copy_only=False)
    return np.where(known, pc.fill_null(scaled, 0).to_numpy(zero_copy_only=False), fallback)


def _digest(sku: pa.Array, price4: Ints, players: pa.Array | None) -> str:
    state = hashlib.sha256()
    lengths = pc.binary_length(sku).to_numpy(zero_copy_only=False).astype("<i8")
    state.update(lengths.tobytes())
    state.update("".join(sku.to_pylist()).encode())
    state.update(price4.astype("<i8").tobytes())
    if players is not None:
        state.update(repr(players.to_pylist()).encode())
    return state.hexdigest()
