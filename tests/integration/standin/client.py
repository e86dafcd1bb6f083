"""A session of the real connector, for tests of the stand-in."""

from typing import Any

import pytest
import snowflake.connector

TIMEOUT_S = 30
Rows = list[tuple[Any, ...]]


class Client:
    """One session of the real connector: `rows` to ask, `error` to be refused."""

    def __init__(self, **arguments: Any) -> None:
        self.connection = snowflake.connector.connect(
            **{"network_timeout": TIMEOUT_S, "login_timeout": TIMEOUT_S, **arguments}
        )

    def rows(self, sql: str, *values: Any) -> Rows:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, *values)
            return [tuple(row) for row in cursor.fetchall()]

    def one(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def run(self, *statements: str) -> None:
        for sql in statements:
            self.rows(sql)

    def error(self, sql: str) -> snowflake.connector.errors.Error:
        with pytest.raises(snowflake.connector.errors.Error) as caught:
            self.rows(sql)
        return caught.value
