"""How dbt reaches the account that the sink loads: the variables that profiles.yml reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eventreplay.errors import ConfigError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake.names import identifier
from eventreplay.sinks.snowflake.settings import SnowflakeSettings

_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*")


def dbt_environment(settings: SnowflakeSettings) -> Mapping[str, str | Secret]:
    """Variables of the Snowflake targets; secrets under DBT_ENV_SECRET_..., which dbt masks.

    Everything that profiles.yml reads of a login is set, empty where it does not apply, so that nothing
    left in the process's own environment takes part.

    Raises:
        ConfigError: a name needs quotes, which dbt would not write.
    """
    for name in ("database", "raw_schema", "role", "warehouse"):
        value = getattr(settings, name)
        if value is not None and _PLAIN.fullmatch(identifier(value, setting=name)) is None:
            raise ConfigError(
                f"{name} needs double quotes in SQL, and dbt writes it without.",
                hint="Give an object with a plain name to dbt: letters, digits and underscores.",
                setting=name,
            )
    login: dict[str, str | Secret | None] = {
        "SNOWFLAKE_AUTHENTICATOR": "oauth" if settings.login_method == "oauth" else "",
        "SNOWFLAKE_PRIVATE_KEY_FILE": settings.private_key_file,
        "DBT_ENV_SECRET_SNOWFLAKE_PASSWORD": settings.password,
        "DBT_ENV_SECRET_SNOWFLAKE_PRIVATE_KEY": settings.private_key,
        "DBT_ENV_SECRET_SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": settings.private_key_passphrase,
        "DBT_ENV_SECRET_SNOWFLAKE_TOKEN": settings.token,
    }
    database, raw_schema = settings.schema_names
    place: dict[str, str | None] = {
        "EVENTREPLAY_DBT_TARGET": "dev",
        "EVENTREPLAY_RAW_SCHEMA": raw_schema,
        "SNOWFLAKE_ACCOUNT": settings.account,
        "SNOWFLAKE_USER": settings.user,
        "SNOWFLAKE_DATABASE": database,
        "SNOWFLAKE_ROLE": settings.role and identifier(settings.role, setting="role"),
        "SNOWFLAKE_WAREHOUSE": settings.warehouse and identifier(settings.warehouse, setting="warehouse"),
        "SNOWFLAKE_HOST": settings.host,
        "SNOWFLAKE_PORT": None if settings.port is None else str(settings.port),
        "SNOWFLAKE_PROTOCOL": settings.protocol,
        "SNOWFLAKE_QUERY_TAG": settings.query_tag,
    }
    return {name: "" if value is None else value for name, value in {**place, **login}.items()}
