"""Planted bugs of verify and of receipts."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

VERIFY_BUGS = (
    Bug(
        "verify: sums are compared, and counts are not",
        "src/eventreplay/verify/differences.py",
        (("        if tally.rows != rows or tally.offsets != rows or tally.claimed != tally.computed:\n", "        if tally.claimed != tally.computed:\n"),),
        ("tests/unit/verify/test_comparing.py::test_only_doubled_records_that_capture_refused_show_by_their_number",),
    ),
    Bug(
        "verify: a doubled row makes up for a missing one",
        "src/eventreplay/verify/differences.py",
        ((" or tally.offsets != rows", ""),),
        ("tests/unit/verify/test_comparing.py::test_two_changes_that_make_up_for_each_other_in_the_count_are_both_found",),
    ),
    Bug(
        "verify: the last offset of a range counts in the next",
        "src/eventreplay/capabilities/tally.py",
        (("{column} < {int(edges[middle])}", "{column} <= {int(edges[middle])}"),),
        ("tests/unit/sinks/test_duckdb_suite.py::TestDuckDBSink::test_rows_are_counted_and_added_up_as_the_model_does",),
    ),
    Bug(
        "verify: the chain of commits is not verified",
        "src/eventreplay/verify/comparing.py",
        (("        for commit in reader.commits():\n            head = commit\n", "        for commit in map(reader.commit, range(1, reader.head().number + 1)):\n            head = commit\n"),),
        ("tests/unit/verify/test_comparing.py::test_a_forged_commit_is_found_by_the_chain_and_nothing_is_compared",),
    ),
    Bug(
        "verify: what a load brings meanwhile is unknown",
        "src/eventreplay/verify/comparing.py",
        (("            now = 0 if commit is None else _end(commit, side.order)\n", "            now = end\n"),),
        ("tests/unit/verify/test_comparing.py::test_a_load_that_goes_on_makes_nothing_unknown",),
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
    Bug(
        "repair: what stands at the place of a row stays",
        "src/eventreplay/testing/memory_repair.py",
        (("        held.events[:] = [row for row in held.events if stays(row)]\n", ""),),
        ("tests/unit/verify/test_repair.py::test_the_six_are_named_and_put_right_and_nothing_else_is_touched",),
    ),
    Bug(
        "repair: DuckDB's rows are not taken out",
        "src/eventreplay/sinks/duckdb_repair.py",
        (('            tables.append(("EVENTS", ""))\n', "            tables += []\n"),),
        ("tests/unit/verify/test_repair.py::test_the_embedded_warehouse_is_put_right_in_one_transaction",),
    ),
    Bug(
        "repair: rows are replaced before all of the log that is needed is proven",
        "src/eventreplay/verify/repair.py",
        (("            for _ in self._segments(name, places):\n                pass\n", ""),),
        ("tests/unit/verify/test_repair.py::test_what_is_damaged_behind_the_comparison_is_seen_before_the_first_row_is_touched",),
    ),
    Bug(
        "repair: unknown rows go unasked",
        "src/eventreplay/verify/repair.py",
        (("_by_partition(found.unknown) if remove_unknown else {}", "_by_partition(found.unknown)"),),
        ("tests/unit/verify/test_repair.py::test_unknown_rows_stay_unless_told_otherwise",),
    ),
    Bug(
        "repair: the rows of another log go",
        "src/eventreplay/verify/repair.py",
        (("        if name not in compared and known is not None:\n", "        if name not in compared and known is not None and not compared:\n"),),
        ("tests/unit/verify/test_repair.py::test_rows_that_another_log_loaded_are_not_removed",),
    ),
    Bug(
        "repair: another codec's rows are mixed in",
        "src/eventreplay/verify/repair.py",
        (("            self._see_codec(name, known[name])\n", ""),),
        ("tests/unit/verify/test_repair.py::test_another_codec_is_refused",),
    ),
    Bug(
        "journal: what came late to a partition is not of the series",
        "src/eventreplay/verify/series.py",
        (("    late -= {each.partition for each in found}\n", "    late = set()\n"),),
        ("tests/unit/verify/test_journal.py::test_late_ones_of_an_earlier_repair_count_once",),
    ),
    Bug(
        "journal: counts are compared, and sums are not",
        "src/eventreplay/verify/journal.py",
        (("                if held != has:\n", "                if held.rows != has.rows:\n"),),
        ("tests/unit/verify/test_journal.py::test_three_deleted_one_altered_one_more_are_named",),
    ),
    Bug(
        "journal: what no partition has come to is captured as late",
        "src/eventreplay/verify/journal.py",
        (("        if one.detail != UNCAPTURED:\n            due.setdefault(one.partitions[0], [])", "        if True:\n            due.setdefault((one.partitions or ('a',))[0], [])"),),
        ("tests/unit/verify/test_journal.py::test_what_is_not_in_the_log_is_captured_exactly",),
    ),
    Bug(
        "gaps: a note of a look voids what was entered meanwhile",
        "src/eventreplay/log/gaps.py",
        (("            if _RECHECKED in gaps.evidence:\n                continue\n            pairs = np.stack", "            pairs = np.stack"), ("_EVERYTHING = 1 << 62", "_EVERYTHING = 0")),
        ("tests/unit/log/test_gaps.py::test_a_look_is_noted_once_a_day_and_voids_nothing",),
    ),
    Bug(
        "ways: a day that is there in part is judged",
        "src/eventreplay/capabilities/ways.py",
        (("after < day.day < before", "after <= day.day <= before"),),
        ("tests/unit/cli/test_verify.py::test_two_ways_are_compared_event_by_event",),
    ),
)  # fmt: skip
