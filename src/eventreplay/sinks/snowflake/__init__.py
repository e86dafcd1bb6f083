"""The Snowflake sink. Nothing here loads the driver before a connection is opened."""

from __future__ import annotations

from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.sink import SnowflakeSink

__all__ = ["SnowflakeSettings", "SnowflakeSink"]
