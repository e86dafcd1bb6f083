"""Whole numbers as times: in integers, so that every microsecond of the years 1 to 9999 is kept.

fakesnow goes through a double of seconds, which has microseconds between the years 1684 and 2255 only.
"""

YEAR_1_US = -62_135_596_800_000_000
YEAR_9999_US = 253_402_300_799_999_999
"""The first and the last microsecond that Snowflake promises to keep."""

# try_cast, where val is known to be a number: DuckDB folds literals in branches that are not taken, too.
MACRO = f"""
CREATE OR REPLACE MACRO {{place}}._moment(us) AS (
    CASE WHEN us IS NULL THEN NULL
         WHEN us BETWEEN {YEAR_1_US} AND {YEAR_9999_US} THEN make_timestamp(us::BIGINT)
         ELSE error('Timestamp out of range')::TIMESTAMP END
);
CREATE OR REPLACE MACRO {{place}}._fs_to_timestamp(val, scale) AS (
    CASE WHEN try_cast(val AS BIGINT) IS NULL THEN CAST(val AS TIMESTAMP)
         WHEN scale <= 6 THEN
             {{place}}._moment(try_cast(val AS HUGEINT) * (10 ** greatest(6 - scale, 0))::HUGEINT)
         ELSE {{place}}._moment(try_cast(val AS HUGEINT) // (10 ** greatest(scale - 6, 0))::HUGEINT) END
);
"""
