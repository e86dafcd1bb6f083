"""Settings of an end (PostgreSQL, RabbitMQ, S3, Snowflake, anybody's plugin) from all their places.

An end names a settings class, and the class says the rest: its fields, their types, and in `ENVIRONMENT` the
variables that are usual for them. Weakest first: the class's defaults, those variables, the section of the
settings file, `EVENTREPLAY_<SECTION>_<FIELD>`, options of the command line, the place in `postgres:PLACE`.
A field that holds a `Secret` can also be given as `<field>_file`, the path of a file that holds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from eventreplay.config.fields import Kind, UnfitError, kinds_of
from eventreplay.config.file import FILE_NAME, SettingsFile, read_file
from eventreplay.config.sections import NOT_SETTINGS, refuse_unknown, variable, variable_prefix
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret

SECRET_FILE_BYTES_MAX = 64 * 1024
_FILE_SUFFIX = "_file"


@frozen
class _InFile:
    """A secret that is to be read from a file, if nothing stronger is given."""

    path: str


@frozen(kw_only=True)
class Gathered:
    """Everything that was given for one end, checked by type, before its class has looked at it.

    Attributes:
        section: name of the end.
        cls: its settings class.
        values: by field; a secret is a `Secret`.
        origins: where each value came from, in words; never a value.
    """

    section: str
    cls: type
    values: Mapping[str, object] = field(repr=False)
    origins: Mapping[str, str]

    def make(self) -> object:
        """The settings object.

        Raises:
            ConfigError: a required field is missing, or the class refuses a value; it says where that
                value came from, or where one can be given.
        """
        missing = [
            kind.name
            for kind in kinds_of(self.cls).values()
            if kind.required and kind.name not in self.values
        ]
        if missing:
            raise ConfigError(
                f"The settings of {self.section} lack {', '.join(missing)}.",
                hint=self._where(missing[0]),
                setting=missing[0],
                section=self.section,
            )
        try:
            return self.cls(**self.values)
        except ConfigError as error:
            raise self._with_origin(error) from error

    def _with_origin(self, error: ConfigError) -> ConfigError:
        name = error.fields.get("setting")
        if name in self.origins:
            origin = self.origins[str(name)]
            fields = {**error.fields, "origin": origin, "section": self.section}
            return type(error)(f"{error.message} It comes from {origin}.", hint=error.hint, **fields)
        hint = error.hint
        if name in kinds_of(self.cls):
            hint = f"{hint} {self._where(str(name))}".lstrip()
        return type(error)(error.message, hint=hint, **{**error.fields, "section": self.section})

    def _where(self, name: str) -> str:
        ours = variable(self.section, name)
        usual = _usual(self.cls).get(name)
        others = ours if usual is None else f"{ours}, {usual}"
        return f"Set {others} in the environment, or {name} under [{self.section}] in {FILE_NAME}."


def plugin_settings(
    name: str,
    cls: type,
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    options: Iterable[str] = (),
    place: str | None = None,
) -> object:
    """The settings of the end `name`, an instance of `cls`; see `gather` for the arguments.

    Raises:
        ConfigError: a name is unknown, a value is not of its field's type, or the class refuses it.
    """
    return gather(name, cls, file, environ, options, place).make()


def gather(
    name: str,
    cls: type,
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    options: Iterable[str] = (),
    place: str | None = None,
) -> Gathered:
    """What all places give for the end `name`, before `cls` is made of it.

    Args:
        name: of the end: its section in the file, and the middle of its variables.
        cls: its settings class, a frozen attrs class.
        file: a TOML file, which must be there; None: `eventreplay.toml` in the working directory, if any.
        environ: variables; None: those of this process.
        options: `NAME=VALUE` each; a secret is refused here, for others can see a command line.
        place: what `NAME:PLACE` says; goes into the field that `cls.PLACE` names.

    Raises:
        ConfigError: a name is unknown, a value is not of its field's type, a secret stands where others
            can read it, or the file of one cannot be read.
    """
    variables = os.environ if environ is None else environ
    kinds = kinds_of(cls)
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for layer in (
        _from_usual_variables(cls, kinds, variables),
        _from_section(name, kinds, read_file(file)),
        _from_our_variables(name, kinds, variables),
        _from_options(name, kinds, options),
        _from_place(name, cls, kinds, place),
    ):
        given: dict[str, str] = {}
        for target, value, origin in layer:
            if target in given:
                raise ConfigError(
                    f"{target} of {name} is given twice: {given[target]} and {origin}.",
                    hint="Leave one of them away; which one was meant cannot be guessed.",
                    setting=target,
                    section=name,
                )
            given[target], values[target] = origin, value
        origins.update(given)
    read = {target: _read_secret(value, origins[target]) for target, value in values.items()}
    return Gathered(section=name, cls=cls, values=read, origins=origins)


def has_settings(made_of: object) -> type | None:
    """The settings class of an end, if it names one: `Settings` on its class."""
    found = getattr(made_of, "Settings", None)
    return found if isinstance(found, type) else None


def is_configured(
    name: str,
    cls: type | None,
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> bool:
    """Whether anything at all is given for the end `name`: a section, a variable of ours, a usual one."""
    variables = os.environ if environ is None else environ
    found = read_file(file)
    if found is not None and isinstance(found.values.get(name), dict):
        return True
    usual = () if cls is None else _usual(cls).values()
    ours = (each for each in variables if each not in NOT_SETTINGS)
    return any(each.startswith(variable_prefix(name)) for each in ours) or any(
        variables.get(each) for each in usual
    )


_Given = Iterator[tuple[str, object, str]]


def _from_usual_variables(cls: type, kinds: Mapping[str, Kind], environ: Mapping[str, str]) -> _Given:
    for name, usual in _usual(cls).items():
        # Container platforms set variables to nothing where they mean "not set".
        if environ.get(usual):
            yield _text_value(kinds[name], environ[usual], f"{usual} in the environment")
        elif name + _FILE_SUFFIX in _names(kinds) - set(kinds) and environ.get(f"{usual}_FILE"):
            yield name, _InFile(environ[f"{usual}_FILE"]), f"{usual}_FILE in the environment"


def _usual(cls: type) -> Mapping[str, str]:
    found: Mapping[str, str] = getattr(cls, "ENVIRONMENT", {})
    return found


def _from_section(section: str, kinds: Mapping[str, Kind], file: SettingsFile | None) -> _Given:
    found = None if file is None else file.values.get(section)
    if file is None or not isinstance(found, dict):
        return
    where = f"[{section}] of {file.path}"
    refuse_unknown(found, _names(kinds), f"in {where}")
    for name, value in found.items():
        origin = f"{name} in {where}"
        target = _secret_of(name, kinds)
        if target is not None:
            yield target, _InFile(_toml_path(kinds[target], value, origin)), origin
            continue
        if kinds[name].secret and not file.private:
            raise ConfigError(
                f"{origin} is a secret, and others on this machine may read that file.",
                hint=f"Run: chmod 600 {file.path}. Or keep it in a file of its own, named by {name}_file.",
                setting=name,
                section=section,
                origin=origin,
            )
        yield name, _toml_value(kinds[name], value, origin), origin


def _from_our_variables(section: str, kinds: Mapping[str, Kind], environ: Mapping[str, str]) -> _Given:
    by_variable = {variable(section, name): name for name in _names(kinds)}
    prefix = variable_prefix(section)
    ours = sorted(name for name in environ if name.startswith(prefix) and name not in NOT_SETTINGS)
    refuse_unknown(ours, by_variable, "in the environment", kind="variable")
    for each in ours:
        name, origin = by_variable[each], f"{each} in the environment"
        target = _secret_of(name, kinds)
        if target is not None:
            yield target, _InFile(environ[each]), origin
        else:
            yield _text_value(kinds[name], environ[each], origin)


def _from_options(section: str, kinds: Mapping[str, Kind], options: Iterable[str]) -> _Given:
    for option in options:
        name, equals, text = option.partition("=")
        if not equals:
            raise ConfigError("An option is without '='.", hint="Write -o NAME=VALUE.", section=section)
        refuse_unknown([name], _names(kinds), f"among the options of {section}", kind="option")
        origin = f"the option {name}"
        target = _secret_of(name, kinds)
        if target is not None:
            yield target, _InFile(text), origin
            continue
        if kinds[name].secret:
            raise ConfigError(
                f"{name} is a secret, and everybody on this machine can see a command line.",
                hint=f"Set {variable(section, name)}, or give -o {name}_file=PATH.",
                setting=name,
                section=section,
                origin=origin,
            )
        yield _text_value(kinds[name], text, origin)


def _from_place(section: str, cls: type, kinds: Mapping[str, Kind], place: str | None) -> _Given:
    if place is None:
        return
    target: str | None = getattr(cls, "PLACE", None)
    if target is None:
        raise ConfigError(
            f"{section} takes no place.",
            hint=f"Give its settings by -o, variables or [{section}].",
            section=section,
        )
    yield _text_value(kinds[target], place, f"the place behind {section}:")


def _names(kinds: Mapping[str, Kind]) -> set[str]:
    """Every name that can be given: the fields, and `<field>_file` for secrets."""
    return set(kinds) | {name + _FILE_SUFFIX for name, kind in kinds.items() if kind.secret}


def _secret_of(name: str, kinds: Mapping[str, Kind]) -> str | None:
    """The field whose secret the file `name` holds; None if `name` is a field itself."""
    return None if name in kinds else name.removesuffix(_FILE_SUFFIX)


def _text_value(kind: Kind, text: str, origin: str) -> tuple[str, object, str]:
    try:
        return kind.name, kind.from_text(text), origin
    except UnfitError as error:
        raise _unfit(kind, error, origin) from None  # the text itself may be in a deeper error


def _toml_value(kind: Kind, value: object, origin: str) -> object:
    try:
        return kind.from_toml(value)
    except UnfitError as error:
        raise _unfit(kind, error, origin) from None


def _toml_path(kind: Kind, value: object, origin: str) -> str:
    if isinstance(value, str):
        return value
    raise _unfit(kind, UnfitError("the path of a file"), origin)


def _unfit(kind: Kind, error: UnfitError, origin: str) -> ConfigError:
    return ConfigError(
        f"{kind.name} takes {error.allowed}, and something else is given.",
        hint=f"See {origin}.",
        setting=kind.name,
        origin=origin,
        allowed=error.allowed,
    )


def _read_secret(value: object, origin: str) -> object:
    if not isinstance(value, _InFile):
        return value
    path = Path(value.path)
    try:
        with path.open("rb") as stream:
            content = stream.read(SECRET_FILE_BYTES_MAX + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigError(
            f"The file of a secret cannot be read: {error.strerror}.",
            hint=f"It is named by {origin}; give a path that this user can read.",
            origin=origin,
        ) from None  # the path may be the secret itself, put in the wrong setting
    except (UnicodeDecodeError, ValueError):
        raise ConfigError(
            "The file of a secret is not UTF-8 text, or its name is none.",
            hint=f"See {origin}.",
            origin=origin,
        ) from None
    # Editors and `echo` end a file with a line end, which is no part of the secret.
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(content) > SECRET_FILE_BYTES_MAX:
        what = "empty" if not text else f"larger than {SECRET_FILE_BYTES_MAX} bytes"
        raise ConfigError(f"The file of a secret is {what}.", hint=f"See {origin}.", origin=origin)
    return Secret(text)
