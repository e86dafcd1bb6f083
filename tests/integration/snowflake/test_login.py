"""Logins by key pair, token and password; what is refused, and that no secret is ever shown."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest
from attrs import evolve
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from eventreplay.errors import ConfigError, EventReplayError, SinkError, SinkUnavailableError
from eventreplay.log import Log
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_rows
from eventreplay.testing.sink_suite import checkpoint_at
from tests.integration.snowflake.loading import held, load, small_log
from tests.integration.snowflake.server import StandIn

MARKER = "Marker-Secret-27182"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def pem(key: rsa.RSAPrivateKey, passphrase: str | None = None) -> bytes:
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        how = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def keyed(standin: StandIn, settings: SnowflakeSettings, key: rsa.RSAPrivateKey) -> SnowflakeSettings:
    """Settings of a user of the account that has only this key."""
    lines = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = "".join(lines.decode().splitlines()[1:-1])
    standin.run(
        "CREATE USER IF NOT EXISTS KEYED DEFAULT_ROLE = ACCOUNTADMIN DEFAULT_WAREHOUSE = COMPUTE_WH",
        "GRANT ROLE ACCOUNTADMIN TO USER KEYED",
        f"ALTER USER KEYED SET RSA_PUBLIC_KEY = '{body}'",
    )
    return evolve(settings, user="KEYED", password=None, private_key=Secret(pem(key).decode()))


def test_a_key_pair_logs_in_from_text_or_an_encrypted_file(
    standin: StandIn, settings: SnowflakeSettings, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    by_text = keyed(standin, settings, key)
    file = tmp_path / "rsa_key.p8"
    file.write_bytes(pem(key, MARKER))
    by_file = evolve(
        by_text, private_key=None, private_key_file=str(file), private_key_passphrase=Secret(MARKER)
    )
    log = small_log(tmp_path / "log", records=8)
    assert load(log, by_text).read == 8
    assert load(log, by_file).read == 0
    assert {finding.detail for finding in SnowflakeSink.check(by_file) if finding.name == "login"} == {
        "User KEYED by key_pair."
    }


def test_keys_and_tokens_that_do_not_fit_are_refused_in_words(
    standin: StandIn, settings: SnowflakeSettings, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    right = keyed(standin, settings, key)
    foreign = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    file = tmp_path / "rsa_key.p8"
    file.write_bytes(pem(key, MARKER))
    wrong: list[tuple[SnowflakeSettings, type[EventReplayError], str]] = [
        (evolve(right, private_key=Secret(pem(foreign).decode())), SinkError, "RSA_PUBLIC_KEY"),
        (evolve(right, private_key=Secret(MARKER)), ConfigError, "openssl"),
        (evolve(right, private_key=None, private_key_file=str(file)), ConfigError, "openssl"),
        (evolve(right, private_key=None, private_key_file=str(tmp_path / "none")), ConfigError, "path"),
        (evolve(right, private_key=None, token=Secret(MARKER)), SinkError, "token"),
        (evolve(right, private_key=None, password=Secret(MARKER)), SinkError, "account, user"),
    ]
    for settings_now, kind, hint in wrong:
        with pytest.raises(kind) as caught:
            SnowflakeSink(settings_now, clock=TickingClock())
        assert hint in caught.value.hint
        assert not caught.value.retryable
        assert MARKER not in "".join(traceback.format_exception(caught.value))
        assert MARKER not in repr(settings_now)


def test_nothing_secret_and_no_payload_gets_into_logs_or_errors(
    standin: StandIn,
    settings: SnowflakeSettings,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    password = settings.password
    assert password is not None
    shown = []
    for changed in (settings, evolve(settings, password=Secret(MARKER))):
        try:
            with SnowflakeSink(changed, clock=TickingClock()) as sink:
                sink.begin("live")
                # JSON that Snowflake refuses: its own message would quote it.
                sink.write(example_rows(range(1), payload=f"{{{MARKER}"))
                sink.commit(checkpoint_at(1), expected=None)
        except SinkError as error:
            shown += [*traceback.format_exception(error), repr(error.fields)]
    assert len(shown) > 0
    for text in ("".join(shown), caplog.text, *capfd.readouterr()):
        assert MARKER not in text
        assert password.reveal() not in text
    assert held(standin, settings.database) == ([], [])


def test_a_server_that_is_not_there_is_a_retryable_error(settings: SnowflakeSettings) -> None:
    nowhere = evolve(settings, port=1, login_timeout_s=1, network_timeout_s=1)
    with pytest.raises(SinkUnavailableError, match="no answer"):
        SnowflakeSink(nowhere, clock=TickingClock())
    assert [(finding.name, finding.ok) for finding in SnowflakeSink.check(nowhere)] == [("login", False)]


def test_tables_that_are_not_ours_are_named_with_the_column(
    standin: StandIn, settings: SnowflakeSettings
) -> None:
    standin.run(
        f"ALTER TABLE {settings.database}.RAW.EVENTS DROP COLUMN EVENT_HASH",
        f"ALTER TABLE {settings.database}.RAW.EVENTS ADD COLUMN SURPRISE NUMBER",
    )
    with pytest.raises(SinkError) as caught:
        SnowflakeSink(settings, clock=TickingClock())
    assert "EVENT_HASH is missing" in caught.value.message
    assert "SURPRISE is not ours" in caught.value.message
    findings = {finding.name: finding for finding in SnowflakeSink.check(settings)}
    assert not findings["table EVENTS"].ok


def test_an_empty_database_says_to_run_init_or_is_set_up_when_asked(
    standin: StandIn, database: str, tmp_path: Path
) -> None:
    bare = standin.settings(database)
    with pytest.raises(SinkError) as caught:
        SnowflakeSink(bare, clock=TickingClock())
    assert "init" in caught.value.hint
    log: Log = small_log(tmp_path / "log", records=8)
    assert load(log, evolve(bare, create_tables=True)).read == 8


def test_a_lock_without_its_row_is_refused(
    standin: StandIn, settings: SnowflakeSettings, tmp_path: Path
) -> None:
    log = small_log(tmp_path / "log", records=8)
    standin.run(f"DELETE FROM {settings.database}.RAW.CHECKPOINT_LOCK")
    with pytest.raises(SinkError, match="no row") as caught:
        load(log, settings)
    assert "init" in caught.value.hint
    assert held(standin, settings.database) == ([], [])
    SnowflakeSink.init(settings)
    assert load(log, settings).read == 8
