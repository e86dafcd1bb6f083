from decimal import Decimal

from tests.integration.standin.client import Client


def test_sum_and_average_are_exact(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/functions/sum: NUMBER(p, s) sums to NUMBER(38, s); fakesnow's is
    FLOAT."""
    client.run(
        "CREATE TABLE t (n NUMBER(38,9), w NUMBER)",
        "INSERT INTO t VALUES (12345678901234567890.123456789, 9007199254740993), (0.000000001, 1)",
    )
    total, whole = client.rows("SELECT SUM(n), SUM(w) FROM t")[0]
    assert total == Decimal("12345678901234567890.123456790")
    assert whole == 9007199254740994
    assert isinstance(whole, int)
    assert client.one("SELECT AVG(w) FROM t") == Decimal("4503599627370497.000000")
    assert client.rows("SELECT AVG(w) OVER () FROM t")[0][0] == Decimal("4503599627370497.000000")


def test_quotients_have_snowflakes_scale_and_round_half_away_from_zero(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/operators-arithmetic: S = max(S1, min(S1 + 6, 12)) for division."""
    client.run(
        "CREATE TABLE t (a NUMBER(38,9), b NUMBER(10,2), c INT)", "INSERT INTO t VALUES (1, 3, 8), (-1, 3, 8)"
    )
    assert client.rows("SELECT a / b, c / 3, b / c, sum_ / n FROM t, (SELECT SUM(a) sum_, COUNT(*) n FROM t) "
                       "ORDER BY a DESC")[0] == (
        Decimal("0.333333333333"), Decimal("2.666667"), Decimal("0.37500000"), Decimal("0.000000000000"),
    )  # fmt: skip
    assert client.rows("SELECT a / b FROM t ORDER BY a")[0] == (Decimal("-0.333333333333"),)
    assert client.rows("SELECT SUM(a / b) FROM t WHERE a > 0 GROUP BY c") == [(Decimal("0.333333333333"),)]
    assert client.rows("WITH x AS (SELECT b FROM t) SELECT 2 / b FROM x")[0] == (Decimal("0.666667"),)
    assert "Division by zero" in str(client.error("SELECT a / (c - 8) FROM t"))


def test_products_have_at_most_twelve_decimals(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/operators-arithmetic: S = min(S1 + S2, max(S1, S2, 12)) for
    products."""
    client.run("CREATE TABLE t (a NUMBER(38,9))", "INSERT INTO t VALUES (0.000001001)")
    assert client.one("SELECT a * a FROM t") == Decimal("0.000000000001")
    assert client.one("SELECT a * 2 FROM t") == Decimal("0.000002002")


def test_a_number_that_does_not_fit_is_an_error(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/data-types-numeric: precision is enforced, NUMBER holds 38
    digits."""
    client.run("CREATE TABLE t (small NUMBER(5,2), big NUMBER(38,0))")
    assert client.error("INSERT INTO t (small) VALUES (1000)").sqlstate in ("22018", "22003")
    client.run("INSERT INTO t (big) VALUES (99999999999999999999999999999999999999)")
    assert client.one("SELECT big FROM t") == int("9" * 38)
