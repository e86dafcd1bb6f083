"""Who may do what: a role, the roles granted to it, what it owns and what was granted to it."""

from eventreplay.testing.standin.failures import SqlError, not_allowed, not_found
from eventreplay.testing.standin.session import Session

ADMIN = "ACCOUNTADMIN"


def roles_of(session: Session, role: str) -> set[str]:
    """A role with everything granted to it, transitively, and PUBLIC."""
    found: set[str] = set()
    todo = [role, "PUBLIC"]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        todo += session.engine.catalog.roles.get(name, {}).get("granted", [])
    return found


def is_admin(session: Session) -> bool:
    """ACCOUNTADMIN may do everything here."""
    return ADMIN in roles_of(session, session.role)


def privileges(session: Session, kind: str, name: str) -> set[str]:
    """What the session's role may do with an object; `OWNERSHIP` is everything."""
    catalog = session.engine.catalog
    held: set[str] = set()
    for role in roles_of(session, session.role):
        if catalog.owners.get(f"{kind} {name}") == role:
            held.add("OWNERSHIP")
        held |= {p for p, k, n in catalog.grants.get(role, []) if k == kind and n == name}
    return held


def manages_access(session: Session, schema: str) -> bool:
    """Whether a schema was made WITH MANAGED ACCESS: then its owner alone grants rights on what is in it."""
    return bool(session.engine.catalog.section("schemas").get(schema, {}).get("managed"))


def owned(key: str) -> tuple[str, str]:
    """Kind and name of a key of `Catalog.owners`."""
    kind = "FILE FORMAT" if key.startswith("FILE FORMAT ") else key.partition(" ")[0]
    return kind, key.removeprefix(f"{kind} ")


def parts_of(name: str) -> tuple[str, str, str]:
    """Database, schema and object of a dotted name; dots in the middle are the schema's own."""
    database, rest = name.split(".", 1)
    schema, own = rest.rsplit(".", 1)
    return database, schema, own


def owns(session: Session, kind: str, name: str, future: str | None = None) -> None:
    """Record that the session's role made an object, and give what was granted on future ones.

    `future` is what it is called in such grants, where that is not `kind`: views are kept with the tables.
    """
    catalog = session.engine.catalog
    places = {name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1)}
    with catalog.changed():
        catalog.owners[f"{kind} {name}"] = session.role
        for held in catalog.grants.values():
            given = [[p, kind, name] for p, k, n in held if k == f"FUTURE {future or kind}" and n in places]
            held += [entry for entry in given if entry not in held]


def dropped(session: Session, kind: str, name: str) -> None:
    """Forget an object, what is inside of it, and every grant on them."""
    catalog = session.engine.catalog

    def gone(held_kind: str, held_name: str) -> bool:
        return (held_kind, held_name) == (kind, name) or (
            kind in ("SCHEMA", "DATABASE") and held_name.startswith(f"{name}.")
        )

    with catalog.changed():
        for key in [key for key in catalog.owners if gone(*owned(key))]:
            del catalog.owners[key]
        for role, held in catalog.grants.items():
            catalog.grants[role] = [entry for entry in held if not gone(entry[1], entry[2])]
        for section, held_kind in (
            ("stages", "STAGE"),
            ("formats", "FILE FORMAT"),
            ("pipes", "PIPE"),
            ("views", "TABLE"),
        ):
            for key in [key for key in catalog.section(section) if gone(held_kind, key)]:
                del catalog.section(section)[key]
        for key in [key for key in catalog.section("schemas") if gone("SCHEMA", key)]:
            del catalog.section("schemas")[key]


def replaced(session: Session, name: str) -> None:
    """A table or view was replaced without COPY GRANTS: the new one has none of the old one's rights."""
    catalog = session.engine.catalog
    with catalog.changed():
        for role, held in catalog.grants.items():
            catalog.grants[role] = [entry for entry in held if entry[1:] != ["TABLE", name]]


def exchanged(session: Session, one: str, other: str) -> None:
    """Two names of tables change hands: rights stay with the table."""
    names = {one: other, other: one}
    catalog = session.engine.catalog
    with catalog.changed():
        moved = {
            f"TABLE {names[name]}": catalog.owners.pop(f"TABLE {name}")
            for name in (one, other) if f"TABLE {name}" in catalog.owners
        }  # fmt: skip
        catalog.owners.update(moved)
        for role, held in catalog.grants.items():
            catalog.grants[role] = [[p, k, names.get(n, n) if k == "TABLE" else n] for p, k, n in held]


def need_usage(session: Session, database: str, schema: str | None) -> None:
    """USAGE on a database and a schema, or SqlError 002003 as if they were not there."""
    if is_admin(session):
        return
    if not privileges(session, "DATABASE", database):
        raise not_found("Database", database)
    if schema is not None and schema not in ("INFORMATION_SCHEMA", "_FS_INFORMATION_SCHEMA"):
        held = privileges(session, "SCHEMA", f"{database}.{schema}")
        if not held & {"USAGE", "OWNERSHIP"}:
            raise not_found("Schema", f"{database}.{schema}")


def need(session: Session, privilege: str, kind: str, name: str) -> None:
    """One privilege on an object below a schema, with USAGE above it.

    Raises:
        SqlError: 002003 where the role sees nothing of it, 003001 where it sees it and may not do this.
    """
    if is_admin(session):
        return
    if kind in ("TABLE", "VIEW", "STAGE", "FILE FORMAT", "PIPE"):
        database, schema, _ = parts_of(name)
        need_usage(session, database, schema)
    held = privileges(session, kind, name)
    if held & {privilege, "OWNERSHIP"}:
        return
    if not held:
        raise not_found(kind, name)
    raise not_allowed(kind, name.rsplit(".", 1)[-1])


def need_create(session: Session, what: str, database: str, schema: str | None) -> None:
    """CREATE TABLE and the like on a schema, CREATE SCHEMA on a database."""
    if is_admin(session):
        return
    need_usage(session, database, schema)
    kind, name = ("SCHEMA", f"{database}.{schema}") if schema is not None else ("DATABASE", database)
    if not privileges(session, kind, name) & {f"CREATE {what}", "OWNERSHIP"}:
        raise not_allowed(kind, schema or database)


def need_warehouse(session: Session) -> None:
    """A statement that computes needs a warehouse that the role may use."""
    name = session.warehouse
    usable = name is not None and (
        is_admin(session) or bool(privileges(session, "WAREHOUSE", name) & {"USAGE", "OWNERSHIP"})
    )
    if not usable:
        raise SqlError(
            "No active warehouse selected in the current session.  Select an active warehouse with the "
            "'use warehouse' command.",
            606,
            "57P03",
        )


def use_role(session: Session, role: str) -> None:
    """Switch to a role that was granted to the user."""
    user = session.engine.catalog.users.get(session.user, {})
    allowed: set[str] = set()
    for granted in user.get("roles", []):
        allowed |= roles_of(session, granted)
    if role not in session.engine.catalog.roles:
        raise not_found("Role", role)
    if role not in allowed | {"PUBLIC"}:
        raise SqlError(
            f"Requested role '{role}' is not assigned to the executing user. Specify another role to "
            "activate.",
            3013, "42501",
        )  # fmt: skip
    session.role = role


def use_warehouse(session: Session, name: str) -> None:
    """Make a warehouse current."""
    if name not in session.engine.catalog.warehouses:
        raise not_found("Warehouse", name)
    if not is_admin(session) and not privileges(session, "WAREHOUSE", name):
        raise not_found("Warehouse", name)
    session.warehouse = name
