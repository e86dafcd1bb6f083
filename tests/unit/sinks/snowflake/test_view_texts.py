"""Names in a view's text: what moves is renamed, and nothing that only looks like it."""

from __future__ import annotations

import pytest

from eventreplay.errors import GenerationError
from eventreplay.sinks.snowflake.view_texts import creating, moved_text

MOVES = {"STAGING_G1": "STAGING", "RAW_G1": "RAW"}
RENAMED = 'select RAW_G1.N from "DB"."STAGING"."E" as RAW_G1'


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("from DB.STAGING_G1.T", 'from "DB"."STAGING"."T"'),
        ('from db."STAGING_G1" . t', 'from "DB"."STAGING"."T"'),
        ("from STAGING_G1.T", 'from "STAGING"."T"'),
        ('join "DB"."STAGING_G1"."t ""x"', 'join "DB"."STAGING"."t ""x"'),
        ("select DB.STAGING_G1.T.C from x", 'select "DB"."STAGING"."T"."C" from x'),
        # another schema, another database, another case in quotes
        ("from DB.STAGING_G10.T, OTHER.STAGING_G1.T", "from DB.STAGING_G10.T, OTHER.STAGING_G1.T"),
        ('from DB."staging_g1".T', 'from DB."staging_g1".T'),
        # texts and comments
        ("select 'DB.STAGING_G1.T', $$DB.STAGING_G1.T$$", "select 'DB.STAGING_G1.T', $$DB.STAGING_G1.T$$"),
        ("select 'it''s \\' DB.STAGING_G1.T' -- RAW_G1.T", "select 'it''s \\' DB.STAGING_G1.T' -- RAW_G1.T"),
        ("/* DB.STAGING_G1.T */ // DB.STAGING_G1.T", "/* DB.STAGING_G1.T */ // DB.STAGING_G1.T"),
        # an alias of the same name: its columns are no tables
        ("select RAW_G1.N from DB.STAGING_G1.E as RAW_G1", RENAMED),
        ("select RAW_G1.N from DB.STAGING_G1.E RAW_G1", 'select RAW_G1.N from "DB"."STAGING"."E" RAW_G1'),
        ("select RAW_G1.N from (select 1 N) RAW_G1", "select RAW_G1.N from (select 1 N) RAW_G1"),
        # a word before a table is no alias of it
        ("from x join STAGING_G1.T on true", 'from x join "STAGING"."T" on true'),
        ("select v:a.b::number, t.STAGING_G1 from t", "select v:a.b::number, t.STAGING_G1 from t"),
    ],
)  # fmt: skip
def test_only_names_of_what_moves_are_changed(text: str, due: str) -> None:
    assert moved_text(text, "DB", lambda schema, _: MOVES.get(schema)) == due


def test_what_stays_keeps_its_name_though_its_schema_moves() -> None:
    found = moved_text(
        "from DB.STAGING.A join DB.STAGING.STAYS",
        "DB",
        lambda schema, name: "STAGING_G1" if (schema, name) == ("STAGING", "A") else None,
    )
    assert found == 'from "DB"."STAGING_G1"."A" join DB.STAGING.STAYS'


@pytest.mark.parametrize(
    ("ddl", "due"),
    [
        (
            "create or replace view DB.S.V(\n\tA COMMENT 'x (',\n\tB\n) COMMENT='c' as\nselect 1;",
            "CREATE OR REPLACE VIEW N(\n\tA COMMENT 'x (',\n\tB\n) COPY GRANTS COMMENT='c' as\nselect 1",
        ),
        ("CREATE VIEW S.V AS (select 1)", "CREATE OR REPLACE VIEW N COPY GRANTS AS (select 1)"),
        (
            'create or replace secure view "D"."S"."V" copy grants as select 1;',
            "CREATE OR REPLACE SECURE VIEW N COPY GRANTS as select 1",
        ),
    ],
)
def test_a_definition_makes_the_view_again_with_its_rights(ddl: str, due: str) -> None:
    assert creating(ddl, "N") == due


def test_what_is_no_plain_view_is_refused() -> None:
    for ddl in (
        "create or replace dynamic table T as select 1",
        "create materialized view V as select 1",
        "",
    ):
        with pytest.raises(GenerationError, match="not understood"):
            creating(ddl, "N")
