"""The work of `log ls`, `log check` and `log gc`."""

from __future__ import annotations

from pathlib import Path

from attrs import asdict

from eventreplay.cli.jobs import assembly
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, print_table, size_text
from eventreplay.log import Commit, PartitionReader

DAMAGED = 3
"""Exit code when a log is not what was committed."""


def ls(url: str | None, config: Path | None, *, as_json: bool) -> int:
    """One line a partition, and the hash over all of them."""
    log = assembly.existing_log(url, config)
    partitions = [partition_facts(log.reader(name)) for name in log.partitions()]
    if as_json:
        print_json({"log": log.url, "sha256": log.sha256(), "partitions": partitions})
        return 0
    columns = ("partition", "commits", "events", "quarantined", "size", "position", "head")
    rows = [
        (
            facts["partition"],
            facts["commits"],
            facts["events"],
            facts["quarantined"],
            size_text(int(str(facts["bytes"]))),
            facts["position"],
            None if facts["head_sha256"] is None else f"{str(facts['head_sha256'])[:12]}…",
        )
        for facts in partitions
    ]
    print_table(f"Log {log.url}", columns, rows, right=(1, 2, 3, 4, 5))
    print_line(f"sha256 over all heads: {log.sha256()}")
    return 0


def partition_facts(reader: PartitionReader) -> dict[str, object]:
    """What a partition holds, as its commits say; all None and 0 before the first commit."""
    head = reader.head()
    stored_bytes = 0 if head is None else sum(_bytes(commit) for commit in reader.commits())
    return {
        "partition": reader.partition,
        "commits": 0 if head is None else head.number,
        "events": 0 if head is None else head.next_offset,
        "quarantined": 0 if head is None else head.next_quarantine_offset,
        "bytes": stored_bytes,
        "source": None if head is None else head.checkpoint.source,
        "epoch": None if head is None else head.checkpoint.epoch,
        "position": None if head is None else head.checkpoint.position,
        "head_sha256": None if head is None else head.sha256,
    }


def _bytes(commit: Commit) -> int:
    return sum(ref.bytes for ref in (*commit.segments, *commit.quarantine))


def check(url: str | None, config: Path | None, *, as_json: bool) -> int:
    """Recompute all hashes; every finding is told, and any damage makes the exit code 3."""
    log = assembly.log_of(url, config)
    if not log.exists() and not log.partitions():
        raise assembly.no_log(log.url)
    with progress("check", "events") as report_progress:
        report = log.check(lambda state: report_progress(state.events + state.quarantined, None))
    if as_json:
        print_json({"log": log.url, "ok": report.ok, **asdict(report)})
        return 0 if report.ok else DAMAGED
    total = report.total
    print_line(
        f"{total.commits:,} commits, {total.segments:,} segments, {total.events:,} events, "
        f"{total.quarantined:,} quarantined, {size_text(total.bytes)}, {len(report.partitions):,} partitions"
    )
    for title, findings in (("Damage", report.findings), ("Worth knowing", report.notes)):
        if findings:
            rows = [(finding.kind, finding.key, finding.detail, finding.hint) for finding in findings]
            print_table(title, ("kind", "object", "what was seen", "what to do"), rows)
    if report.ok:
        print_line("The log is whole: every byte is as it was committed.", style="green")
    else:
        print_line(f"The log is damaged: {len(report.findings):,} findings.", style="bold red")
    return 0 if report.ok else DAMAGED


def gc(url: str | None, config: Path | None, *, dry_run: bool, as_json: bool) -> int:
    """Remove segments of crashed runs and half-written objects."""
    log = assembly.existing_log(url, config)
    report = log.gc(dry_run=dry_run)
    if as_json:
        print_json({"log": log.url, **asdict(report)})
        return 0
    rows = [("segment without a commit", key) for key in report.orphans]
    rows += [("half-written object", key) for key in report.staging]
    if rows:
        print_table("Would be removed" if dry_run else "Removed", ("what", "object"), rows)
    verb = "would be removed" if dry_run else "removed"
    print_line(f"{len(report.orphans):,} segments and {len(report.staging):,} half-written objects {verb}.")
    if report.ahead:
        print_line(
            f"{len(report.ahead):,} segments ahead of the log are kept: a writer may be about to commit them."
        )
    return 0
