-- scope: database
-- Which generations of the tables there are, and which quarantined events were given up on purpose. Neither changes
-- places when a generation is promoted. A load reads GENERATIONS to stay away from a promotion; the owner writes both.

CREATE TABLE IF NOT EXISTS "&{database}"."&{raw_schema}"."GENERATIONS" (
  "NAME" VARCHAR NOT NULL,
  "STATE" VARCHAR NOT NULL,
  "SCHEMAS" VARCHAR NOT NULL,
  "SUFFIX" VARCHAR NOT NULL,
  "PREVIOUS" VARCHAR,
  "PLAN" VARCHAR NOT NULL,
  "FACTS" VARCHAR NOT NULL,
  "JOURNAL" VARCHAR,
  "LOADS" VARCHAR NOT NULL,
  "PROMOTIONS" NUMBER(19,0) NOT NULL,
  "BEGAN" TIMESTAMP_NTZ(6),
  "CHANGED" TIMESTAMP_NTZ(6),
  "KEEP_UNTIL" TIMESTAMP_NTZ(6)
);
CREATE TABLE IF NOT EXISTS "&{database}"."&{raw_schema}"."DISMISSED" (
  "LOG_PARTITION" VARCHAR NOT NULL,
  "LOG_OFFSET" NUMBER(19,0) NOT NULL,
  "STAGE" VARCHAR NOT NULL,
  "REASON" VARCHAR NOT NULL,
  "DISMISSED_AT" TIMESTAMP_NTZ(6) NOT NULL
);
GRANT SELECT ON TABLE "&{database}"."&{raw_schema}"."GENERATIONS" TO ROLE "&{loader}";
GRANT SELECT ON TABLE "&{database}"."&{raw_schema}"."DISMISSED" TO ROLE "&{loader}";
