"""What an environment is called and how large it is: the values that stand in the migrations as `&{name}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, fields, frozen

from eventreplay.errors import ConfigError
from eventreplay.sinks.snowflake.names import identifier, plain_identifier
from eventreplay.sinks.snowflake.settings import SnowflakeSettings

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_STORAGE_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(?:(?!\.{1,2}/)[A-Za-z0-9._=-]+/)*")
_SIZES = ("XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE")
_CREDIT_QUOTA_MAX = 1_000_000
_AUTO_SUSPEND_S_MAX = 3_600
_PLAIN = ("stage", "external_stage")


@frozen(kw_only=True)
class Deployment:
    """Names and sizes of one environment (development, staging, production): one database each.

    Every name that is not given begins with the database's, so that environments in one account share
    nothing: neither roles, nor warehouse, nor budget.

    Attributes:
        database: exact name, as are all names here.
        raw_schema: where replay loads.
        stage: internal stage in it.
        warehouse: default `<database>_WH`.
        monitor: resource monitor of the warehouse; default `<database>_MONITOR`.
        owner: role that owns the schemas; default `<database>_OWNER`.
        loader: role of replay; default `<database>_LOADER`.
        transformer: role of dbt; default `<database>_TRANSFORMER`.
        reader: role of dashboards; default `<database>_READER`.
        warehouse_size: as Snowflake writes it, e.g. `XSMALL`.
        auto_suspend_s: idle seconds after which the warehouse sleeps, 30 to 3600.
        credit_quota: credits a month; the warehouse is suspended when they are used up.
        storage_integration: default `<database>_S3`; with the external stage only, like what follows.
        external_stage: the stage that points to `storage_url`.
        storage_url: `s3://bucket/prefix/`.
        storage_role_arn: IAM role that Snowflake takes on to read it.
        log_integration: default `<database>_LOG`; with Snowpipe only, like what follows.
        log_url: the log, `s3://bucket/prefix/`.
    """

    database: str
    raw_schema: str = "RAW"
    stage: str = "EVENTREPLAY_STAGE"
    warehouse: str = ""
    monitor: str = ""
    owner: str = ""
    loader: str = ""
    transformer: str = ""
    reader: str = ""
    warehouse_size: str = "XSMALL"
    auto_suspend_s: int = 60
    credit_quota: int = 10
    storage_integration: str = ""
    external_stage: str = "EVENTREPLAY_S3_STAGE"
    storage_url: str = ""
    storage_role_arn: str = ""
    log_integration: str = ""
    log_url: str = ""

    def __attrs_post_init__(self) -> None:
        derived = {"warehouse": "WH", "monitor": "MONITOR", "storage_integration": "S3"}
        derived["log_integration"] = "LOG"
        derived |= {role: role.upper() for role in ("owner", "loader", "transformer", "reader")}
        for name, ending in derived.items():
            if not getattr(self, name):
                # A frozen object is still being made here.
                object.__setattr__(self, name, f"{self.database}_{ending}")
        _within("auto_suspend_s", self.auto_suspend_s, 30, _AUTO_SUSPEND_S_MAX)
        _within("credit_quota", self.credit_quota, 1, _CREDIT_QUOTA_MAX)
        if self.warehouse_size not in _SIZES:
            raise _refused("warehouse_size", f"one of {', '.join(_SIZES)}")
        for name in ("storage_url", "log_url"):
            if getattr(self, name) and _STORAGE_URL.fullmatch(getattr(self, name)) is None:
                raise _refused(name, "an address such as s3://bucket/prefix/, ending in a slash")
        if self.storage_role_arn and _ROLE_ARN.fullmatch(self.storage_role_arn) is None:
            raise _refused("storage_role_arn", "the ARN of an IAM role: arn:aws:iam::<account>:role/<name>")

    @classmethod
    def of(cls, settings: SnowflakeSettings, given: Iterable[str] = ()) -> Deployment:
        """By the settings, and by `NAME=VALUE` texts for the rest.

        Raises:
            ConfigError: a name is unknown or given twice, or a value is not allowed.
        """
        database, raw_schema = settings.schema_names
        external = settings.stage != "internal"
        base = cls(database=database, raw_schema=raw_schema)
        if external:
            url = "s3://{}/{}".format(*settings.bucket_and_prefix)
            base = evolve(base, external_stage=settings.stage_identifier, storage_url=url)
        else:
            base = evolve(base, stage=settings.stage_identifier)
        return base.with_values(given)

    def with_values(self, given: Iterable[str]) -> Deployment:
        """The same with `NAME=VALUE` texts, e.g. `credit_quota=100`, as a person writes them.

        Raises:
            ConfigError: a name is unknown or given twice, or a value is not allowed.
        """
        known = {field.name: field.type for field in fields(Deployment)}
        changes: dict[str, Any] = {}
        for text in given:
            name, _, value = text.partition("=")
            if name not in known or name in changes or name == "database":
                raise ConfigError(
                    f"{name[:60]!r} is no value of a deployment, or is given twice.",
                    hint=f"There are: {', '.join(sorted(known.keys() - {'database'}))}.",
                    setting=name[:60],
                )
            changes[name] = _value(name, value)
        return evolve(self, **changes)

    def require(self, names: Iterable[str]) -> None:
        """Raise unless the values are given that a migration stands on.

        Raises:
            ConfigError: names the first that is empty.
        """
        for name in names:
            if getattr(self, name) == "":
                raise ConfigError(
                    f"{name} is needed and not given.", hint=f"Give --set {name}=....", setting=name
                )

    def texts(self) -> Mapping[str, str]:
        """Each value as it stands between the quotes of the migrations."""
        # Names stand in double quotes; all other values were checked to have no quote in them.
        return {field.name: str(getattr(self, field.name)).replace('"', '""') for field in fields(Deployment)}


def _value(name: str, text: str) -> object:
    if name in ("auto_suspend_s", "credit_quota"):
        if re.fullmatch(r"[0-9]{1,7}", text) is None:
            raise _refused(name, "a whole number")
        return int(text)
    if name == "warehouse_size":
        return text.upper()
    if name in ("storage_url", "log_url", "storage_role_arn"):
        return text
    return (plain_identifier if name in _PLAIN else identifier)(text, setting=name)


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _refused(name, f"from {least} to {most}")


def _refused(name: str, allowed: str) -> ConfigError:
    return ConfigError(f"{name} is not what it may be.", hint=f"It must be {allowed}.", setting=name)
