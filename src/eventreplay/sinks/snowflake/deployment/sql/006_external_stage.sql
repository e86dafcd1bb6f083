-- scope: database
-- option: external-stage
-- needs: storage_url
-- A stage in a bucket of yours instead of Snowflake's own; replay uploads to it with its own AWS identity.

CREATE STAGE IF NOT EXISTS "&{database}"."&{raw_schema}"."&{external_stage}"
  URL = '&{storage_url}' STORAGE_INTEGRATION = "&{storage_integration}";
GRANT USAGE ON STAGE "&{database}"."&{raw_schema}"."&{external_stage}" TO ROLE "&{loader}";
