"""The whole capture as a role with just enough rights; each missing one stops it cleanly and is named."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from eventreplay.errors import ConfigError, SourceError, SourceUnavailableError
from eventreplay.sources.postgres.check import check
from eventreplay.sources.postgres.session import conninfo
from eventreplay.sources.postgres.settings import PostgresSettings, parse_table
from eventreplay.testing.services.ports import free_port
from tests.integration.postgres.journals import capture_all, execute, fill, make_table, open_source, settings

ROLE = "eventreplay_reader"
PASSWORD = 'pass word\'s "secret"'  # noqa: S105 - of a test's server, with what has broken quoting before
QUOTED = "pass%20word%27s%20%22secret%22"


@pytest.fixture
def reader_url(postgres_url: str, root: Path) -> str:
    """The journal's URL as the role that deploy/postgres/reader.sql makes."""
    make_table(postgres_url)
    fill(postgres_url, 100)
    if not execute(postgres_url, f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'"):
        execute(postgres_url, f"CREATE ROLE {ROLE} LOGIN")
    execute(postgres_url, f"ALTER ROLE {ROLE} PASSWORD %s", parameters=(PASSWORD,))
    database = urlsplit(postgres_url).path[1:]
    script = (root / "deploy" / "postgres" / "reader.sql").read_text("utf-8")
    statements = [line for line in script.splitlines() if line.startswith("GRANT")]
    assert len(statements) == 4
    execute(
        postgres_url,
        f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC',
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    )
    execute(postgres_url, *(line.replace("DATABASE shop", f'DATABASE "{database}"') for line in statements))
    parts = urlsplit(postgres_url)
    return parts._replace(netloc=f"{ROLE}:{QUOTED}@{parts.hostname}:{parts.port}").geturl()


def test_the_whole_capture_needs_no_more(reader_url: str, tmp_path: Path) -> None:
    assert capture_all(reader_url, tmp_path).logged == 100
    assert all(each.ok for each in check(settings(reader_url)))


@pytest.mark.parametrize(
    ("revoke", "named"),
    [
        ("REVOKE USAGE ON SCHEMA public FROM {role}", "GRANT USAGE ON SCHEMA"),
        ("REVOKE SELECT ON events FROM {role}", "GRANT SELECT ON"),
        ("REVOKE SELECT ON SEQUENCE events_id_seq FROM {role}", "GRANT SELECT ON SEQUENCE"),
        ("REVOKE SELECT ON pg_catalog.pg_locks FROM PUBLIC", "GRANT SELECT ON pg_catalog.pg_locks"),
        ("REVOKE SELECT ON pg_catalog.pg_prepared_xacts FROM PUBLIC", "pg_catalog.pg_prepared_xacts"),
        ("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", "pg_catalog.pg_control_system()"),
    ],
)
def test_a_missing_right_stops_and_is_named(
    revoke: str, named: str, reader_url: str, postgres_url: str, tmp_path: Path
) -> None:
    execute(postgres_url, revoke.format(role=ROLE))
    with pytest.raises(SourceError) as caught:
        capture_all(reader_url, tmp_path)
    assert named in caught.value.hint
    assert not caught.value.retryable
    assert any(named in each.hint for each in check(settings(reader_url)))
    assert not any(tmp_path.rglob("*.parquet"))
    # The statement that it names is the whole repair.
    execute(postgres_url, *(each.strip() + ";" for each in caught.value.hint.split(";") if each.strip()))
    assert capture_all(reader_url, tmp_path).logged == 100


def test_without_connect_it_is_not_let_in(reader_url: str, postgres_url: str, tmp_path: Path) -> None:
    database = urlsplit(postgres_url).path[1:]
    execute(postgres_url, f'REVOKE CONNECT ON DATABASE "{database}" FROM {ROLE}')
    with pytest.raises(SourceError, match="lacks CONNECT") as caught:
        capture_all(reader_url, tmp_path)
    assert not caught.value.retryable


def test_a_wrong_password_is_final_and_never_shown(reader_url: str, tmp_path: Path) -> None:
    wrong = reader_url.replace(QUOTED, "hunter2-secret")
    with pytest.raises(SourceError, match="refused the password") as caught:
        capture_all(wrong, tmp_path)
    assert (
        "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {caught.value.fields}"
    )
    assert not caught.value.retryable
    (finding,) = check(settings(wrong))
    assert not finding.ok
    assert "hunter2" not in repr(finding)


def test_nobody_there_may_be_tried_again(tmp_path: Path) -> None:
    url = f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/shop"
    with pytest.raises(SourceUnavailableError) as caught:
        capture_all(url, tmp_path)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.retryable
    assert [each.ok for each in check(settings(url))] == [False]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        ("ALTER SEQUENCE events_id_seq CACHE 20", "CACHE 20"),
        ("ALTER TABLE events ALTER id DROP IDENTITY", "not from one sequence"),
        ("ALTER TABLE events ALTER occurred_at TYPE timestamp", "timestamp without time zone"),
        ("ALTER TABLE events SET UNLOGGED", "unlogged"),
        ("ALTER SEQUENCE events_id_seq MINVALUE -100 INCREMENT -1 ", "downwards"),
        ("INSERT INTO events (id, event_id) VALUES (5000, 'chosen')", "has only given out 100"),
        ("ALTER TABLE events RENAME payload TO body", "event_id, event_type"),
        ("ALTER TABLE events ALTER payload TYPE int USING 1", "of type integer"),
        ("DROP TABLE events", "There is no table"),
    ],
)
def test_what_cannot_be_captured_without_loss_is_refused(
    prepare: str, message: str, postgres_url: str, tmp_path: Path
) -> None:
    make_table(postgres_url)
    fill(postgres_url, 100)
    execute(postgres_url, prepare)
    with pytest.raises((SourceError, ConfigError)) as caught:
        capture_all(postgres_url, tmp_path)
    assert message in str(caught.value)


def test_tls_is_verified_away_from_this_machine() -> None:
    far = conninfo(PostgresSettings(host="db.example", database="shop", user="o'neil \\ x"))
    assert far["sslmode"] == "verify-full"
    assert Path(far["sslrootcert"]).exists() or far["sslrootcert"] == "system"
    assert conninfo(PostgresSettings(host="127.0.0.1", database="shop"))["sslmode"] == "prefer"
    weaker = conninfo(PostgresSettings(host="db.example", database="shop", sslmode="require"))
    assert weaker["sslmode"] == "require"
    parsed = psycopg2.extensions.parse_dsn(psycopg2.extensions.make_dsn(**far))
    assert parsed["user"] == "o'neil \\ x"


@pytest.mark.parametrize("text", ["", "a.b.c", "a..b", 'a"b', "a b", "a;drop", '""', "a\0"])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_table(text)


def test_nothing_of_a_source_shows_its_password() -> None:
    source = open_source("postgresql://someone:hunter2@db.example/shop")
    assert "hunter2" not in repr(vars(source))
