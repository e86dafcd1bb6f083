"""PUT, GET, LIST, REMOVE, and the definitions of stages and file formats."""

import re
import shutil
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from fakesnow import statement_type

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.copy_options import parse_options
from eventreplay.testing.standin.failures import SqlError, exists_already, not_found
from eventreplay.testing.standin.parameters import DONE, plain
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session
from eventreplay.testing.standin.stages import Stage

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+)){0,2}'
_TRANSFER = re.compile(
    r"(?P<verb>PUT|GET)\s+(?P<first>'[^']+'|\S+)\s+(?P<second>'[^']+'|\S+)\s*(?P<options>.*)",
    re.IGNORECASE | re.DOTALL,
)
_DEFINE = re.compile(
    rf"(?P<verb>CREATE|ALTER|DROP|DESCRIBE|DESC)\s+(?P<replace>OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?"
    rf"(?P<kind>STAGE|FILE\s+FORMAT)\s+(?P<exists>IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<name>{_NAME})\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)


def transfer(session: Session, sql: str, params: Any) -> Result:
    """PUT and GET: tells the connector which folder to copy to or from (it runs on this machine)."""
    del params
    found = _TRANSFER.fullmatch(sql)
    if found is None:
        raise SqlError("SQL compilation error:\nsyntax error in PUT or GET", 1003, "42000")
    verb = found["verb"].upper()
    local, reference = (
        (found["first"], found["second"]) if verb == "PUT" else (found["second"], found["first"])
    )
    stage = Stage(session, reference)
    if stage.url:
        raise SqlError(f"SQL compilation error:\n{verb} is not supported for external stages", 2, "0A000")
    if not stage.label.startswith(("~", "%")):
        rights.need(session, "WRITE" if verb == "PUT" else "READ", "STAGE", stage.key.replace("/", "."))
    options = parse_options(found["options"])
    url = urlparse(local.strip("'"))
    path = url2pathname(url.netloc + url.path)
    common: dict[str, Any] = {
        "parallel": int(str(options.get("PARALLEL", 4))),
        "autoCompress": str(options.get("AUTO_COMPRESS", "TRUE")).upper() == "TRUE",
        "overwrite": str(options.get("OVERWRITE", "FALSE")).upper() == "TRUE",
        "sourceCompression": str(options.get("SOURCE_COMPRESSION", "auto_detect")).lower(),
        "command": sql,
    }
    place = {"locationType": "LOCAL_FS", "path": "", "creds": {}}
    if verb == "PUT":
        folder = stage.folder / stage.path
        folder.mkdir(parents=True, exist_ok=True)
        place["location"] = str(folder)
        upload = {**common, "command": "UPLOAD", "src_locations": [path], "stageInfo": place}
    else:
        place["location"] = str(stage.folder)
        names = [file.name for file in stage.files()]
        upload = {
            **common, "command": "DOWNLOAD", "src_locations": names, "localLocation": path,
            "stageInfo": place,
            "encryptionMaterial": [None] * len(names), "presignedUrls": [],
        }  # fmt: skip
    result = Result.status(DONE, statement_type.UNKNOWN)
    result.upload = upload
    return result


def listing(session: Session, sql: str, params: Any) -> Result:
    """LIST and REMOVE, with PATTERN."""
    del params
    found = re.fullmatch(
        r"(LIST|LS|REMOVE|RM)\s+('[^']+'|\S+)\s*(?:PATTERN\s*=\s*'([^']*)')?\s*",
        sql,
        re.IGNORECASE | re.DOTALL,
    )
    if found is None:
        raise SqlError("SQL compilation error:\nsyntax error in LIST or REMOVE", 1003, "42000")
    stage = Stage(session, found[2])
    removing = found[1].upper() in ("REMOVE", "RM")
    if not stage.label.startswith(("~", "%")):
        needed = ("WRITE" if removing else "READ") if not stage.url else "USAGE"
        rights.need(session, needed, "STAGE", stage.key.replace("/", "."))
    files = [
        file
        for file in stage.files()
        if found[3] is None or re.fullmatch(found[3], stage.shown(file.name)) is not None
    ]
    if not removing:
        shown = {file.name for file in files}
        rows = [row for file, row in zip(stage.files(), stage.listing(), strict=True) if file.name in shown]
        return Result.rows(rows, ["name", "size", "md5", "last_modified"], statement_type.UNKNOWN)
    for file in files:
        stage.remove(file.name)
    rows = [{"name": stage.shown(file.name), "result": "removed"} for file in files]
    return Result.rows(rows, ["name", "result"], statement_type.UNKNOWN)


def full_name(session: Session, name: str) -> str:
    """DATABASE.SCHEMA.NAME, with the session's place where it is not given."""
    parts = [plain(part) for part in re.findall(r'"(?:[^"]|"")+"|[\w$]+', name)]
    place = [session.database, session.schema]
    whole = [*place[: 3 - len(parts)], *parts] if len(parts) < 3 else parts  # noqa: PLR2004 - database.schema.name
    if None in whole:
        raise SqlError("This session does not have a current schema. Call 'USE SCHEMA'.", 90106, "22000")
    return ".".join(str(part) for part in whole)


def define(session: Session, sql: str, params: Any) -> Result:
    """CREATE, ALTER, DROP of a stage or a file format."""
    del params
    found = _DEFINE.fullmatch(sql)
    if found is None:
        raise SqlError(
            "SQL compilation error:\nsyntax error in the definition of a stage or format", 1003, "42000"
        )
    kind = re.sub(r"\s+", " ", found["kind"].upper())
    name = full_name(session, found["name"])
    session.commit()  # a definition commits what is open
    catalog = session.engine.catalog
    held = catalog.stages if kind == "STAGE" else catalog.formats
    verb = found["verb"].upper()
    if verb == "CREATE":
        return _create(session, kind, name, found)
    if name not in held:
        if found["exists"]:
            return Result.status(DONE)
        raise not_found(kind, name)
    rights.need(session, "OWNERSHIP", kind, name)
    if verb in ("DESCRIBE", "DESC"):
        shown = {key: value for key, value in held[name].items() if key not in ("secret", "token")}
        rows = [{"property": key, "property_value": value} for key, value in shown.items()]
        return Result.rows(rows, ["property", "property_value"], statement_type.DESCRIBE)
    with catalog.changed():
        if verb == "ALTER":
            rest = re.sub(r"^\s*SET\s+", "", found["rest"], flags=re.IGNORECASE)
            held[name] = {**held[name], **_settings(session, kind, rest)}
            return Result.status(DONE)
        del held[name]
    _empty(session, name)
    return Result.status(f"{name.rsplit('.', 1)[-1]} successfully dropped.")


def _create(session: Session, kind: str, name: str, found: re.Match[str]) -> Result:
    catalog = session.engine.catalog
    held = catalog.stages if kind == "STAGE" else catalog.formats
    if name in held and not found["replace"]:
        if found["exists"]:
            return Result.status(f"{name} already exists, statement succeeded.")
        raise exists_already(name)
    database, schema, _ = rights.parts_of(name)
    if not session.engine.has_schema(database, schema):
        raise not_found("Schema", f"{database}.{schema}")
    rights.need_create(session, kind, database, schema)
    with catalog.changed():
        held[name] = _settings(session, kind, found["rest"])
    if kind == "STAGE":
        _empty(session, name)
    rights.owns(session, kind, name)
    label = "Stage area" if kind == "STAGE" else "File format"
    return Result.status(f"{label} {name.rsplit('.', 1)[-1]} successfully created.")


def _empty(session: Session, name: str) -> None:
    """The files of an internal stage go with it; a new one has none."""
    shutil.rmtree(session.engine.stage_root / name.replace(".", "/"), ignore_errors=True)


def _settings(session: Session, kind: str, text: str) -> dict[str, Any]:
    return _stage(session, text) if kind == "STAGE" else _format(text)


def _stage(session: Session, text: str) -> dict[str, Any]:
    options = parse_options(text)
    stage: dict[str, Any] = {}
    if "URL" in options:
        stage["url"] = str(options["URL"])
    credentials = options.get("CREDENTIALS")
    if isinstance(credentials, dict):
        stage |= {
            "key_id": credentials.get("AWS_KEY_ID"),
            "secret": credentials.get("AWS_SECRET_KEY"),
            "token": credentials.get("AWS_TOKEN"),
        }
    if "STORAGE_INTEGRATION" in options:
        name = str(options["STORAGE_INTEGRATION"]).upper()
        if name not in session.engine.catalog.integrations:
            raise not_found("Integration", name)
        stage["integration"] = name
    if "ENDPOINT" in options:
        stage["endpoint"] = str(options["ENDPOINT"])
    if "FILE_FORMAT" in options:
        held = options["FILE_FORMAT"]
        stage["format"] = held if isinstance(held, dict) else {"FORMAT_NAME": str(held)}
    return stage


def _format(text: str) -> dict[str, Any]:
    return {name: str(value) for name, value in parse_options(text).items()}


def show(session: Session, sql: str, params: Any) -> Result:
    """SHOW STAGES, SHOW FILE FORMATS."""
    del params
    held = session.engine.catalog.stages if "STAGE" in sql.upper() else session.engine.catalog.formats
    rows = []
    for name, settings in sorted(held.items()):
        database, schema, own = rights.parts_of(name)
        rows.append(
            {
                "name": own, "database_name": database, "schema_name": schema, "url": settings.get("url", ""),
                "type": settings.get("TYPE") or ("EXTERNAL" if settings.get("url") else "INTERNAL"),
            }
        )  # fmt: skip
    return Result.rows(rows, ["name", "database_name", "schema_name", "url", "type"], statement_type.SHOW)
