-- Just enough for `eventreplay capture postgres`: a role that can read one journal and nothing else.
-- Run it as the owner of the journal, with psql in the journal's database. Change the names of the database
-- (shop), the table (public.events) and its sequence; `eventreplay postgres check` names what is missing.

-- The password goes in with \password, so that it stands in no file and no server log:
--   CREATE ROLE eventreplay_reader LOGIN;
--   \password eventreplay_reader

-- To connect.
GRANT CONNECT ON DATABASE shop TO eventreplay_reader;
-- To see the names in the schema.
GRANT USAGE ON SCHEMA public TO eventreplay_reader;
-- To read events. Partitions need no grants of their own: they are read through their parent.
GRANT SELECT ON public.events TO eventreplay_reader;
-- To see that the sequence did not go back, and that all ids came from it.
GRANT SELECT ON SEQUENCE public.events_id_seq TO eventreplay_reader;

-- Every role has these unless somebody took them away: SELECT on pg_catalog.pg_locks and on
-- pg_catalog.pg_prepared_xacts, EXECUTE on pg_catalog.pg_control_system(). They are what makes the head safe.
-- Who waits in which state is shown for other roles' sessions only with pg_read_all_stats; without it, messages
-- name the process and the application alone:
--   (optional) the role pg_read_all_stats, granted by a superuser
