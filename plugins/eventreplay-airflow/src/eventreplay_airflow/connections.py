"""From an Airflow connection to the settings of an end.

A connection's own fields and `extra` give the settings by the names that Airflow's providers use, and by the
settings' own names. A key that is neither, nor known to change nothing, is an error: what somebody wrote into
a connection is not passed over. No message shows a value.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, NoReturn

import attrs
from attrs import define, field

from eventreplay.config.fields import Kind, UnfitError, kinds_of
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret


@define
class Reading:
    """A connection while it is read: what is left of it, and the settings found so far.

    Attributes:
        conn_id: of the connection.
        conn_type: of the connection.
        left: what nobody has taken yet, by name; of `extra` and of the connection's own fields.
        values: by field of the settings.
        origins: where each value stands, in words.
    """

    conn_id: str
    conn_type: str
    left: dict[str, Any] = field(repr=False)
    values: dict[str, Any] = field(factory=dict, repr=False)
    origins: dict[str, str] = field(factory=dict)

    @classmethod
    def of(cls, connection: Any) -> Reading:
        """Begin to read `connection`.

        Raises:
            ConfigError: its `extra` is no JSON object, or gives something a second time.
        """
        own = {name: getattr(connection, name) for name in ("host", "port", "login", "password", "schema")}
        left = {f"the field {name}": value for name, value in own.items() if value not in (None, "")}
        conn_type = str(connection.conn_type or "")
        extra = _extra(connection)
        prefix = f"extra__{conn_type}__"  # how forms of older releases stored it
        for name, value in extra.items():
            plain = name.removeprefix(prefix)
            if value in (None, ""):
                continue
            if plain in left:
                raise _wrong(connection.conn_id, f"gives {plain} twice in extra", "Leave one of them away.")
            left[plain] = value
        return cls(connection.conn_id, conn_type, left)

    def take(self, *names: str, default: object = None) -> Any:
        """What stands under the first of `names`, and is not there any more."""
        for name in names:
            if name in self.left:
                return self.left.pop(name)
        return default

    def put(self, target: str, value: object, name: str) -> None:
        """Set one field of the settings to what stood under `name`."""
        if target in self.values:
            self.refuse(name, f"gives {target}, which {self.origins[target]} gives already")
        self.values[target], self.origins[target] = value, name

    def move(self, target: str, *names: str) -> None:
        """Set one field of the settings from whichever of `names` is there."""
        for name in names:
            if name in self.left:
                self.put(target, self.left.pop(name), name)

    def drop(self, *names: str) -> None:
        """Known, and without a meaning here."""
        for name in names:
            self.left.pop(name, None)

    def refuse(self, name: str, what: str, hint: str = "Correct the connection.") -> NoReturn:
        """Raise for `name`."""
        raise _wrong(self.conn_id, f"has {name}, which {what}", hint, key=name)

    def finish(self, cls: type) -> None:
        """Take what is left by the settings' own names.

        Raises:
            ConfigError: something is left that has no meaning, and may have been meant to have one.
        """
        known = kinds_of(cls)
        for name in list(self.left):
            if name in known:
                self.move(name, name)
        for name in self.left:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"Did you mean {close[0]}? " if close else ""
            self.refuse(
                name, "means nothing to eventreplay", f"{meant}Remove it, or see the provider's README."
            )

    def make(self, cls: type, options: Mapping[str, object], place: str | None) -> Any:
        """The settings, with options over what the connection gives and the place over both.

        Raises:
            ConfigError: a value is not of its field's type, one is missing, or the class refuses one.
        """
        kinds = kinds_of(cls)
        given = {name: _value(kinds[name], value, self._where(name)) for name, value in self.values.items()}
        for name, value in options.items():
            given[name] = option_value(kinds, name, value)
        target = getattr(cls, "PLACE", None)
        if place and target is not None:
            given[target] = _value(kinds[target], place, "the place behind its name")
        missing = [kind.name for kind in kinds.values() if kind.required and kind.name not in given]
        if missing:
            raise _wrong(self.conn_id, f"lacks {', '.join(missing)}", f"Give {missing[0]} in its extra.")
        try:
            return cls(**given)
        except ConfigError as error:
            fields = {**error.fields, "conn_id": self.conn_id}
            name = str(error.fields.get("setting", ""))
            where = self._where(name) if name in self.values else f"the connection {self.conn_id}"
            raise type(error)(f"{error.message} See {where}.", hint=error.hint, **fields) from None

    def _where(self, name: str) -> str:
        return f"{self.origins[name]} of the connection {self.conn_id}"


def option_value(kinds: Mapping[str, Kind], name: str, value: object) -> object:
    """What an option of an operator means for its field.

    Raises:
        ConfigError: there is no such option, it is a secret, or its value does not fit.
    """
    if name not in kinds:
        close = difflib.get_close_matches(name, kinds, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise ConfigError(
            f"There is no option {name!r}.",
            hint=f"{meant}There are: {', '.join(sorted(kinds))}.",
            option=name,
        )
    if kinds[name].secret:
        raise ConfigError(
            f"The option {name} is a secret, and everybody who sees the task can see its options.",
            hint="Put it into the connection.",
            option=name,
        )
    return _value(kinds[name], value, f"the option {name}")


def _value(kind: Kind, value: object, origin: str) -> object:
    try:
        if isinstance(value, Secret):
            return value
        return kind.from_text(value) if isinstance(value, str) else kind.from_toml(value)
    except UnfitError as error:
        raise ConfigError(
            f"{kind.name} takes {error.allowed}, and something else is given.",
            hint=f"See {origin}.",
            setting=kind.name,
        ) from None  # the text itself may be in a deeper error


def _extra(connection: Any) -> dict[str, Any]:
    # Not `extra_dejson`: what is no JSON is an empty object to that, and settings would be missing silently.
    text = connection.extra
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _wrong(connection.conn_id, "has an extra that is no JSON object", 'Write {"name": "value"}.')
    return found


def _wrong(conn_id: str, what: str, hint: str, **fields: object) -> ConfigError:
    return ConfigError(f"The connection {conn_id} {what}.", hint=hint, conn_id=conn_id, **fields)


def has_field(cls: type, name: str) -> bool:
    """Whether a settings class has a field of this name."""
    return any(each.name == name for each in attrs.fields(cls))
