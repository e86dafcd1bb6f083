"""Planted bugs of a rebuild: of its plan, of what it loads, of its end."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

RUN = "tests/unit/rebuild/test_run.py"
PLAN = "tests/unit/rebuild/test_plan.py"
PRINTS = "tests/unit/rebuild/test_fingerprints.py"
SELECTION = "tests/unit/test_replay_selection.py"
TYPES = "tests/unit/codecs/test_type_fingerprints.py"

REBUILD_BUGS = (
    Bug(
        "replay: what a selection leaves out is not counted",
        "src/eventreplay/replay.py",
        (("        if self.loaded + self.quarantined + self.left_out != held:\n", "        if self.loaded + self.quarantined > held:\n"),),
        (f"{SELECTION}::test_rows_that_get_lost_on_the_way_stop_the_run",),
    ),
    Bug(
        "selection: any condition is enough",
        "src/eventreplay/selection.py",
        (("            mask = pc.and_(mask, condition)\n", "            mask = pc.or_(mask, condition)\n"),),
        (f"{SELECTION}::test_the_rows_that_belong_are_loaded_and_the_others_counted",),
    ),
    Bug(
        "plan: an edited one is taken",
        "src/eventreplay/rebuild/plan.py",
        (("        if plan.to_json() != dict(facts):\n", "        if not plan.sha256:\n"),),
        (f"{PLAN}::test_a_plan_that_was_edited_is_refused_whatever_was_edited",),
    ),
    Bug(
        "plan: only the number of the last commit is looked at",
        "src/eventreplay/rebuild/checking.py",
        (("            if number and (commit is None or commit.sha256 != digest):\n", "            if number and commit is None:\n"),),
        (f"{RUN}::test_a_log_with_another_history_is_another_log",),
    ),
    Bug(
        "plan: what is live may be another",
        "src/eventreplay/rebuild/switching.py",
        (("                check_live(self.plan, kept.generations())\n", "                kept.generations()\n"),),
        (f"{RUN}::test_two_plans_of_one_live_generation_do_not_follow_each_other",),
    ),
    Bug(
        "plan: a model that two versions made counts as made by the last one",
        "src/eventreplay/rebuild/history.py",
        (('            if facts.get("full_refresh") or is_whole:\n', "            if prints:\n"),),
        (f"{PLAN}::test_models_that_several_versions_made_are_not_known",),
    ),
    Bug(
        "plan: builds of another generation count as builds of what is live",
        "src/eventreplay/rebuild/history.py",
        (('run.kind == "dbt" and run.live == live.name', 'run.kind == "dbt"'),),
        (f"{PLAN}::test_builds_of_another_generation_of_another_sink_or_of_a_shadow_do_not_count",),
    ),
    Bug(
        "plan: a project that builds over the live tables is let through",
        "src/eventreplay/rebuild/lineage.py",
        (("        if not schema.upper().endswith(suffix) or len(schema) == len(suffix):\n", "        if not schema:\n"),),
        (f"{PLAN}::test_a_project_that_would_build_over_the_live_tables_is_refused",),
    ),
    Bug(
        "fingerprints: only macros that a model names itself",
        "src/eventreplay/rebuild/fingerprints.py",
        (("                ahead += _WORD.findall(sql)\n", ""),),
        (f"{PRINTS}::test_what_a_change_is_about",),
    ),
    Bug(
        "fingerprints: an upcaster's target has no part",
        "src/eventreplay/codecs/type_fingerprints.py",
        (("for type_name in (name, *(step.to_type for step in steps)):", "for type_name in (name,):"),),
        (f"{TYPES}::test_a_message_that_an_upcaster_leads_to_counts_for_the_older_one",),
    ),
    Bug(
        "fingerprints: an upcaster is known by its function's name",
        "src/eventreplay/codecs/schema.py",
        (("{convert.__qualname__}={function_digest(convert)}", "{convert.__qualname__}"),),
        ("tests/unit/codecs/test_function_digest.py::test_an_upcaster_is_its_types_its_version_and_its_code",),
    ),
    Bug(
        "run: the next one takes what is loaded for what is built",
        "src/eventreplay/rebuild/running.py",
        (("        self._build()\n        self.built = target\n", '        self.built = target\n        self._note("building")\n        self._build()\n'),),
        (f"{RUN}::test_a_run_that_died_anywhere_ends_in_the_same_tables",),
    ),
    Bug(
        "run: a second run builds incrementally on half a first build",
        "src/eventreplay/rebuild/running.py",
        (("full_refresh=is_first,", "full_refresh=False,"),),
        (f"{RUN}::test_a_run_builds_beside_the_live_tables_and_catches_up_with_the_log",),
    ),
    Bug(
        "run: a DuckDB file is held until everything is loaded",
        "src/eventreplay/rebuild/loading.py",
        (("upto = self._slice_end(places, target) if is_exclusive else dict(target)", "upto = dict(target)"),),
        (f"{RUN}::test_a_warehouse_that_locks_others_out_is_let_go_between_slices",),
    ),
    Bug(
        "promote: a partial generation is let through",
        "src/eventreplay/rebuild/switching.py",
        (('        if generation.facts.get("partial"):\n', '        if generation.facts.get("as_of") is None:\n'),),
        (f"{RUN}::test_what_a_selection_leaves_out_balances",),
    ),
    Bug(
        "promote: what came in between is not built",
        "src/eventreplay/rebuild/switching.py",
        (("    if build and done.behind:\n", "    if build and done.behind and done.read > 10**9:\n"),),
        (f"{RUN}::test_a_run_that_died_anywhere_ends_in_the_same_tables",),
    ),
    Bug(
        "promote: nothing is loaded while the places change",
        "src/eventreplay/rebuild/switching.py",
        (('            with work.screen.step(f"catch up {generation.name}", "rows") as progress:\n                load.upto(heads(log), progress)\n', "            load = None\n"),),
        (f"{RUN}::test_as_of_stops_there_and_catches_up_when_it_is_promoted",),
    ),
    Bug(
        "drop: what is to be kept is dropped",
        "src/eventreplay/rebuild/keeping.py",
        (("until > moment and not force:", "until < moment and not force:"),),
        (f"{RUN}::test_rollback_and_drop",),
    ),
)  # fmt: skip
