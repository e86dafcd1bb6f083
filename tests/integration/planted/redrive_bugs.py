"""Planted bugs of the quarantine: explaining, redriving, putting aside."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

VERB = "tests/unit/redrive/test_redriving.py"
ADOPTING = "tests/unit/redrive/test_adopting.py"
DUCKDB = "src/eventreplay/sinks/duckdb_redrive.py"
SUITE = "tests/unit/sinks/test_duckdb_suite.py::TestDuckDBSink::test_what_passes_moves_once_and_nothing_else_changes"

REDRIVE_BUGS = (
    Bug(
        "redrive: inserted, and not deleted",
        DUCKDB,
        (('f"""DELETE FROM {schema}.QUARANTINE WHERE stage', 'f"""SELECT log_offset FROM {schema}.QUARANTINE WHERE stage'), ("AND log_offset BETWEEN $first AND $last) RETURNING log_offset", "AND log_offset BETWEEN $first AND $last)")),
        (SUITE,),
    ),
    Bug(
        "redrive: deleted, and not inserted",
        DUCKDB,
        (('        f" FROM {_PASSED} WHERE log_offset IN (SELECT log_offset FROM {_GONE})",\n', '        f" FROM {_PASSED} WHERE log_offset NOT IN (SELECT log_offset FROM {_GONE}) AND false",\n'),),
        (SUITE,),
    ),
    Bug(
        "redrive: all that passes is inserted, also what is in the quarantine no more",
        DUCKDB,
        (('        f" FROM {_PASSED} WHERE log_offset IN (SELECT log_offset FROM {_GONE})",\n', '        f" FROM {_PASSED}",\n'),),
        (SUITE,),
    ),
    Bug(
        "redrive: what is in EVENTS already is inserted once more",
        DUCKDB,
        (("AND log_offset NOT IN\n", "AND log_offset + 1000000 NOT IN\n"),),
        (SUITE,),
    ),
    Bug(
        "redrive: the checkpoint is not compared",
        DUCKDB,
        (("            _see_checkpoint(cursor, self._schema, replay_id, expected)\n", ""),),
        ("tests/unit/sinks/test_duckdb_suite.py::TestDuckDBSink::test_a_checkpoint_that_is_another_keeps_everything_as_it_is",),
    ),
    Bug(
        "redrive: two statements, two transactions",
        DUCKDB,
        (("    cursor.register(_GONE, pa.record_batch", "    cursor.execute('COMMIT')\n    cursor.execute('BEGIN')\n    cursor.register(_GONE, pa.record_batch"),),
        ("tests/unit/sinks/test_duckdb_redrive.py::test_an_error_half_way_changes_nothing",),
    ),
    Bug(
        "redrive: what was put aside counts as passing",
        "src/eventreplay/redrive/judging.py",
        (("            if selection.dismissed is not True:\n", "            if selection.dismissed is True:\n"),),
        (f"{VERB}::test_what_was_dismissed_is_counted_apart_and_stays",),
    ),
    Bug(
        "redrive: a forged record is taken for the log's",
        "src/eventreplay/redrive/judging.py",
        (("            same[index[differs]] = False\n", ""),),
        (f"{VERB}::test_a_record_that_is_not_what_the_log_holds_is_never_moved",),
    ),
    Bug(
        "redrive: what lies beyond the checkpoint is looked for in the log",
        "src/eventreplay/redrive/judging.py",
        (("        low, high = np.searchsorted(offsets, (0, end)).tolist()\n", "        low, high = 0, len(offsets)\n"),),
        (f"{VERB}::test_a_record_that_is_not_what_the_log_holds_is_never_moved",),
    ),
    Bug(
        "redrive: a codec is adopted unseen",
        "src/eventreplay/redrive/adopting.py",
        (("    if wrong:\n", "    if wrong is None:\n"),),
        (f"{ADOPTING}::test_a_codec_that_makes_something_else_of_accepted_rows_is_not_adopted",),
    ),
    Bug(
        "redrive: what a load brings while a codec is adopted is not compared",
        "src/eventreplay/redrive/redriving.py",
        (("            if compared is None or place.upto.number > compared.number:\n", "            if compared is None:\n"),),
        (f"{ADOPTING}::test_what_a_load_brings_while_a_codec_is_adopted_is_compared_and_moved_too",),
    ),
    Bug(
        "drop: what was put aside is listed all the same",
        "src/eventreplay/sinks/refused_sql.py",
        (("    if selection.dismissed is not None:\n", "    if selection.dismissed:\n"),),
        ("tests/unit/cli/test_redrive.py::test_a_record_is_put_aside_with_a_reason_and_taken_back",),
    ),
)  # fmt: skip
