"""Planted bugs of the comparison of two generations."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

TABLES = "tests/unit/sinks/test_duckdb_comparison.py"
DIFF = "tests/unit/rebuild/test_diff.py"
WHY = "tests/unit/rebuild/test_explaining.py"

DIFF_BUGS = (
    Bug(
        "diff: amounts are compared as floats",
        "src/eventreplay/capabilities/comparison/dialects.py",
        (("        del column\n        return expression\n", '        return f"CAST({expression} AS DOUBLE)" if column.family == "exact" else expression\n'),),
        (f"{TABLES}::test_the_last_of_38_digits_counts",),
    ),
    Bug(
        "diff: rows of one side only are not joined",
        "src/eventreplay/capabilities/comparison/statements.py",
        (("FULL OUTER JOIN", "INNER JOIN"),),
        (f"{TABLES}::test_a_hundred_thousand_rows_differ_as_except_all_says",),
    ),
    Bug(
        "diff: rows of a doubled key are multiplied by the join",
        "src/eventreplay/capabilities/comparison/comparing.py",
        (("                without_duplicates=duplicates is not None,\n", "                without_duplicates=False,\n"),),
        (f"{TABLES}::test_rows_of_a_doubled_key_are_never_multiplied",),
    ),
    Bug(
        "diff: a null that became a value is no change",
        "src/eventreplay/capabilities/comparison/sides.py",
        (('" IS DISTINCT FROM A."', '" <> A."'),),
        (f"{TABLES}::test_any_type_equals_itself",),
    ),
    Bug(
        "diff: sums are those of floats",
        "src/eventreplay/capabilities/comparison/statements.py",
        (("""CAST(SUM("{name}") AS VARCHAR)""", """CAST(SUM("{name}"::DOUBLE) AS VARCHAR)"""),),
        (f"{TABLES}::test_a_hundred_thousand_rows_differ_as_except_all_says",),
    ),
    Bug(
        "diff: what one side has read further counts as a change",
        "src/eventreplay/rebuild/standing.py",
        (("            compared_below=min(ends),\n", "            compared_below=max(ends),\n"),),
        (f"{DIFF}::test_what_one_side_has_read_further_is_a_matter_of_position",),
    ),
    Bug(
        "diff: the live side of a part is compared whole",
        "src/eventreplay/rebuild/diff.py",
        (("where=(*where, *_selected(self.plan)),", "where=where,"),),
        (f"{DIFF}::test_a_part_is_compared_with_the_same_part_of_raw",),
    ),
    Bug(
        "diff: any change of the codec explains every type",
        "src/eventreplay/rebuild/explaining.py",
        (("    if there != here:\n", "    if before.fingerprint != after.fingerprint:\n"),),
        (f"{DIFF}::test_rows_of_raw_of_a_type_that_is_decoded_as_before_are_unexplained", f"{WHY}::test_a_type_is_explained_by_its_own_codec_alone"),
    ),
    Bug(
        "diff: unexplained changes above explain",
        "src/eventreplay/rebuild/explaining.py",
        (("        if causes:\n            shown", "        causes += doubts\n        if causes:\n            shown"),),
        (f"{DIFF}::test_what_is_above_and_unexplained_explains_nothing", f"{WHY}::test_the_rule_holds_in_any_lineage"),
    ),
    Bug(
        "diff: what dbt has not seen yet is laid to somebody",
        "src/eventreplay/rebuild/explaining.py",
        (("        behind = self._lag(name)\n", '        behind = ""\n'),),
        (f"{DIFF}::test_live_models_that_have_not_seen_all_of_raw_are_undecided", f"{WHY}::test_the_rule_holds_in_any_lineage"),
    ),
    Bug(
        "diff: what nothing is known of counts as explained",
        "src/eventreplay/rebuild/explaining.py",
        (('            return Verdict(state="unexplained", why=("nothing is known of how the live one was made",))\n', '            return Verdict(state="explained", why=("nothing is known of how the live one was made",))\n'),),
        (f"{DIFF}::test_what_nothing_is_known_of_is_unexplained",),
    ),
    Bug(
        "diff: the exit code is that of a run that worked",
        "src/eventreplay/cli/jobs/rebuild_diff.py",
        (("    return 0 if found.ok else UNEXPLAINED\n", "    return 0\n"),),
        ("tests/unit/cli/test_rebuild_diff.py::test_an_edited_row_is_unexplained_and_the_exit_code_says_so",),
    ),
)  # fmt: skip
