"""Planted bugs of names in the texts of Snowflake's views."""

from __future__ import annotations

from tests.integration.planted.bug import Bug

_FILE = "src/eventreplay/sinks/snowflake/view_texts.py"
_TESTS = "tests/unit/sinks/snowflake/test_view_texts.py"

VIEW_BUGS = (
    Bug(
        "snowflake views: a column of an alias is taken for a table",
        _FILE,
        ((" and parts[0] not in aliases", ""),),
        (f"{_TESTS}::test_only_names_of_what_moves_are_changed",),
    ),
    Bug(
        "snowflake views: another database's tables are renamed too",
        _FILE,
        (("if len(parts) >= 3 and parts[0] == database:", "if len(parts) >= 3:"),),
        (f"{_TESTS}::test_only_names_of_what_moves_are_changed",),
    ),
    Bug(
        "snowflake views: made again, a view loses its rights",
        _FILE,
        (("{rest[:columns]} COPY GRANTS{after}", "{rest[:columns]}{after}"),),
        (f"{_TESTS}::test_a_definition_makes_the_view_again_with_its_rights",),
    ),
)
