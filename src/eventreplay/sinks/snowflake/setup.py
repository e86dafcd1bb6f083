"""Making RAW in Snowflake: run once by a role that may create, never by the loader's.

Whole environments, with roles and warehouse, are made by `deployment`; its files and these statements make
the same tables. Each may be run again.
"""

from __future__ import annotations

from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import identifier, literal, quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.tables import Raw, check_tables, create_statements, registry_statements


def init(settings: SnowflakeSettings) -> None:
    """Create schema, tables, the lock's row and the stage where they are missing, and check the tables.

    Idempotent; two at once do no harm. The database has to exist.

    Raises:
        SinkError: the role may not create (the hint has the GRANT), or a table has another layout.
    """
    session = Session(settings, without_schema=True)
    try:
        database, schema = settings.schema_names
        grants = (
            f"GRANT USAGE, CREATE SCHEMA ON DATABASE {quoted(database)} TO ROLE ...",
            f"GRANT CREATE TABLE, CREATE STAGE ON SCHEMA {quoted(database, schema)} TO ROLE ...",
        )
        doing = Doing(f"Creating {schema}", grants)
        wanted = (*create_statements(settings), stage_statement(settings), *registry_statements(settings))
        for statement in wanted:
            session.run(statement, doing=doing)
        check_tables(session, Raw.of(settings))
    finally:
        session.close()


def stage_statement(settings: SnowflakeSettings) -> str:
    """CREATE STAGE for the settings' stage."""
    stage = quoted(*settings.schema_names, settings.stage_identifier)
    if settings.stage == "internal":
        return f"CREATE STAGE IF NOT EXISTS {stage}"
    bucket, prefix = settings.bucket_and_prefix
    integration = ""
    if settings.storage_integration is not None:
        name = identifier(settings.storage_integration, setting="storage_integration")
        integration = f" STORAGE_INTEGRATION = {quoted(name)}"
    return f"CREATE STAGE IF NOT EXISTS {stage} URL = {literal(f's3://{bucket}/{prefix}')}{integration}"
