"""Tables and views of schemas, what they are, and who may use them: what a promotion has to know and set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import frozen

from eventreplay.errors import GenerationError
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import literal, quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import Raw

Kind = Literal["table", "view"]
_KINDS: Mapping[str, Kind] = {"BASE TABLE": "table", "VIEW": "view"}
_OF_VIEWS = frozenset({"SELECT", "REFERENCES"})


@frozen
class Found:
    """What stands under a name."""

    kind: Kind
    comment: str
    transient: bool


@frozen
class Rights:
    """Who may use an object.

    Attributes:
        given: privilege and role.
        owner: role; empty if nobody of whom we know.
    """

    given: tuple[tuple[str, str], ...] = ()
    owner: str = ""


class Objects:
    """Schemas of one database, over one session."""

    def __init__(self, session: Session, raw: Raw) -> None:
        self.session, self.raw = session, raw
        self.database = raw.database

    def schemas(self) -> dict[str, str]:
        """Options by name, e.g. `TRANSIENT, MANAGED ACCESS`."""
        rows = self.session.named(
            f"SHOW SCHEMAS IN DATABASE {quoted(self.database)}", doing=Doing("Reading the schemas")
        )
        return {str(row["name"]): str(row.get("options") or "").upper() for row in rows}

    def create_schema(self, name: str, options: str) -> None:
        """One with the options of another, if it is missing."""
        transient = "TRANSIENT " if "TRANSIENT" in options else ""
        managed = " WITH MANAGED ACCESS" if "MANAGED ACCESS" in options else ""
        self.define(
            f"CREATE {transient}SCHEMA IF NOT EXISTS {quoted(self.database, name)}{managed}",
            f"Creating the schema {name}",
            f"GRANT CREATE SCHEMA ON DATABASE {quoted(self.database)} {self._to}",
        )
        # Who makes a schema is in it from then on, and the stage is found by the session's schema.
        self.session.run(
            f"USE SCHEMA {quoted(self.database, self.raw.schema)}", doing=Doing(f"Using {self.raw.schema}")
        )

    def drop_schema(self, name: str) -> None:
        """With all that is in it."""
        schema = quoted(self.database, name)
        self.define(
            f"DROP SCHEMA IF EXISTS {schema} CASCADE",
            f"Dropping the schema {name}",
            f"GRANT OWNERSHIP ON SCHEMA {schema} {self._to} COPY CURRENT GRANTS",
        )

    def listed(self, schemas: Iterable[str]) -> dict[tuple[str, str], Found]:
        """What there is in schemas, by schema and name.

        Raises:
            GenerationError: something is neither table nor view.
        """
        wanted = list(schemas)
        rows = self.session.run(
            'SELECT "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "COMMENT", "IS_TRANSIENT"'
            f' FROM {quoted(self.database)}."INFORMATION_SCHEMA"."TABLES"'
            f' WHERE "TABLE_SCHEMA" IN ({", ".join("?" for _ in wanted)}) ORDER BY 1, 2',
            wanted,
            doing=Doing("Listing tables and views"),
        )
        made = {}
        for schema, name, kind, comment, transient in rows:
            if kind not in _KINDS:
                raise GenerationError(
                    f"{schema}.{name} is a {str(kind).lower()}, which no promotion moves.",
                    hint="Only tables and views change places: drop it, or move it elsewhere.",
                    name=f"{schema}.{name}",
                )
            made[schema, name] = Found(_KINDS[kind], comment or "", transient == "YES")
        return made

    def definition(self, schema: str, name: str) -> str:
        """A view's, as GET_DDL gives it."""
        place = quoted(self.database, schema, name)
        rows = self.session.run(
            f"SELECT GET_DDL('VIEW', {literal(place)}, TRUE)",
            doing=Doing(f"Reading the view {schema}.{name}", (f"GRANT SELECT ON VIEW {place} {self._to}",)),
        )
        return str(rows[0][0])

    def rights(self, kind: Kind, schema: str, name: str) -> Rights:
        """Those of one object; none if the role may not see them."""
        place = quoted(self.database, schema, name)
        rows = self.session.named(
            f"SHOW GRANTS ON {kind.upper()} {place}", doing=Doing(f"Reading the grants on {schema}.{name}")
        )
        held = [row for row in rows if row.get("granted_to") == "ROLE"]
        owners = [str(row["grantee_name"]) for row in held if row["privilege"] == "OWNERSHIP"]
        given = {(str(row["privilege"]), str(row["grantee_name"])) for row in held}
        return Rights(
            tuple(sorted(each for each in given if each[0] != "OWNERSHIP")), owners[0] if owners else ""
        )

    def give(self, kind: Kind, schema: str, name: str, rights: Rights) -> None:
        """Give an object rights, its owner last: who rebuilds may be another role than who builds daily."""
        place = f"{kind.upper()} {quoted(self.database, schema, name)}"
        for privilege, role in rights.given:
            if kind == "table" or privilege in _OF_VIEWS:
                self._own(f"GRANT {privilege} ON {place} TO ROLE {quoted(role)}", schema, name)
        if rights.owner and rights.owner != self.raw.role:
            self._own(
                f"GRANT OWNERSHIP ON {place} TO ROLE {quoted(rights.owner)} COPY CURRENT GRANTS", schema, name
            )

    def take(self, schema: str, name: str, owner: str) -> None:
        """Own a table: into a schema with managed access only its owner's own tables may be moved."""
        if owner and owner != self.raw.role:
            place = quoted(self.database, schema, name)
            self._own(f"GRANT OWNERSHIP ON TABLE {place} {self._to} COPY CURRENT GRANTS", schema, name)

    def comment(self, schema: str, name: str, text: str) -> None:
        """Set a table's comment."""
        place = quoted(self.database, schema, name)
        self._own(f"COMMENT ON TABLE {place} IS {literal(text)}", schema, name)

    def swap(self, schema: str, other: str, name: str) -> None:
        """Two tables of one name change places, at once. Never sent twice."""
        one, two = quoted(self.database, schema, name), quoted(self.database, other, name)
        self._own(f"ALTER TABLE {one} SWAP WITH {two}", schema, name)

    def rename(self, schema: str, to: str, name: str) -> None:
        """A table to another schema."""
        one, two = quoted(self.database, schema, name), quoted(self.database, to, name)
        self._own(f"ALTER TABLE {one} RENAME TO {two}", schema, name)

    def create_view(self, statement: str, schema: str, name: str) -> None:
        """Make a view, or make it again."""
        right = f"GRANT CREATE VIEW ON SCHEMA {quoted(self.database, schema)} {self._to}"
        self.define(statement, f"Making the view {schema}.{name}", right)

    def drop_view(self, schema: str, name: str) -> None:
        """If it is there."""
        self._own(f"DROP VIEW IF EXISTS {quoted(self.database, schema, name)}", schema, name)

    def define(self, statement: str, what: str, *grants: str) -> None:
        """Run a definition; sent once, since one that is repeated may undo itself."""
        usage = f"GRANT USAGE ON DATABASE {quoted(self.database)} {self._to}"
        self.session.run(statement, doing=Doing(what, (usage, *grants)), once=True)

    def _own(self, statement: str, schema: str, name: str) -> None:
        place = quoted(self.database, schema, name)
        self.define(
            statement,
            f"Moving {schema}.{name}",
            f"GRANT OWNERSHIP ON TABLE {place} {self._to} COPY CURRENT GRANTS",
        )

    @property
    def _to(self) -> str:
        return f"TO ROLE {quoted(self.raw.role)}" if self.raw.role != "..." else "TO ROLE ..."


def plain(rights: Rights) -> dict[str, Any]:
    """As JSON data."""
    return {"given": [list(each) for each in rights.given], "owner": rights.owner}


def rights_of(data: Mapping[str, Any]) -> Rights:
    """From JSON data."""
    return Rights(tuple((str(each[0]), str(each[1])) for each in data["given"]), str(data["owner"]))
