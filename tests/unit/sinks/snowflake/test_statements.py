"""What is sent, how errors are taken, and which tables are ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import frozen

from eventreplay.errors import SinkError, SinkUnavailableError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sinks.snowflake.copying import copy_statement
from eventreplay.sinks.snowflake.failures import Doing, mapped
from eventreplay.sinks.snowflake.stage import age_of, folder_name, owner_of
from eventreplay.sinks.snowflake.tables import TABLES, Raw, differences

RAW = Raw.of(SnowflakeSettings(account="a", user="u", database="db", password=Secret("x")), "LOADER")


def test_copy_names_its_files_and_never_asks_the_history() -> None:
    statement = copy_statement(RAW, "EVENTS", "@S/eventreplay/ab/cd/", ["events-00000.parquet"])
    assert "FILES = ('events-00000.parquet')" in statement
    assert statement.endswith("ON_ERROR = ABORT_STATEMENT FORCE = TRUE")
    assert "PARSE_JSON($1:payload::VARCHAR)" in statement
    assert "DOUBLE" not in statement
    assert "FLOAT" not in statement


class DriverError(Exception):
    def __init__(self, errno: object, sqlstate: str | None = "n/a") -> None:
        super().__init__("Numeric value 'Marker-Secret' is not recognized")
        self.errno, self.sqlstate, self.sfqid = errno, sqlstate, "01ab"


class OperationalError(DriverError):
    pass


class DatabaseError(DriverError):
    pass


@frozen
class Case:
    error: BaseException
    retryable: bool
    says: str


CASES = [
    Case(DriverError(3001, "42501"), retryable=False, says="GRANT INSERT ON x"),
    Case(DriverError(2003, "02000"), retryable=False, says="GRANT INSERT ON x"),
    Case(DriverError(2043, "02000"), retryable=False, says="init"),
    Case(DriverError(606, "57P03"), retryable=False, says="warehouse"),
    Case(DriverError(625, "57014"), retryable=True, says="SHOW LOCKS"),
    Case(DriverError(630, "57014"), retryable=True, says="statement_timeout_s"),
    Case(DriverError(100038, "22018"), retryable=False, says="refused a value"),
    Case(DriverError(1003, "42000"), retryable=False, says="refused the statement"),
    Case(DriverError("390100", "08001"), retryable=False, says="locked or disabled"),
    Case(DriverError(390144, "08001"), retryable=False, says="RSA_PUBLIC_KEY"),
    Case(DriverError(390303, "08001"), retryable=False, says="OAuth"),
    Case(DriverError(390114, "08001"), retryable=True, says="expired"),
    Case(OperationalError(250001, "08001"), retryable=True, says="no answer"),
    Case(DatabaseError(250001, "08001"), retryable=False, says="refused the login"),
    Case(OperationalError(251011), retryable=True, says="no answer"),
    Case(KeyError("success"), retryable=True, says="no answer"),
    Case(DriverError(None, None), retryable=True, says="no answer"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{type(case.error).__name__}-{case.says}")
def test_errors_are_final_or_retryable_and_quote_nothing(case: Case) -> None:
    found = mapped(case.error, Doing("Copying into RAW.EVENTS", ("GRANT INSERT ON x TO ROLE y",)))
    assert isinstance(found, SinkUnavailableError if case.retryable else SinkError)
    assert found.retryable == case.retryable
    assert case.says in str(found)
    assert found.message.startswith("Copying into RAW.EVENTS")
    assert "Marker-Secret" not in f"{found} {found.fields}"


def test_a_table_is_ours_if_every_value_fits_and_nothing_else_is_there() -> None:
    ours = {column.name.upper(): (column.kind, column.required) for column in TABLES["EVENTS"]}
    assert differences("EVENTS", ours) == []
    wider = {**ours, "OCCURRED_AT": ("TIMESTAMP_NTZ(9)", True), "STREAM_ID": ("VARCHAR(134217728)", False)}
    assert differences("EVENTS", wider) == []
    for name, found, says in (
        ("OCCURRED_AT", ("TIMESTAMP_LTZ(6)", True), "is TIMESTAMP_LTZ(6)"),
        ("OCCURRED_AT", ("TIMESTAMP_NTZ(3)", True), "is TIMESTAMP_NTZ(3)"),
        ("LOG_OFFSET", ("FLOAT", True), "is FLOAT"),
        ("LOG_OFFSET", ("NUMBER(18,0)", True), "is NUMBER(18,0)"),
        ("LOG_OFFSET", ("NUMBER(38,1)", True), "is NUMBER(38,1)"),
        ("PAYLOAD", ("VARCHAR(16777216)", True), "is VARCHAR"),
        ("STREAM_ID", ("VARCHAR(100)", False), "is VARCHAR(100)"),
        ("EVENT_ID", ("VARCHAR(16777216)", False), "allows nulls"),
        ("STREAM_ID", ("VARCHAR(16777216)", True), "refuses nulls"),
        ("EXTRA", ("NUMBER(38,0)", False), "is not ours"),
    ):
        assert [text for text in differences("EVENTS", {**ours, name: found}) if f"{name} {says}" in text]
    del ours["PAYLOAD"]
    assert differences("EVENTS", ours) == ["column PAYLOAD is missing"]


def test_the_age_of_a_folder_stands_in_its_name() -> None:
    made = datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)
    name = folder_name(made, "0123456789abcdef", 7)
    assert name == "20260131T235958Z-0123456789abcdef-000007"
    assert age_of(name, made + timedelta(hours=2)) == timedelta(hours=2)
    assert age_of("something-else", made) is None
    assert age_of(name + "/../x", made) is None
    assert len(owner_of("any \ud800 text")) == 32
