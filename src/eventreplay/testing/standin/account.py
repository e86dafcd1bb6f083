"""Roles, users, grants, warehouses and other objects of an account."""

from typing import Any

from eventreplay.testing.standin.failures import unsupported
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session


def grants(session: Session, sql: str, params: Any) -> Result:
    del session, params
    raise unsupported(sql[:40])


def define(session: Session, sql: str, params: Any) -> Result:
    del session, params
    raise unsupported(sql[:40])


def show(session: Session, sql: str, params: Any) -> Result:
    del session, params
    raise unsupported(sql[:40])
