-- scope: database
-- What dbt builds. Managed access: not whoever made a table decides who reads it, but the owner of the schema.
-- STAGING is transient: it can be built again from RAW, so days of fail-safe copies would only cost.

CREATE TRANSIENT SCHEMA IF NOT EXISTS "&{database}"."STAGING" WITH MANAGED ACCESS;
CREATE SCHEMA IF NOT EXISTS "&{database}"."MART" WITH MANAGED ACCESS;
