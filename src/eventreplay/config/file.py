"""The settings file: TOML, bounded, and whether others on this machine may read it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from attrs import frozen

from eventreplay.errors import ConfigError

FILE_NAME = "eventreplay.toml"
FILE_BYTES_MAX = 1024 * 1024

_OPEN_TO_OTHERS = 0o077
"""Rights of group and world; with any of them a file is no place for a secret."""


@frozen
class SettingsFile:
    """What a settings file holds.

    Attributes:
        path: where it was read.
        values: its settings and, as dictionaries, its sections.
        private: whether only its owner has rights on it.
    """

    path: Path
    values: dict[str, object]
    private: bool


def read_file(file: str | os.PathLike[str] | None) -> SettingsFile | None:
    """The settings file; None stands for `eventreplay.toml` in the working directory, if there is one.

    Raises:
        ConfigError: a file that was named is not there, or what is there is no TOML file.
    """
    path = Path(FILE_NAME if file is None else file)
    if file is None and not path.exists():
        return None
    try:
        with path.open("rb") as stream:
            # Of the open file, not of its name: between the two looks it could become another one.
            private = not os.fstat(stream.fileno()).st_mode & _OPEN_TO_OTHERS
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"The settings file {path} cannot be read: {error.strerror}.",
            hint=f"Name a TOML file, or none: {FILE_NAME} here is read if it is there.",
            path=str(path),
        ) from error
    return SettingsFile(path, _parsed(path, content), private)


def _parsed(path: Path, content: bytes) -> dict[str, object]:
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(
            f"{path} is larger than {FILE_BYTES_MAX} bytes.", hint="Is it a settings file?", path=str(path)
        )
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        # The error's own text quotes bytes of the file; it is not chained to be shown.
        raise ConfigError(
            f"{path} is not UTF-8 (byte {error.start}).", hint="Save it as UTF-8.", path=str(path)
        ) from None
    except (ValueError, RecursionError) as error:
        # Besides its own error, tomllib lets those of endless digits and of endless nesting through.
        # Its text names a line and, at most, one character: a key twice is quoted, a value never is.
        raise ConfigError(
            f"{path} is not TOML: {error}.",
            hint='A setting is a line such as: log_url = "log".',
            path=str(path),
        ) from error
