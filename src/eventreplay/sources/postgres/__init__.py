"""A PostgreSQL journal as a source: a gap-safe head by SELECT alone, bulk reading into Arrow."""

from eventreplay.sources.postgres.holes import Hold
from eventreplay.sources.postgres.settings import PostgresSettings
from eventreplay.sources.postgres.source import PostgresSource

__all__ = ["Hold", "PostgresSettings", "PostgresSource"]
