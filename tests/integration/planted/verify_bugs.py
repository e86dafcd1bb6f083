"""Planted bugs of verify and of receipts."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

VERIFY_BUGS = (
    Bug(
        "verify: sums are compared, and counts are not",
        "src/eventreplay/differences.py",
        (("        if tally.rows != rows or tally.offsets != rows or tally.claimed != tally.computed:\n", "        if tally.claimed != tally.computed:\n"),),
        ("tests/unit/test_verify.py::test_only_doubled_records_that_capture_refused_show_by_their_number",),
    ),
    Bug(
        "verify: a doubled row makes up for a missing one",
        "src/eventreplay/differences.py",
        ((" or tally.offsets != rows", ""),),
        ("tests/unit/test_verify.py::test_two_changes_that_make_up_for_each_other_in_the_count_are_both_found",),
    ),
    Bug(
        "verify: the last offset of a range counts in the next",
        "src/eventreplay/tally.py",
        (("{column} < {int(edges[middle])}", "{column} <= {int(edges[middle])}"),),
        ("tests/unit/sinks/test_duckdb_suite.py::TestDuckDBSink::test_rows_are_counted_and_added_up_as_the_model_does",),
    ),
    Bug(
        "verify: the chain of commits is not verified",
        "src/eventreplay/verify.py",
        (("        for commit in reader.commits():\n            head = commit\n", "        for commit in map(reader.commit, range(1, reader.head().number + 1)):\n            head = commit\n"),),
        ("tests/unit/test_verify.py::test_a_forged_commit_is_found_by_the_chain_and_nothing_is_compared",),
    ),
    Bug(
        "verify: what a load brings meanwhile is unknown",
        "src/eventreplay/verify.py",
        (("            now = 0 if commit is None else _end(commit, side.order)\n", "            now = end\n"),),
        ("tests/unit/test_verify.py::test_a_load_that_goes_on_makes_nothing_unknown",),
    ),
    Bug(
        "verify: a quarantined payload is taken at its word",
        "src/eventreplay/sinks/duckdb_tally.py",
        (("{_hash(event_id, _REFUSED_DIGEST)} AS computed", '{_hash(event_id, "payload_sha256")} AS computed'),),
        ("tests/unit/sinks/test_duckdb_suite.py::TestDuckDBSink::test_rows_are_counted_and_added_up_as_the_model_does",),
    ),
    Bug(
        "receipts: the one before is not named",
        "src/eventreplay/log/receipts.py",
        (("            previous = self._sha256(last)\n", "            previous = layout.GENESIS\n"),),
        ("tests/unit/test_receipts.py::test_each_names_the_one_before_it_and_the_log_is_whole_with_them",),
    ),
    Bug(
        "receipts: a run that an error ends keeps none",
        "src/eventreplay/cli/jobs/receipts.py",
        (("            write(error=type(error).__name__)\n", "            pass\n"),),
        ("tests/unit/cli/test_receipts.py::test_a_run_that_an_error_ends_keeps_what_it_had_done",),
    ),
)  # fmt: skip
