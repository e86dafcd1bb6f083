"""Settings of a run: from arguments, the environment, a file, and the defaults, in this order.

One name for each setting everywhere: `log_url` as an argument of `Settings` and in `eventreplay.toml`,
`EVENTREPLAY_LOG_URL` in the environment. A value that is wrong is an error although another one would have
won over it, and the message says where it stands. Nothing here opens or imports what the settings name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from attrs import frozen

from eventreplay.config.file import read_file
from eventreplay.config.sections import (
    ENVIRONMENT_PREFIX,
    NOT_SETTINGS,
    belongs_to_a_section,
    refuse_unknown,
    sections,
)
from eventreplay.errors import ConfigError

_MIB = 1024 * 1024
_SHOWN_CHARACTERS_MAX = 60
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@frozen
class _Rule:
    """What one setting may be: `allowed` completes the sentence "It must be ...".

    `from_text` gives the value that a variable's text means, or the text itself where it means none.
    """

    allowed: str
    fits: Callable[[object], bool]
    from_text: Callable[[str], object] = str


def _whole(least: int, most: int) -> _Rule:
    def fits(value: object) -> bool:
        # `true` in a file is a bool, and a bool is an int: it would pass as 1.
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    def from_text(text: str) -> object:
        # ASCII digits only: int() also takes `1_000`, blanks and digits of other scripts.
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text

    return _Rule(f"a whole number from {least} to {most}", fits, from_text)


def _name(pattern: str, allowed: str) -> _Rule:
    form = re.compile(pattern)
    return _Rule(
        f"{allowed}, starting with a letter or digit, without '..'",
        lambda value: isinstance(value, str) and form.fullmatch(value) is not None and ".." not in value,
    )


def _url(pattern: str, allowed: str) -> _Rule:
    form = re.compile(pattern)
    return _Rule(
        f"{allowed}, without a user name or password in it (a driver has settings of its own for those)",
        lambda value: (
            isinstance(value, str) and form.fullmatch(value) is not None and not _has_password(value)
        ),
    )


_RULES: Mapping[str, _Rule] = {
    "log_url": _url(r"[^\x00-\x1f\x7f]{1,1024}", "a folder or a URL such as s3://bucket/prefix"),
    "sink_url": _url(
        r"[a-z][a-z0-9+.-]*://[^\x00-\x1f\x7f]{1,1024}", "a URL such as duckdb:///warehouse.duckdb"
    ),
    "partition": _name(r"[a-z0-9][a-z0-9._-]{0,62}", "1 to 63 of a-z, 0-9, '.', '_', '-'"),
    "replay_id": _name(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "1 to 128 of letters, digits, '.', '_', '-'"),
    "segment_positions": _whole(1, 16_777_216),
    "segment_bytes_max": _whole(1024, 1024 * _MIB),
    "batch_rows_max": _whole(1, 1_048_576),
    "payload_bytes_max": _whole(1, 256 * _MIB),
    "decode_payload_bytes_max": _whole(1, 256 * _MIB),
    "decode_nesting_levels_max": _whole(1, 100),
    "decode_elements_max": _whole(1, 10_000_000),
    "decode_number_digits_max": _whole(38, 10_000),
    "workers": _whole(1, 256),
}


@frozen(kw_only=True)
class Settings:
    """What a run needs to know; every value is checked when the object is made.

    Attributes:
        log_url: the log: a folder (relative to the working directory), or `s3://bucket/prefix`.
        sink_url: where rows go: `<name of a sink>://...`, e.g. `duckdb:///warehouse.duckdb`.
        partition: the log partition to capture into.
        replay_id: the name under which a replay keeps its checkpoints.
        segment_positions: source positions per segment of the log; fixed for a partition once it is begun.
        segment_bytes_max: payload bytes after which a segment is closed early.
        batch_rows_max: rows read or decoded at a time; bounds memory, no influence on the result.
        payload_bytes_max: payloads above this are refused at capture, into the quarantine.
        decode_payload_bytes_max: payloads above this are not decoded, but quarantined at replay.
        decode_nesting_levels_max: messages or values inside one another, per payload.
        decode_elements_max: fields and list elements, per payload.
        decode_number_digits_max: digits of one number.
        workers: how much is done side by side; no influence on the result.

    Raises:
        ConfigError: a value is not allowed; fields `setting`, `origin`, `allowed`.
    """

    log_url: str = "log"
    sink_url: str = "duckdb:///warehouse.duckdb"
    partition: str = "journal"
    replay_id: str = "live"
    segment_positions: int = 65_536
    segment_bytes_max: int = 64 * _MIB
    batch_rows_max: int = 65_536
    payload_bytes_max: int = 16 * _MIB
    decode_payload_bytes_max: int = 16 * _MIB
    decode_nesting_levels_max: int = 64
    decode_elements_max: int = 100_000
    decode_number_digits_max: int = 256
    workers: int = 1

    def __attrs_post_init__(self) -> None:
        for name in _RULES:
            _check(name, getattr(self, name), f"The argument {name}")


def load_settings(
    file: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> Settings:
    """Settings from all their places: `arguments` win over `environ`, that over `file`, that over defaults.

    Where none of them names a log, S3_BUCKET and S3_PREFIX in `environ` do: `s3://<bucket>/<prefix>`.

    Args:
        file: a TOML file, which must be there; None: `eventreplay.toml` in the working directory, if any.
        environ: variables; None: those of this process.
        arguments: by the name of the setting; None as a value means "not given".

    Raises:
        ConfigError: a value is not allowed, a name is unknown, or the file cannot be read.
    """
    values: dict[str, object] = {}
    variables = os.environ if environ is None else environ
    for where, name, value in [
        *_from_bucket(variables),
        *_from_file(file),
        *_from_environment(variables),
        *_from_arguments({} if arguments is None else arguments),
    ]:
        _check(name, value, where)
        values[name] = value
    if "log_url" not in values and variables.get("S3_PREFIX"):
        raise ConfigError(
            "S3_PREFIX is set in the environment, and S3_BUCKET is not.",
            hint="Set both, or log_url; else the log would be a folder on this machine.",
            setting="log_url",
            origin="S3_PREFIX in the environment",
        )
    return Settings(**values)  # type: ignore[arg-type] # each was checked against its own rule


def _from_bucket(environ: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    """The log by the variables that deployments have for a bucket and a prefix in it; the weakest place."""
    bucket, prefix = environ.get("S3_BUCKET", ""), environ.get("S3_PREFIX", "").strip("/")
    if not bucket:
        return  # container platforms set variables to nothing where they mean "not set"
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(
            f"S3_BUCKET in the environment is {_shown(bucket)}.",
            hint="It must be the name of a bucket: 3 to 63 of a-z, 0-9, '.', '-', without s3:// and slashes.",
            setting="log_url",
            origin="S3_BUCKET in the environment",
        )
    where = "S3_BUCKET with S3_PREFIX in the environment" if prefix else "S3_BUCKET in the environment"
    yield where, "log_url", f"s3://{bucket}/{prefix}".rstrip("/")


def _from_file(file: str | os.PathLike[str] | None) -> Iterator[tuple[str, str, object]]:
    found = read_file(file)
    if found is None:
        return
    # A core setting given as a section is a wrong value, not a section: `[workers]` has no right sense.
    tables = {name for name, value in found.values.items() if isinstance(value, dict)} - _RULES.keys()
    if tables:
        refuse_unknown(tables, sections(), f"in {found.path}", kind="section")
    refuse_unknown(found.values.keys() - tables, _RULES, f"in {found.path}")
    for name in found.values.keys() - tables:
        yield f"{name} in {found.path}", name, found.values[name]


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    ours = {name for name in environ if name.startswith(ENVIRONMENT_PREFIX)}
    variables = {ENVIRONMENT_PREFIX + name.upper(): name for name in _RULES}
    unknown = ours - variables.keys() - NOT_SETTINGS
    if unknown:
        known = sections()
        others = {name for name in unknown if not belongs_to_a_section(name, known)}
        refuse_unknown(others, variables, "in the environment")
    for variable in sorted(ours & variables.keys()):
        name = variables[variable]
        yield f"{variable} in the environment", name, _RULES[name].from_text(environ[variable])


def _from_arguments(arguments: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
    refuse_unknown(arguments, _RULES, "among the arguments")
    for name, value in arguments.items():
        if value is not None:
            yield f"The argument {name}", name, value


def _check(name: str, value: object, where: str) -> None:
    rule = _RULES[name]
    if rule.fits(value):
        return
    raise ConfigError(
        f"{where} is {_shown(value)}.",
        hint=f"It must be {rule.allowed}.",
        setting=name,
        origin=where,
        allowed=rule.allowed,
    )


def _shown(value: object) -> str:
    """`value` for a message: clipped, and not at all where it may hold a password."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)[:_SHOWN_CHARACTERS_MAX]
    if not isinstance(value, str):
        return f"a {type(value).__name__}"
    if "@" in value or "://" in value or len(value) > _SHOWN_CHARACTERS_MAX:
        return f"a text of {len(value)} characters (not shown: it may hold a secret)"
    return repr(value)


def _has_password(url: str) -> bool:
    if "://" not in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    words = {word.partition("=")[0].lower() for word in parts.query.split("&")}
    return "@" in parts.netloc or bool(
        words & {"password", "passwd", "pwd", "token", "secret", "private_key"}
    )
