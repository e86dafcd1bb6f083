"""Planted bugs of prove and of `receipts again`: a proof that varies nothing, or compares nothing."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

COMBINATIONS = "src/eventreplay/prove/combinations.py"
VARIED = (
    "tests/unit/prove/test_combinations.py::test_every_dimension_has_two_values_at_least_whatever_the_seed"
)
CHILD = "tests/unit/prove/test_child.py"

PROVE_BUGS = (
    Bug(
        "prove: every run is the same combination",
        COMBINATIONS,
        (("column = [known[at % len(known)] for at in range(runs)]", "column = [known[0] for at in range(runs)]"),),
        (VARIED,),
    ),
    Bug(
        "prove: the batch size is not varied",
        COMBINATIONS,
        (("batch_rows_max=tuple(dict.fromkeys((65_536, third | 1, max(1, third // 6) | 1))),", "batch_rows_max=(65_536,),"),),
        (VARIED,),
    ),
    Bug(
        "prove: workers are not varied",
        COMBINATIONS,
        (("workers=(1, 2) if cores <= 2 else (1, 2, 3),", "workers=(1,),"),),
        (VARIED,),
    ),
    Bug(
        "prove: the order of RAW's rows is not varied",
        COMBINATIONS,
        (('row_order: tuple[str, ...] = ("reversed", "log", "shuffled")', 'row_order: tuple[str, ...] = ("log",)'),),
        (VARIED,),
    ),
    Bug(
        "prove: rows are not turned round although it says so",
        "src/eventreplay/prove/models.py",
        (('    if order == "log":\n', '    if order in {"log", "reversed"}:\n'),),
        ("tests/unit/prove/test_models.py::test_rows_lie_in_another_order_and_are_the_same",),
    ),
    Bug(
        "prove: the hash seed is not set",
        COMBINATIONS,
        (('{"PYTHONHASHSEED": str(self.hash_seed), "TZ"', '{"PYTHONHASHSEED": "0", "TZ"'),),
        (f"{CHILD}::test_zone_hash_seed_and_locale_are_in_effect",),
    ),
    Bug(
        "prove: the time zone is not set",
        COMBINATIONS,
        (('"TZ": self.zone, "LC_ALL"', '"TZ": "UTC", "LC_ALL"'),),
        (f"{CHILD}::test_zone_hash_seed_and_locale_are_in_effect",),
    ),
    Bug(
        "prove: the locale is that of whoever started it",
        COMBINATIONS,
        (('"LC_ALL": self.locale}', '"LC_ALL": "C.UTF-8"}'),),
        (f"{CHILD}::test_zone_hash_seed_and_locale_are_in_effect",),
    ),
    Bug(
        "prove: the decimal context of new threads stays as it was",
        "src/eventreplay/prove/child.py",
        (("for context in (decimal.DefaultContext, decimal.getcontext()):", "for context in (decimal.getcontext(),):"),),
        (f"{CHILD}::test_decimal_contexts_reach_new_threads_with_precision_rounding_and_traps",),
    ),
    Bug(
        "prove: worker processes keep the usual surroundings",
        "src/eventreplay/prove/child.py",
        (('if __name__ in {"__main__", "__mp_main__"} and', 'if __name__ == "__main__" and'),),
        (f"{CHILD}::test_decimal_contexts_reach_new_threads_with_precision_rounding_and_traps",),
    ),
    Bug(
        "prove: what had no effect counts as varied",
        "src/eventreplay/prove/proof.py",
        (("effects = [effect[name] if name in effect else getattr(how, name) for how, effect in runs]", "effects = values"),),
        ("tests/unit/prove/test_combinations.py::test_what_had_no_effect_does_not_count_as_varied",),
    ),
    Bug(
        "prove: rows of RAW are compared as a set",
        "src/eventreplay/prove/outputs.py",
        (("""at = "rowid || ':' || " if in_order else \"\"""", 'at = ""'),),
        ("tests/unit/prove/test_drill.py::test_rows_in_another_order_are_the_same_set_and_another_sequence",),
    ),
    Bug(
        "prove: columns are compared, whole rows are not",
        "src/eventreplay/prove/outputs.py",
        (("        whole=whole,\n", '        whole="",\n'),),
        ("tests/unit/prove/test_drill.py::test_what_differs_in_anything_has_another_hash_and_is_named",),
    ),
    Bug(
        "prove: null is an empty text",
        "src/eventreplay/prove/outputs.py",
        (("coalesce('=' || CAST({quoted(column)} AS VARCHAR), '')", "coalesce(CAST({quoted(column)} AS VARCHAR), '')"),),
        ("tests/unit/prove/test_drill.py::test_what_differs_in_anything_has_another_hash_and_is_named",),
    ),
    Bug(
        "receipts again: another codec is not noticed",
        "src/eventreplay/prove/again.py",
        (("    _same_codec(receipt, codec)\n", ""),),
        ("tests/unit/cli/test_again.py::test_another_codec_is_refused_and_the_types_that_changed_are_named",),
    ),
    Bug(
        "receipts again: the sum of hashes is not compared",
        "src/eventreplay/prove/again.py",
        (("now=str(tally.computed)))", "now=then))"),),
        ("tests/unit/cli/test_again.py::test_a_replay_whose_receipt_says_otherwise_differs",),
    ),
    Bug(
        "receipts again: rounds that were cut elsewhere are not cut so again",
        "src/eventreplay/prove/again.py",
        (("        for commit in commits[equal:]:\n", "        for commit in commits[-1:]:\n"),),
        ("tests/unit/cli/test_again.py::test_rounds_of_a_capture_that_followed_are_cut_as_they_were",),
    ),
)  # fmt: skip
