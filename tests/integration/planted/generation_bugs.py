"""Planted bugs of generations on DuckDB."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

GENERATIONS = "src/eventreplay/sinks/duckdb_generations.py"
PLACES = "src/eventreplay/sinks/duckdb_places.py"
SUITE = "tests/unit/sinks/test_duckdb_generations_suite.py::TestDuckDBGenerations"
OWN = "tests/unit/sinks/test_duckdb_generations.py"

GENERATION_BUGS = (
    Bug(
        "generations: checkpoints stay when rows move",
        PLACES,
        (("        for table in TABLES:\n            other = hidden", '        for table in ("EVENTS", "QUARANTINE"):\n            other = hidden'),),
        (f"{SUITE}::test_the_next_load_goes_on_where_the_promoted_one_stands",),
    ),
    Bug(
        "generations: one that lies behind is promoted",
        GENERATIONS,
        (("                self._see_caught_up(registry.connection, row)\n", "                pass\n"),),
        (f"{SUITE}::test_one_that_lies_behind_is_refused_and_loads_go_on",),
    ),
    Bug(
        "generations: a promotion is many transactions",
        GENERATIONS,
        (
            ("driver_errors(what), transaction(registry.connection):", "driver_errors(what):"),
        ),
        (f"{OWN}::test_what_cannot_change_places_is_refused_with_nothing_moved",),
    ),
    Bug(
        "generations: rows are sorted on their way",
        PLACES,
        (("SELECT {table.columns} FROM {old}", "SELECT {table.columns} FROM {old} ORDER BY ALL"),),
        (f"{OWN}::test_rows_keep_their_order_whatever_the_process_has_set",),
    ),
    Bug(
        "generations: what was committed since the snapshot is lost",
        PLACES,
        (
            ("!= self.other.execute(count)", "!= self.connection.execute(count)"),
            ("!= self.other.execute(rows)", "!= self.connection.execute(rows)"),
        ),
        (f"{OWN}::test_a_commit_between_the_beginning_and_the_claim_is_not_lost",),
    ),
    Bug(
        "generations: views go on reading where they stood",
        PLACES,
        (("query = moved_query(self.connection, view, moves, row[0])", "query = view.query"),),
        (f"{SUITE}::test_promote_lets_everything_change_places", f"{OWN}::test_names_in_a_view_are_replaced_and_nothing_else"),
    ),
    Bug(
        "generations: loads commit while a promotion catches up",
        GENERATIONS,
        (("            with self._loads_shut_out():\n                catch_up()\n", "            catch_up()\n"),),
        (f"{SUITE}::test_it_catches_up_once_before_anything_moves_and_no_load_commits_meanwhile",),
    ),
    Bug(
        "generations: what is new is left live by a rollback",
        PLACES,
        (('{name.lower() for name in back[schema]["came"]} & live[schema].keys', '{name.lower() for name in back[schema]["left"]} & live[schema].keys'),),
        (f"{SUITE}::test_rollback_gives_back_exactly_what_was_live",),
    ),
    Bug(
        "generations: a drop leaves the tables in RAW",
        GENERATIONS,
        (("            if self._schema in row.places:\n", "            if self._schema in row.places and row.promotions:\n"),),
        (f"{SUITE}::test_drop_leaves_nothing_and_keeps_what_is_live",),
    ),
    Bug(
        "generations: somebody else's schema is taken",
        GENERATIONS,
        (
            ("            self._refuse_others(registry, names, suffix)\n", ""),
            ('f"CREATE SCHEMA {quoted(schema + suffix)}"', 'f"CREATE SCHEMA IF NOT EXISTS {quoted(schema + suffix)}"'),
        ),
        (f"{SUITE}::test_schemas_that_somebody_else_made_are_left_alone",),
    ),
)  # fmt: skip
