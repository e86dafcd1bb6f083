-- scope: database
-- option: snowpipe
-- needs: log_url
-- A look at what arrives, a minute after it was captured: envelopes of segments as Snowpipe finds them. It is no
-- substitute for replay: a pipe knows no transaction with a checkpoint, loads again what it is not sure of, and also
-- loads segments that no commit names. So nothing is built on this table, and the view counts each offset once.

CREATE STAGE IF NOT EXISTS "&{database}"."&{raw_schema}"."EVENTREPLAY_LOG"
  URL = '&{log_url}events/' STORAGE_INTEGRATION = "&{log_integration}";
CREATE TABLE IF NOT EXISTS "&{database}"."&{raw_schema}"."ARRIVALS" (
  "FILE_NAME" VARCHAR NOT NULL,
  "LOG_OFFSET" NUMBER(19,0) NOT NULL,
  "EVENT_ID" VARCHAR,
  "EVENT_TYPE" VARCHAR,
  "OCCURRED_AT" TIMESTAMP_NTZ(6)
);
CREATE VIEW IF NOT EXISTS "&{database}"."&{raw_schema}"."ARRIVED" AS
  SELECT DISTINCT
    REGEXP_REPLACE("FILE_NAME", '^.*log_partition=([^/]+)/.*$', '\\1') AS "LOG_PARTITION",
    "LOG_OFFSET", "EVENT_ID", "EVENT_TYPE", "OCCURRED_AT"
  FROM "&{database}"."&{raw_schema}"."ARRIVALS";
CREATE PIPE IF NOT EXISTS "&{database}"."&{raw_schema}"."ARRIVALS_PIPE" AUTO_INGEST = TRUE AS
  COPY INTO "&{database}"."&{raw_schema}"."ARRIVALS" ("FILE_NAME", "LOG_OFFSET", "EVENT_ID", "EVENT_TYPE", "OCCURRED_AT")
  FROM (
    SELECT METADATA$FILENAME, $1:log_offset::NUMBER(19,0), $1:event_id::VARCHAR, $1:event_type::VARCHAR,
      TO_TIMESTAMP_NTZ($1:occurred_at::NUMBER(38,0), 6)
    FROM @"&{database}"."&{raw_schema}"."EVENTREPLAY_LOG"
  )
  FILE_FORMAT = (TYPE = PARQUET);
