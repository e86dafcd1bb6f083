import datetime as dt

from tests.integration.standin.client import Client


def test_null_is_null_in_every_type(client: Client) -> None:
    """docs.snowflake.com/en/developer-guide/python-connector/python-connector-api: NULL is None; fakesnow:
    1970."""
    client.run(
        "CREATE TABLE t (n NUMBER, d NUMBER(38,9), s VARCHAR, b BINARY, f FLOAT, o BOOLEAN, j VARIANT, "
        "a TIMESTAMP_NTZ, z TIMESTAMP_TZ, l TIMESTAMP_LTZ, y DATE, i TIME)",
        "INSERT INTO t (n) VALUES (NULL)",
    )
    assert client.rows("SELECT * FROM t") == [(None,) * 12]


def test_times_keep_their_microseconds_before_and_after_1970(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/data-types-datetime: timestamps keep up to nine decimals of a
    second."""
    client.run(
        "CREATE TABLE t (a TIMESTAMP_NTZ, z TIMESTAMP_TZ)",
        "INSERT INTO t VALUES ('1969-12-31 23:59:59.999999', '2026-01-02 03:04:05.000001+00:00')",
    )
    naive, zoned = client.rows("SELECT a, z FROM t")[0]
    assert naive == dt.datetime(1969, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001 - NTZ has no zone
    assert zoned == dt.datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=dt.UTC)


def test_whole_numbers_are_times_to_the_microsecond_from_year_1_to_9999(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/functions/to_timestamp: scale 6 means microseconds; a double would
    lose them before 1684 and after 2255."""
    ends = {
        -62_135_596_800_000_000: dt.datetime(1, 1, 1),  # noqa: DTZ001 - NTZ has no zone
        -1: dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
        253_402_300_799_999_999: dt.datetime(9999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
    }
    client.run("CREATE TABLE t (us NUMBER(38,0), a TIMESTAMP_NTZ(6))")
    for micros, moment in ends.items():
        client.run(f"INSERT INTO t SELECT {micros}, TO_TIMESTAMP_NTZ({micros}, 6)")
        assert client.rows(f"SELECT a, TO_TIMESTAMP_NTZ(us, 6) FROM t WHERE us = {micros}") == [
            (moment, moment)
        ]
    assert client.one("SELECT TO_TIMESTAMP_NTZ(1, 0)") == dt.datetime(1970, 1, 1, 0, 0, 1)  # noqa: DTZ001
    assert client.one("SELECT TO_TIMESTAMP_NTZ(-1, 3)") == dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)  # noqa: DTZ001
    assert client.one("SELECT TO_TIMESTAMP_NTZ(1999, 9)") == dt.datetime(1970, 1, 1, 0, 0, 0, 1)  # noqa: DTZ001
    assert client.one("SELECT TO_TIMESTAMP_NTZ(NULL, 6)") is None
    assert client.error("SELECT TO_TIMESTAMP_NTZ(253402300800000000, 6)").sqlstate == "22018"


def test_values_bound_and_arrays_bound(client: Client) -> None:
    """docs.snowflake.com/en/developer-guide/python-connector/python-connector-example: binding, batch
    inserts."""
    client.run("CREATE TABLE t (n NUMBER, s VARCHAR, b BINARY)")
    with client.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t (n, s) VALUES (%s, %s)", [(1, "o'ne"), (2, None)])
        assert cursor.rowcount == 2
        cursor.execute("INSERT INTO t VALUES (%s, %s, %s)", (3, "three", b"\x00\xff"))
    assert client.rows("SELECT n, s, b FROM t ORDER BY n") == [
        (1, "o'ne", None),
        (2, None, None),
        (3, "three", b"\x00\xff"),
    ]
