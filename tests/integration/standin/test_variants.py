from decimal import Decimal

from tests.integration.standin.client import Client


def test_numbers_in_a_variant_are_exact(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/functions/parse_json: decimal numbers keep 38 digits; fakesnow:
    doubles."""
    client.run(
        "CREATE TABLE t (v VARIANT)",
        """INSERT INTO t SELECT PARSE_JSON('{"a": 1234567890123456789012345678.123456789, "b":
        12345678901234567890,
        "c": "1234567890.123456789", "d": [1.5, 0.1234567890123456789],
        "e": "quote \\\\" 99999999999999999"}')""",
    )
    query = (
        "SELECT v:a::NUMBER(38,9), v:b::NUMBER(38,0), v:c::STRING, v:d[1]::NUMBER(38,19), v:d[0]::FLOAT "
        "FROM t"
    )
    assert client.rows(query) == [(
        Decimal("1234567890123456789012345678.123456789"), 12345678901234567890, "1234567890.123456789",
        Decimal("0.1234567890123456789"), 1.5,
    )]  # fmt: skip
    text = client.one("SELECT v FROM t")
    assert "1234567890123456789012345678.123456789" in text
    assert '"1234567890123456789012345678.123456789"' not in text
    assert "\\u0001" not in text
    assert client.one("SELECT v:e::STRING FROM t") == 'quote " 99999999999999999'


def test_text_that_is_no_json(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/functions/try_parse_json: NULL instead of the error of
    PARSE_JSON."""
    assert client.one("SELECT TRY_PARSE_JSON('{')") is None
    assert client.one("SELECT PARSE_JSON('')") is None
    assert client.error("SELECT PARSE_JSON('{\"a\": ')").errno == 100038


def test_an_item_keeps_its_index_whatever_else_is_flattened(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/functions/flatten: INDEX is the item's in its array; fakesnow: the
    number of a row, in any order."""
    client.run("CREATE TABLE t (id NUMBER, v VARIANT)")
    items = ", ".join(f'{{"at": {at}, "of": \' || id || \'}}' for at in range(5))
    client.run(
        f"INSERT INTO t SELECT id, PARSE_JSON('[{items}]') FROM (SELECT SEQ4() AS id "
        "FROM TABLE(GENERATOR(ROWCOUNT => 20000))) AS numbers"
    )
    query = (
        "SELECT COUNT(*), COUNT(CASE WHEN f.index = f.value:at::NUMBER THEN 1 END), MIN(f.path), MAX(f.path) "
        "FROM t, LATERAL FLATTEN(INPUT => t.v) AS f"
    )
    assert client.rows(query) == [(100_000, 100_000, "[0]", "[4]")]
    query = 'SELECT f.key, f.index, f.value::STRING FROM TABLE(FLATTEN(PARSE_JSON(\'{"a": "x"}\'))) AS f'
    assert client.rows(query) == [("a", None, "x")]
