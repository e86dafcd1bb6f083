-- scope: account
-- What only an administrator makes: a budget, a warehouse that keeps to it, the database, and its roles.

-- Credits a month. Told at three quarters; at the quota running statements may end, at 110 % they are ended.
CREATE RESOURCE MONITOR IF NOT EXISTS "&{monitor}" WITH
  CREDIT_QUOTA = &{credit_quota} FREQUENCY = MONTHLY START_TIMESTAMP = IMMEDIATELY
  TRIGGERS ON 75 PERCENT DO NOTIFY ON 100 PERCENT DO SUSPEND ON 110 PERCENT DO SUSPEND_IMMEDIATE;
CREATE WAREHOUSE IF NOT EXISTS "&{warehouse}" WITH
  WAREHOUSE_SIZE = '&{warehouse_size}' AUTO_SUSPEND = &{auto_suspend_s} AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;
-- Apart from its creation: a warehouse that was there already gets the budget too.
ALTER WAREHOUSE "&{warehouse}" SET RESOURCE_MONITOR = "&{monitor}";
CREATE DATABASE IF NOT EXISTS "&{database}";

-- The owner makes and changes schemas and RAW. The loader adds rows to RAW. The transformer (dbt) reads RAW and
-- builds STAGING and MART. The reader (dashboards, analysts) reads MART.
CREATE ROLE IF NOT EXISTS "&{owner}";
CREATE ROLE IF NOT EXISTS "&{loader}";
CREATE ROLE IF NOT EXISTS "&{transformer}";
CREATE ROLE IF NOT EXISTS "&{reader}";
-- Administrators of the account's objects see everything that these roles own.
GRANT ROLE "&{owner}" TO ROLE SYSADMIN;
GRANT ROLE "&{loader}" TO ROLE SYSADMIN;
GRANT ROLE "&{transformer}" TO ROLE SYSADMIN;
GRANT ROLE "&{reader}" TO ROLE SYSADMIN;
-- A full rebuild makes a second generation of all layers and lets it change places with the live one, which takes
-- the ownership of both: it is the owner's.
GRANT ROLE "&{loader}" TO ROLE "&{owner}";
GRANT ROLE "&{transformer}" TO ROLE "&{owner}";

GRANT USAGE ON WAREHOUSE "&{warehouse}" TO ROLE "&{owner}";
GRANT USAGE ON WAREHOUSE "&{warehouse}" TO ROLE "&{loader}";
GRANT USAGE ON WAREHOUSE "&{warehouse}" TO ROLE "&{transformer}";
GRANT USAGE ON WAREHOUSE "&{warehouse}" TO ROLE "&{reader}";
GRANT USAGE, CREATE SCHEMA ON DATABASE "&{database}" TO ROLE "&{owner}";
GRANT USAGE ON DATABASE "&{database}" TO ROLE "&{loader}";
-- A full rebuild builds into schemas of its own beside the live ones.
GRANT USAGE, CREATE SCHEMA ON DATABASE "&{database}" TO ROLE "&{transformer}";
GRANT USAGE ON DATABASE "&{database}" TO ROLE "&{reader}";
