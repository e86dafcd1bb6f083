-- scope: database
-- Who may do what. Nobody but the owner creates, alters, drops, truncates or deletes anything in RAW.

-- The loader adds rows, moves its checkpoint, uploads and removes its files.
GRANT USAGE ON SCHEMA "&{database}"."&{raw_schema}" TO ROLE "&{loader}";
GRANT SELECT, INSERT ON TABLE "&{database}"."&{raw_schema}"."EVENTS" TO ROLE "&{loader}";
GRANT SELECT, INSERT ON TABLE "&{database}"."&{raw_schema}"."QUARANTINE" TO ROLE "&{loader}";
GRANT SELECT, INSERT, UPDATE ON TABLE "&{database}"."&{raw_schema}"."CHECKPOINTS" TO ROLE "&{loader}";
GRANT SELECT, UPDATE ON TABLE "&{database}"."&{raw_schema}"."CHECKPOINT_LOCK" TO ROLE "&{loader}";
-- READ has to be there before WRITE.
GRANT READ ON STAGE "&{database}"."&{raw_schema}"."&{stage}" TO ROLE "&{loader}";
GRANT WRITE ON STAGE "&{database}"."&{raw_schema}"."&{stage}" TO ROLE "&{loader}";
GRANT USAGE ON FILE FORMAT "&{database}"."&{raw_schema}"."EVENTREPLAY_PARQUET" TO ROLE "&{loader}";

-- dbt reads RAW, and owns the tables that it builds.
GRANT USAGE ON SCHEMA "&{database}"."&{raw_schema}" TO ROLE "&{transformer}";
GRANT SELECT ON TABLE "&{database}"."&{raw_schema}"."EVENTS" TO ROLE "&{transformer}";
GRANT SELECT ON TABLE "&{database}"."&{raw_schema}"."QUARANTINE" TO ROLE "&{transformer}";
GRANT SELECT ON TABLE "&{database}"."&{raw_schema}"."CHECKPOINTS" TO ROLE "&{transformer}";
GRANT USAGE, CREATE TABLE, CREATE VIEW ON SCHEMA "&{database}"."STAGING" TO ROLE "&{transformer}";
GRANT USAGE, CREATE TABLE, CREATE VIEW ON SCHEMA "&{database}"."MART" TO ROLE "&{transformer}";

-- Dashboards read MART, whatever dbt replaces there.
GRANT USAGE ON SCHEMA "&{database}"."MART" TO ROLE "&{reader}";
GRANT SELECT ON FUTURE TABLES IN SCHEMA "&{database}"."MART" TO ROLE "&{reader}";
GRANT SELECT ON FUTURE VIEWS IN SCHEMA "&{database}"."MART" TO ROLE "&{reader}";
GRANT SELECT ON ALL TABLES IN SCHEMA "&{database}"."MART" TO ROLE "&{reader}";
GRANT SELECT ON ALL VIEWS IN SCHEMA "&{database}"."MART" TO ROLE "&{reader}";
