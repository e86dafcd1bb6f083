"""Certificates for TLS on the loopback, of an authority that lives as long as one server."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.testing.services.errors import ServiceError

NAMES = ("localhost", "127.0.0.1", "::1")


@frozen
class Certificates:
    """Files in PEM: the authority that clients trust, the server's chain and its private key."""

    ca: Path
    chain: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate for the loopback's names, into `folder`.

    Raises:
        ServiceError: the package trustme is not installed.
    """
    try:
        trustme: Any = importlib.import_module("trustme")
    except ImportError as error:
        raise ServiceError("TLS needs the package trustme.", hint="Install eventreplay[services].") from error
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    issued = authority.issue_cert(*NAMES)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority.cert_pem.write_to_path(str(made.ca))
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(str(made.chain), append=number > 0)
    issued.private_key_pem.write_to_path(str(made.key))
    made.key.chmod(0o600)
    return made
