-- Roles with just enough rights. Run as USERADMIN or above; each statement may be run again.
-- OWNER makes the objects and is used by people only when something is set up; LOADER is what replay logs in with;
-- TRANSFORMER is dbt's; READER is for everybody who asks questions.
USE ROLE ACCOUNTADMIN;
CREATE ROLE IF NOT EXISTS EVENTREPLAY_OWNER;
CREATE ROLE IF NOT EXISTS EVENTREPLAY_LOADER;
CREATE ROLE IF NOT EXISTS EVENTREPLAY_TRANSFORMER;
CREATE ROLE IF NOT EXISTS EVENTREPLAY_READER;
-- An administrator can look after what these roles own.
GRANT ROLE EVENTREPLAY_OWNER TO ROLE SYSADMIN;
GRANT ROLE EVENTREPLAY_TRANSFORMER TO ROLE SYSADMIN;
GRANT ROLE EVENTREPLAY_READER TO ROLE SYSADMIN;
