"""Rights: those that the migrations give, and those that SHOW GRANTS says there are."""

from __future__ import annotations

import re

from attrs import frozen

from eventreplay.sinks.snowflake.deployment.files import Migration
from eventreplay.sinks.snowflake.deployment.names import Deployment
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Session

_IDENTIFIER = r'"(?:[^"]|"")+"|[\w$<>]+'
_GRANT = re.compile(
    r"GRANT (?P<privileges>[A-Z ,]+) ON (?P<many>FUTURE |ALL )?(?P<kind>[A-Z ]+?)(?P<inside>S IN SCHEMA)? "
    rf"(?P<name>(?:(?:{_IDENTIFIER})\.?)+) TO ROLE (?P<role>{_IDENTIFIER})"
)
Name = tuple[str, ...]


@frozen(order=True)
class Grant:
    """One privilege of one role: on an object, or with `future` on what will be made in a schema."""

    kind: str
    name: Name
    privilege: str
    role: str
    future: bool = False

    @property
    def place(self) -> str:
        """What it is on, as it stands in statements."""
        if self.future:
            return f"FUTURE {self.kind}S IN SCHEMA {quoted(*self.name)}"
        return f"{self.kind} {quoted(*self.name)}"

    @property
    def giving(self) -> str:
        """The statement that gives it."""
        return f"GRANT {self.privilege} ON {self.place} TO ROLE {quoted(self.role)};"

    @property
    def taking(self) -> str:
        """The statement that takes it away."""
        return f"REVOKE {self.privilege} ON {self.place} FROM ROLE {quoted(self.role)};"


def parts_of(name: str) -> Name:
    """A qualified name as the exact names of its parts; a plain one means upper case."""
    return tuple(
        part[1:-1].replace('""', '"') if part.startswith('"') else part.upper()
        for part in re.findall(_IDENTIFIER, name)
    )


def given_by(wanted: tuple[Migration, ...], deployment: Deployment) -> set[Grant]:
    """Every right on an object that these migrations give; roles granted to roles are none."""
    found = set()
    for one in wanted:
        for statement in one.statements(deployment):
            match = _GRANT.fullmatch(" ".join(statement.split()))
            if match is None or match["many"] == "ALL ":
                continue  # on what there is at the time; what comes later has the future ones
            for privilege in match["privileges"].split(","):
                found.add(
                    Grant(
                        match["kind"],
                        parts_of(match["name"]),
                        privilege.strip(),
                        parts_of(match["role"])[0],
                        future=match["many"] == "FUTURE ",
                    )
                )
    return found


def standing_on(session: Session, kind: str, name: Name) -> set[Grant]:
    """What SHOW GRANTS ON says of one object, ownership included.

    Raises:
        SinkError: it is not there, or the role may not see it.
    """
    doing = Doing(f"Reading the grants on {'.'.join(name)}")
    rows = session.named(f"SHOW GRANTS ON {kind} {quoted(*name)}", doing=doing)
    return {
        Grant(kind, name, str(row["privilege"]).upper(), str(row["grantee_name"]))
        for row in rows
        if row.get("granted_to") == "ROLE"
    }


def standing_in_future(session: Session, schema: Name) -> set[Grant]:
    """What SHOW FUTURE GRANTS says of a schema.

    Raises:
        SinkError: it is not there, or the role may not see it.
    """
    doing = Doing(f"Reading the future grants in {'.'.join(schema)}")
    rows = session.named(f"SHOW FUTURE GRANTS IN SCHEMA {quoted(*schema)}", doing=doing)
    return {
        Grant(
            str(row["grant_on"]).replace("_", " "),
            schema,
            str(row["privilege"]).upper(),
            str(row["grantee_name"]),
            future=True,
        )
        for row in rows
    }
