"""Which files a path means, in the order in which their records get positions."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from attrs import frozen

from eventreplay.errors import ConfigError, SourceError, SourceUnavailableError

_WILDCARDS = "*?["
_FORMATS = {".jsonl": "lines", ".ndjson": "lines", ".json": "array", ".parquet": "parquet"}


@frozen(kw_only=True)
class SourceFile:
    """One file: its name relative to what was given, where it is, and what is in it.

    `kind` is `lines`, `array` or `parquet`.
    """

    name: str
    path: Path
    kind: str
    is_gzip: bool


def list_files(path: str | Path) -> list[SourceFile]:
    """Files of a path, a folder (with its folders) or a glob, sorted by relative name.

    In a folder, names that begin with `.` or `_` are no data, as elsewhere in the field (`_SUCCESS`);
    any other name must be of a known kind, so that nothing is left out silently.

    Raises:
        ConfigError: the path cannot mean events: nothing there, an unknown kind, `..` in a glob.
        SourceError: a link leads out of the folder, or twice to one file.
    """
    given = Path(path)
    if given.is_file():
        return [_file(PurePosixPath(given.name), given)]
    if given.is_dir():
        return _checked(given, sorted(_walk(given)))
    base, pattern = _split(given)
    if not pattern:
        raise ConfigError(f"There is no file or folder {given.name!r}.", hint="Check the source's path.")
    if not base.is_dir():
        raise ConfigError(
            f"There is no folder {base.name!r} to look for files in.", hint="Check the source's path."
        )
    if ".." in PurePosixPath(pattern).parts:
        raise ConfigError("A glob must not contain '..'.", hint="Begin the path where the files are.")
    return _checked(base, sorted(found for found in base.glob(pattern) if not found.is_dir()))


def _split(given: Path) -> tuple[Path, str]:
    """The folder before the first wildcard, and the pattern from there on."""
    for at, part in enumerate(given.parts):
        if any(mark in part for mark in _WILDCARDS):
            return Path(*given.parts[:at]), "/".join(given.parts[at:])
    return given, ""


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            if entry.is_symlink():
                raise SourceError(
                    f"{entry.name!r} is a link to a folder.",
                    hint="Links to folders are not followed: name it itself.",
                )
            yield from _walk(entry)
        else:
            yield entry


def _checked(base: Path, found: list[Path]) -> list[SourceFile]:
    root = base.resolve()
    names = sorted(PurePosixPath(path.relative_to(base).as_posix()) for path in found)
    files = [_file(name, base / name) for name in sorted(names, key=str)]
    seen: dict[Path, str] = {}
    for file in files:
        target = file.path.resolve()
        if not target.is_relative_to(root):
            raise SourceError(
                f"{file.name!r} leads out of its folder.", hint="Only files within it are read."
            )
        if target in seen:
            raise SourceError(
                f"{file.name!r} and {seen[target]!r} are the same file.", hint="Its events would count twice."
            )
        seen[target] = file.name
    return files


def _file(name: PurePosixPath, path: Path) -> SourceFile:
    plain = name.name.removesuffix(".gz")
    kind = _FORMATS.get(PurePosixPath(plain).suffix)
    is_gzip = plain != name.name
    if kind is None or (is_gzip and kind == "parquet"):
        raise ConfigError(
            f"{str(name)!r} is no kind of file that events are read from.",
            hint="Known are .jsonl, .ndjson, .json, also with .gz, and .parquet; a glob leaves others out.",
        )
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SourceUnavailableError(
            f"{str(name)!r} cannot be read.", hint="Check rights and links."
        ) from error
    if not stat.S_ISREG(mode):
        raise SourceError(
            f"{str(name)!r} is no regular file.", hint="Pipes and devices cannot be read again."
        )
    return SourceFile(name=str(name), path=path, kind=kind, is_gzip=is_gzip)
