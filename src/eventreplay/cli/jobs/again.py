"""The work of `receipts again`: the same run once more from its receipt, and what came out compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from attrs import frozen

from eventreplay.admission import AdmissionLimits
from eventreplay.assembly import codec_of, limits_of
from eventreplay.capture import CaptureOptions
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Codec, Sink, Source
from eventreplay.log import Log
from eventreplay.prove.again import Compared, captured_again, replayed_again, verified_again
from eventreplay.prove.codecs import CodecName
from eventreplay.rebuild import opened_raw
from eventreplay.receipts import Receipt, Receipts
from eventreplay.redaction import redacted
from eventreplay.secret import MASK
from eventreplay.verify import verify

DIFFERS = 1
"""Exit code when something came out otherwise."""
_NO_ROWS_NAMED = 1


@frozen(kw_only=True)
class AgainRequest:
    """What was typed; None: as the receipt has it."""

    number: int
    log: str | None
    source: str | None
    sink: str | None
    schemas: str | None
    options: tuple[str, ...]
    workers: int | None
    keeps_receipt: bool
    config: Path | None


def run(request: AgainRequest, *, as_json: bool) -> int:
    """Do it again and compare."""
    log = assembly.existing_log(request.log, request.config)
    receipts = Receipts(log)
    receipt = receipts.get(request.number)
    if receipt is None:
        raise ConfigError(
            f"There is no receipt {request.number} in {log.url}.",
            hint="See `eventreplay receipts ls`.",
        )
    work = {"capture": _capture, "replay": _replay, "verify": _verify}.get(receipt.kind)
    if work is None:
        raise ConfigError(
            f"A receipt of kind {receipt.kind} is not done again.",
            hint="Those of capture, replay and verify are; `eventreplay prove --seed` makes a proof again, "
            "and `eventreplay prove` shows that dbt's models come out the same.",
        )
    found: list[Compared] = []

    def facts() -> dict[str, Any] | None:
        if not found or not request.keeps_receipt:
            return None
        return {
            "log": log.url,
            "again": {"number": receipt.number, "kind": receipt.kind, "sha256": receipt.sha256},
            "equal": all(one.equal for one in found),
            "compared": [one.to_json() for one in found],
        }

    with kept(log, "prove", facts) as proof:
        found.extend(work(request, log, receipt))
    equal = all(one.equal for one in found)
    if as_json:
        compared = [one.to_json() for one in found]
        about = {"log": log.url, "again": receipt.number, "kind": receipt.kind, "equal": equal}
        print_json({**about, "compared": compared, "receipt": proof.number})
    else:
        _say(receipt, found)
    return 0 if equal else DIFFERS


def _say(receipt: Receipt, found: list[Compared]) -> None:
    rows = [("equal" if one.equal else "differs", one.what, one.then, one.now) for one in found]
    print_table(f"Receipt {receipt.number}: {receipt.kind}, again", ("", "what", "then", "now"), rows)
    first = next((one for one in found if not one.equal), None)
    if first is None:
        print_line("The same came out again.", style="green")
    else:
        print_line(f"Not the same: {first.what} was {first.then}, and is {first.now}.", style="bold red")


def _capture(request: AgainRequest, log: Log, receipt: Receipt) -> list[Compared]:
    used = receipt.facts.get("settings") or {}
    spec = request.source or used.get("source")
    if spec is None or MASK in str(spec):
        raise ConfigError(
            f"Receipt {receipt.number} does not say where from, or only without its secrets.",
            hint="Give the source as it was captured, with --source.",
        )
    options = _options(request, receipt)
    usual = Settings()
    maker = assembly.source_maker(str(spec), options, config=request.config)
    if maker.is_queue():
        raise ConfigError(
            f"{redacted(str(spec))} is a queue, which delivers once.",
            hint="What it delivered is in the log and nowhere else; `eventreplay log check` proves that.",
        )
    how = CaptureOptions(
        segment_positions=int(used.get("segment_positions") or usual.segment_positions),
        segment_bytes_max=int(used.get("segment_bytes_max") or usual.segment_bytes_max),
        workers=request.workers or 1,
        limits=AdmissionLimits(
            payload_bytes_max=int(used.get("payload_bytes_max") or usual.payload_bytes_max)
        ),
    )
    source = cast("Source", maker.make())
    try:
        with progress(f"capture again, receipt {receipt.number}", "events") as report:
            return captured_again(log, receipt, source, how, progress=report)
    finally:
        source.close()


def _replay(request: AgainRequest, log: Log, receipt: Receipt) -> list[Compared]:
    codec = _codec(request, receipt)
    with progress(f"replay again, receipt {receipt.number}", "events") as report:
        return replayed_again(log, receipt, codec, workers=request.workers or 1, progress=report)


def _verify(request: AgainRequest, log: Log, receipt: Receipt) -> list[Compared]:
    used = receipt.facts.get("settings") or {}
    if "replay_id" not in receipt.facts:
        raise ConfigError(
            f"Receipt {receipt.number} compared no rows of RAW.",
            hint="Run `eventreplay verify` with its options again.",
        )
    settings = assembly.settings_of(
        request.config,
        log_url=log.url,
        sink_url=request.sink or receipt.facts["sink"],
        replay_id=receipt.facts["replay_id"],
    )
    options = _options(request, receipt)

    def open_sink() -> Sink:
        return assembly.sink_of(settings, config=request.config, options=options)

    with (
        opened_raw(open_sink, used.get("generation")) as sink,
        progress(f"verify again, receipt {receipt.number}", "rows") as report,
    ):
        now = verify(
            log,
            sink,
            replay_id=settings.replay_id,
            partitions=used.get("partitions"),
            codec=_codec(request, receipt) if receipt.facts.get("deep") else None,
            samples_max=_NO_ROWS_NAMED,
            progress=report,
        )
        return verified_again(receipt, now)


def _codec(request: AgainRequest, receipt: Receipt) -> Codec:
    """That of the receipt, by the limits of the receipt; what it does not say, the settings do."""
    used = receipt.facts.get("settings") or {}
    settings = assembly.settings_of(request.config)
    name, limits = request.schemas or used.get("schemas"), used.get("limits")
    if name is None:
        return codec_of(None, settings)
    if limits is None:
        return CodecName(name=str(name), limits=limits_of(settings)).make()
    return CodecName.from_json({"name": str(name), "limits": limits}).make()


def _options(request: AgainRequest, receipt: Receipt) -> tuple[str, ...]:
    """Options of then, those given now over them; one that was a secret has to be given."""
    used = (receipt.facts.get("settings") or {}).get("options") or {}
    now = {option.partition("=")[0]: option for option in request.options}
    for name, value in used.items():
        if name not in now and MASK in str(value):
            raise ConfigError(
                f"The option {name} was a secret, which a receipt does not hold.",
                hint="Give it in the section of the settings, or with -o.",
                option=name,
            )
    then = {name: f"{name}={value}" for name, value in used.items()}
    return tuple({**then, **now}.values())
