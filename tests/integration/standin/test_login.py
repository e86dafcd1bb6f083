import base64
from collections.abc import Callable
from typing import Any

import pytest
import snowflake.connector
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.integration.standin.client import Client

Open = Callable[..., Client]


def _refused(connect: Open, **arguments: Any) -> snowflake.connector.errors.Error:
    with pytest.raises(snowflake.connector.errors.Error) as caught:
        connect(**arguments, login_timeout=5)
    return caught.value


def test_a_wrong_password_is_refused(connect: Open) -> None:
    """docs.snowflake.com/en/user-guide/admin-user-management: 390100; fakesnow lets everybody in."""
    error = _refused(connect, password="wrong")  # noqa: S106 - wrong on purpose
    assert "390100" in str(error) or error.errno == 390100
    assert _refused(connect, user="NOBODY").errno in (390100, 250001)


def test_a_key_pair_is_verified(connect: Open, client: Client) -> None:
    """docs.snowflake.com/en/user-guide/key-pair-auth: the JWT is signed by the key whose public half is
    registered."""
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    private = [key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for key in keys]
    public = base64.b64encode(
        keys[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    name = f"KEYED_{client.one('SELECT CURRENT_DATABASE()')}"
    client.run(f"CREATE USER {name} RSA_PUBLIC_KEY = '{public.decode()}'")
    arguments = {"user": name, "password": None, "role": "PUBLIC", "authenticator": "SNOWFLAKE_JWT"}
    assert connect(**arguments, private_key=private[0]).one("SELECT CURRENT_USER()") == name
    assert "JWT token is invalid" in str(_refused(connect, **arguments, private_key=private[1]))


def test_an_unknown_oauth_token_is_refused(connect: Open) -> None:
    """docs.snowflake.com/en/user-guide/oauth-intro: only a token that was issued."""
    assert "Invalid OAuth access token" in str(_refused(connect, authenticator="oauth", token="made-up"))  # noqa: S106


def test_an_expired_session_is_renewed_with_its_transaction(
    client: Client, control: Callable[..., Any]
) -> None:
    """docs.snowflake.com/en/user-guide/session-policies: the master token renews the session; nothing in
    it is lost."""
    client.run("CREATE TABLE t (n NUMBER)", "BEGIN", "INSERT INTO t VALUES (1)")
    assert control("POST", kind="expire_tokens")["sessions"] > 0
    client.run("COMMIT")
    assert client.rows("SELECT n FROM t") == [(1,)]


def test_a_database_that_is_not_there(connect: Open) -> None:
    """As Snowflake: the login succeeds, without a current database."""
    lost = connect(database="NO_SUCH_DATABASE")
    assert lost.one("SELECT CURRENT_DATABASE()") is None
    assert lost.error("CREATE TABLE t (n NUMBER)").errno == 90105
