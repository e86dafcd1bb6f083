"""Who may log in: password, key pair (the JWT's signature is verified) or a registered OAuth token."""

import base64
import hashlib
import hmac
import secrets
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from eventreplay.testing.standin.catalog import Catalog
from eventreplay.testing.standin.failures import SqlError

_ROUNDS = 10_000
REFUSED = ("Incorrect username or password was specified.", 390100)


def hashed(password: str, salt: str) -> str:
    """A password as it is kept."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), _ROUNDS).hex()


def add_user(
    catalog: Catalog, name: str, *, password: str | None = None, public_key_pem: str | None = None,
    token: str | None = None, roles: tuple[str, ...] = ("PUBLIC",), default_role: str | None = None,
) -> None:  # fmt: skip
    """Register a user, or replace one."""
    salt = secrets.token_hex(16)
    user: dict[str, Any] = {
        "roles": list(roles),
        "default_role": default_role or roles[0],
        "default_warehouse": "COMPUTE_WH",
        "salt": salt,
        "password": None if password is None else hashed(password, salt),
        "public_key": public_key_pem,
        "token": None if token is None else hashlib.sha256(token.encode()).hexdigest(),
    }
    with catalog.changed():
        catalog.users[name.upper()] = user


def _fingerprint(pem: str) -> str:
    key = load_pem_public_key(pem.encode())
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def _valid_jwt(account: str, name: str, pem: str | None, token: str) -> bool:
    if pem is None:
        return False
    try:
        claims = jwt.decode(
            token, pem, algorithms=["RS256", "ES256", "ES384", "ES512"], options={"verify_iat": False}
        )
    except jwt.PyJWTError:
        return False
    subject = f"{account.upper()}.{name}"
    return bool(claims.get("sub") == subject and claims.get("iss") == f"{subject}.{_fingerprint(pem)}")


def authenticate(catalog: Catalog, data: dict[str, Any]) -> str:
    """The name of the user that logs in.

    Raises:
        SqlError: 390100 wrong user or password, 390144 wrong JWT, 390303 wrong OAuth token.
    """
    how = str(data.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
    given = str(data.get("TOKEN") or "")
    if how == "OAUTH":
        digest = hashlib.sha256(given.encode()).hexdigest()
        for name, user in catalog.users.items():
            if user.get("token") and hmac.compare_digest(user["token"], digest):
                return name
        raise SqlError("Invalid OAuth access token.", 390303, "08001")
    name = str(data.get("LOGIN_NAME") or "").upper()
    user = catalog.users.get(name)
    if how == "SNOWFLAKE_JWT":
        account = str(data.get("ACCOUNT_NAME") or "").split(".", 1)[0]
        if user is None or not _valid_jwt(account, name, user.get("public_key"), given):
            raise SqlError("JWT token is invalid.", 390144, "08001")
        return name
    if how != "SNOWFLAKE":
        raise SqlError(f"Authenticator {how} is not offered by the stand-in.", 390422, "08001")
    password = str(data.get("PASSWORD") or "")
    if user is None or not user.get("password") or not hmac.compare_digest(
        user["password"], hashed(password, user["salt"])
    ):  # fmt: skip
        raise SqlError(REFUSED[0], REFUSED[1], "08001")
    return name
