"""The work of `quarantine ls` and `quarantine show`; and where a quarantine is, for the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from eventreplay.assembly import place_of
from eventreplay.capabilities.quarantine import Selection, SupportsQuarantine
from eventreplay.cli.jobs import assembly
from eventreplay.cli.screen import plain, print_json, print_line, print_table, visible
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Sink
from eventreplay.sinks.duckdb_redrive import DuckDBQuarantine
from eventreplay.sinks.duckdb_tables import RAW, connect

HEX_SHOWN_MAX = 512
"""Hex digits of a payload on a terminal; JSON output has all of them."""
GROUPS_MAX = 1_000
"""Groups that are listed; the total counts all records."""
_SHOWN = ("event_id", "event_type", "stream_id", "source", "source_position", "occurred_at", "headers")


@frozen(kw_only=True)
class Place:
    """Where the quarantine is, as typed; None: the settings decide."""

    warehouse: Path | None
    sink: str | None
    options: tuple[str, ...]
    config: Path | None

    def settings(self, **more: object) -> Settings:
        """The settings that hold, with this place in them."""
        if self.warehouse is not None and self.sink is not None:
            raise ConfigError(
                "Both --warehouse and --sink are given.", hint="Give one; --warehouse means a DuckDB file."
            )
        url = self.sink if self.warehouse is None else f"{assembly.DUCKDB}:///{self.warehouse}"
        return assembly.settings_of(self.config, sink_url=url, **more)

    def open(self, settings: Settings) -> Sink:
        """The sink; a DuckDB file that is not there is not made.

        Raises:
            ConfigError: there is none.
        """
        _file(settings.sink_url)
        return assembly.sink_of(settings, config=self.config, options=self.options)

    @contextmanager
    def looked_into(self) -> Iterator[DuckDBQuarantine | SupportsQuarantine]:
        """The quarantine, to read; a DuckDB file is opened for reading only, unless options say more."""
        settings = self.settings()
        file = _file(settings.sink_url)
        if file is not None and not self.options:
            with connect(file, read_only=True) as connection:
                yield DuckDBQuarantine(connection, RAW)
            return
        sink = self.open(settings)
        try:
            if not isinstance(sink, SupportsQuarantine):
                raise ConfigError(
                    "This sink's quarantine cannot be looked into.",
                    hint="Its class needs the methods of SupportsQuarantine.",
                )
            yield sink
        finally:
            sink.close()


def _file(url: str) -> Path | None:
    """The DuckDB file that a sink's URL names; None: it is another kind of sink."""
    if not url.startswith(f"{assembly.DUCKDB}://"):
        return None
    return assembly.warehouse_file(Path(place_of(url)), None)


def selection(
    stages: Sequence[str] | None,
    codes: Sequence[str] | None,
    types: Sequence[str] | None,
    partitions: Sequence[str] | None,
    fingerprints: Sequence[str] | None,
    first_offset: int | None,
    last_offset: int | None,
    *,
    everything: bool = False,
) -> Selection:
    """What was typed; `everything`: what was put aside too."""
    return Selection(
        stages=tuple(stages or ()),
        codes=tuple(codes or ()),
        types=tuple(types or ()),
        partitions=tuple(partitions or ()),
        fingerprints=tuple(fingerprints or ()),
        first_offset=first_offset,
        last_offset=last_offset,
        dismissed=None if everything else False,
    )


def ls(place: Place, wanted: Selection, *, as_json: bool) -> int:
    """Counts by stage, code and type."""
    with place.looked_into() as quarantine:
        total = quarantine.refused_count(wanted)
        reasons = counts(quarantine, wanted)
    if as_json:
        print_json({"total": total, "reasons": reasons})
        return 0
    if reasons:
        titles = {"error_code": "error code", "event_type": "event type", "dismissed": "put aside"}
        columns = [titles.get(name, name) for name in reasons[0]]
        print_table(
            "Quarantine", columns, [tuple(reason.values()) for reason in reasons], right=(len(columns) - 1,)
        )
    if len(reasons) == GROUPS_MAX:
        print_line("... and more kinds; --type and --code narrow what is listed.", style="dim")
    print_line(f"{total:,} quarantined.")
    return 0


def counts(quarantine: DuckDBQuarantine | SupportsQuarantine, wanted: Selection) -> list[dict[str, Any]]:
    """How many records there are of each stage, error code and event type."""
    # Whether a kind was put aside is said where both are listed.
    left_out = {"rows"} if wanted.dismissed is None else {"rows", "dismissed"}
    return [
        {name: value for name, value in asdict(group).items() if name not in left_out} | {"count": group.rows}
        for group in quarantine.refused_groups(wanted, groups_max=GROUPS_MAX)
    ]


def show(place: Place, wanted: Selection, *, limit_rows: int, skip_rows: int, as_json: bool) -> int:
    """Records with their original bytes."""
    with place.looked_into() as quarantine:
        records = quarantine.refused_page(wanted, limit_rows=limit_rows, skip_rows=skip_rows)
    if as_json:
        print_json({"records": records})
        return 0
    for record in records:
        _show(dict(record))
    print_line(f"{len(records):,} records.", style="dim")
    return 0


def _show(record: dict[str, Any]) -> None:
    where = f"{record['log_partition']} offset {record['log_offset']}"
    print_line(f"{record['error_code']}  {where}  ({record['stage']})", style="bold")
    print_line(f"  {record['error_message']}")
    if record["dismissed_at"] is not None:
        print_line(f"  put aside {plain(record['dismissed_at'])}: {visible(record['dismissed_reason'])}")
    for name in _SHOWN:
        if record[name] not in (None, "", "{}"):
            print_line(f"  {name}: {visible(plain(record[name]))}")
    if record["payload_json"] is not None:
        print_line(f"  decoded: {record['payload_json']}")
        place = f"{record['log_partition']} --offset {record['log_offset']} --limit 1"
        print_line(f"  original bytes: eventreplay log cat {place}")
    else:
        payload = bytes(record["payload"] or b"")
        digits = payload.hex()
        rest = f"… ({len(payload):,} bytes)" if len(digits) > HEX_SHOWN_MAX else ""
        print_line(f"  payload: {digits[:HEX_SHOWN_MAX]}{rest}")
    print_line()
