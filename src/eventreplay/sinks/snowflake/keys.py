"""Private keys for the key-pair login: read, decrypted and handed to the driver, and never shown."""

from __future__ import annotations

from pathlib import Path

from eventreplay.errors import ConfigError
from eventreplay.sinks.snowflake.settings import SnowflakeSettings

_KEY_BYTES_MAX = 1 << 20


def private_key_der(settings: SnowflakeSettings) -> bytes:
    """The key as the driver takes it: PKCS#8, DER, decrypted.

    Raises:
        ConfigError: the file cannot be read, the text is no PEM key, or the passphrase is missing or wrong.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - comes with the driver

    passphrase = settings.private_key_passphrase
    try:
        key = serialization.load_pem_private_key(
            _pem(settings), password=None if passphrase is None else passphrase.reveal().encode()
        )
        return key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    except (TypeError, ValueError):
        # The library's text may quote what it was given.
        raise ConfigError(
            "The private key cannot be read: no PEM key, or its passphrase is missing, wrong or not needed.",
            hint="openssl pkcs8 -in rsa_key.p8 -noout asks for the passphrase and says whether it fits.",
            setting="private_key_passphrase",
        ) from None


def _pem(settings: SnowflakeSettings) -> bytes:
    if settings.private_key is not None:
        return settings.private_key.reveal().encode()
    try:
        with Path(settings.private_key_file or "").expanduser().open("rb") as file:
            return file.read(_KEY_BYTES_MAX)
    except OSError as error:
        raise ConfigError(
            f"The private key file cannot be read: {error.strerror}.",
            hint="Check the path in private_key_file and that this user may read it.",
            setting="private_key_file",
        ) from None
