"""What an operator may set: ``CONN_ETL_*`` in the environment, read by the command, the DAGs and ``local`` only.

Durations take ``90s``, ``5m``, ``3h``, ``30d`` or ISO 8601; sizes take ``100GB`` or ``5GiB``. A ``CONN_ETL_…`` that is
not a setting is an error: retention whose name is misspelt would never happen. ``docs/settings.md`` is made from here.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from etl.models import MIB, ReadOptions

Hour = Annotated[int, Field(ge=0, le=23)]
AliasSet = Literal["ecs", "ossem"]
StreamName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Severity = Literal["critical", "warning", "info"]
Alert = Literal["file", "rule", "gap", "lag", "quarantine", "disk"]
PREFIX = "CONN_ETL_"
NOT_SETTINGS = frozenset(
    {"CONN_ETL_IMAGE", "CONN_ETL_TEST_SERVER", "CONN_ETL_TEST_CITUS_URL", "CONN_ETL_SCREENSHOTS"}
)
"""Names in the environment that Compose and the tests read."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _duration(value: object) -> object:
    """``3h``, ``1d12h`` and plain seconds as well as the ISO 8601 that pydantic reads itself."""
    if isinstance(value, str) and value.isdecimal():
        return timedelta(seconds=int(value))
    parts = re.findall(r"(\d+)([smhdw])", value) if isinstance(value, str) else []
    if not parts or "".join(map("".join, parts)) != value:
        return value
    return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta(0))


Duration = Annotated[timedelta, BeforeValidator(_duration)]
PATTERN_PARTS = ("{sensor}", "{date}")
FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
"""The first day that zeek.conn can have (etl.ensure_partition)."""
ZEEK_BEGINS = datetime(1990, 1, 1, tzinfo=UTC)
"""An earlier time is a clock that was not set, unless the settings say that it may be one."""


def _checked(pattern: str) -> str:
    """A misspelt part would match a folder of that name, and no log would have a sensor."""
    parts = re.findall(r"\{[^}]*\}?|\}", pattern)
    for part in parts:
        if part not in PATTERN_PARTS:
            raise ValueError(f"{part} is not one of {', '.join(PATTERN_PARTS)}")
    if parts.count("{sensor}") > 1:
        raise ValueError("{sensor} is in it twice")
    return pattern


class SensorSettings(BaseModel):
    """Settings of one sensor; what is left out is as for all sensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = Field(
        None, description="folder pattern of this sensor, where its folders do not name it"
    )
    zone: str | None = Field(None, description="time zone of this sensor's file names")
    interval: Duration | None = Field(
        None, gt=timedelta(0), description="rotation interval; if unset, taken from its last 48 windows"
    )
    quiet_hours: tuple[Hour, ...] | None = Field(
        None, description="hours (UTC) when a missing file is expected and not reported"
    )

    @field_validator("path")
    @classmethod
    def _known_parts(cls, path: str | None) -> str | None:
        return path and _checked(path)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        return zone and known_zone(zone)


def known_zone(name: str) -> str:
    """Return the name of a time zone; raises ValueError for one that there is not."""
    try:
        return ZoneInfo(name).key
    except (OSError, KeyError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name} is not a time zone") from error


class Settings(BaseSettings):
    """What an operator may decide. Every field is an environment variable, ``CONN_ETL_`` before its name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: SecretStr | None = Field(None, description="PostgreSQL URI; if unset, the embedded server")
    reader_url: SecretStr | None = Field(
        None, description="PostgreSQL URI of a login that can only read, for `conn-etl query`"
    )
    log_dir: str | None = Field(None, description="folder or URL that the DAGs scan for rotated logs")
    allowed_paths: tuple[str, ...] = Field(
        ("/", "s3://"), description="folders and beginnings of URLs that the DAGs' param path may name"
    )
    home: Path | None = Field(None, description="folder for the embedded server and temporary files")

    path_patterns: tuple[str, ...] = Field(
        ("{date}/…",),
        description="folder patterns above a log, such as {sensor}/{date}; the first match counts",
    )
    zone: str = Field("UTC", description="time zone of file names, unless a sensor has its own")
    sensors: dict[str, SensorSettings] = Field(
        default_factory=dict,
        description='settings of single sensors, such as {"dmz": {"zone": "Europe/Berlin"}}',
    )

    batch_bytes: ByteSize = Field(ByteSize(256 * MIB), gt=0, description="largest batch, in compressed bytes")
    batch_files: int = Field(5_000, gt=0, description="most files in a batch")
    max_batches: int = Field(1_000, gt=0, le=1_024, description="most batches in one DAG run")

    block_rows: int = Field(
        25_000,
        gt=0,
        description="rows read at a time, ten times as many at a file's start; memory use follows this number",
    )
    block_bytes: ByteSize = Field(ByteSize(8 * MIB), gt=0, description="decompressed bytes read at a time")
    max_line_bytes: ByteSize = Field(
        ByteSize(256 * MIB), gt=0, description="a file with a longer line is refused"
    )
    max_file_bytes: ByteSize = Field(
        ByteSize(1 << 40),
        gt=0,
        description="a file that decompresses to more is refused as a decompression bomb",
    )
    aliases: dict[str, str] = Field(
        default_factory=dict,
        description='other names for Zeek fields, such as {"src_ip": "id.orig_h"} or {"source.ip": "id.orig_h"}',
    )
    alias_sets: tuple[AliasSet, ...] = Field(
        (), description="sets of further names: ecs (Elastic Common Schema), ossem (the names of zeek.conn)"
    )
    keep_wrapper: bool = Field(
        default=False,
        description="keep what a shipper wrote around a JSON row, as the member wrapper of extra",
    )
    conn_streams: tuple[StreamName, ...] = Field(
        (), description="further Zeek streams whose rows are loaded as connections, such as conn_red"
    )

    error_budget_rows: int = Field(100, ge=0, description="number of bad rows that any file may have")
    error_budget_share: float = Field(
        0.05, ge=0, le=1, description="share of bad rows that a larger file may have"
    )
    earliest: datetime = Field(
        ZEEK_BEGINS,
        description="rows before this time go to quarantine as time_out_of_range; not before 1970",
    )
    latest_after_first_seen: Duration = Field(
        timedelta(days=1),
        ge=timedelta(0),
        le=timedelta(days=365),
        description="rows later than this after their file was first seen go to quarantine",
    )
    max_new_days: int = Field(400, gt=0, description="most new days in one file; a file with more is refused")
    rule_severity: dict[str, Severity] = Field(
        default_factory=dict,
        description="severity of single rules, instead of the suite's; critical sends rows to quarantine",
    )

    max_lag: Duration = Field(
        timedelta(hours=3), description="a sensor whose next log is later than this is reported"
    )
    quiet_hours: tuple[Hour, ...] = Field(
        (), description="hours (UTC) when a missing file is expected and not reported"
    )
    alert_on: tuple[Alert, ...] = Field(
        ("file", "rule", "gap", "lag", "quarantine", "disk"),
        description="kinds of problems that send an alert",
    )
    alert_rows: int = Field(10, gt=0, description="a rule with fewer failed rows than this is a warning")
    alert_share: float = Field(
        0.001, ge=0, le=1, description="a rule that a smaller share of the rows failed is a warning"
    )
    max_quarantine_growth: int = Field(
        10_000, gt=0, description="more newly quarantined lines in a day than this are reported"
    )
    low_disk: ByteSize = Field(
        ByteSize(5 << 30), ge=0, description="less free space on the server's disk than this is reported"
    )
    report_days: int = Field(7, gt=0, description="days covered by the daily report")
    notifier: dict[str, Any] | None = Field(
        None,
        description='Airflow notifier for critical alerts: {"class": dotted path, "arguments": {…}}',
    )

    settle_after: Duration = Field(
        timedelta(minutes=5),
        description="a file without #close, gzip trailer or finished window is read at this age",
    )
    disk_factor: int = Field(
        20, ge=0, description="free bytes required on the server's disk per byte of a batch"
    )
    speculative_publish: bool = Field(
        default=True,
        description="insert rows while their batch is still read and checked; rolled back if it fails",
    )

    claim_for: Duration = Field(
        timedelta(hours=2), description="a DAG run that never ended releases its files after this time"
    )
    attempts: int = Field(5, gt=0, description="attempts of a step that fails for a transient reason")
    lock_timeout: Duration = Field(timedelta(seconds=30), description="longest wait for a lock")
    max_wait: Duration = Field(
        timedelta(hours=1), description="longest wait of a command for files that another process is loading"
    )
    statement_timeout: Duration = Field(timedelta(hours=2), description="longest single SQL statement")

    query_timeout: Duration = Field(timedelta(minutes=5), description="longest statement of `conn-etl query`")
    seal_after: Duration = Field(timedelta(hours=12), description="a day is sealed this long after it ends")
    keep_days: int | None = Field(None, gt=0, description="retention: days older than this many are dropped")
    keep_bytes: ByteSize | None = Field(
        None, gt=0, description="retention: the oldest days are dropped until zeek.conn is smaller than this"
    )
    keep_quarantine: Duration | None = Field(
        None, description="retention of quarantined lines that are no longer open"
    )
    keep_results: Duration | None = Field(None, description="retention of rule results")
    keep_airflow: Duration | None = Field(
        None, description="retention of Airflow's own runs and task logs, which conn_maintenance cleans"
    )
    airflow_database_url: SecretStr | None = Field(
        None, description="URL of Airflow's own database, for that; if unset, as airflow.cfg says"
    )

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        """Raise for a ``CONN_ETL_…`` in the environment that no setting has, with the nearest one that there is."""
        names = {PREFIX + name.upper() for name in type(self).model_fields}
        for name in sorted(n for n in os.environ if n.startswith(PREFIX) and n not in names | NOT_SETTINGS):
            near = get_close_matches(name, names, n=1)
            raise ValueError(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
        return self

    archive_url: str | None = Field(
        None,
        description="folder or URL (s3://bucket/prefix) of the archive; then retention drops archived days only",
    )
    archive_catalog: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="properties of the Iceberg catalog, as pyiceberg takes them; by default it is in this database",
    )
    archive_grace: Duration = Field(
        timedelta(days=1),
        ge=timedelta(0),
        description="replaced files of the archive, and files of interrupted exports, are removed after this time",
    )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        return known_zone(zone)

    @field_validator("archive_url")
    @classmethod
    def _absolute(cls, url: str | None) -> str | None:
        """Each process would find another folder behind a relative path."""
        if url is None or "://" in url:
            return url and url.rstrip("/")
        if not Path(url).is_absolute():
            raise ValueError("a folder has to be absolute")
        return Path(url).as_uri()

    @field_validator("path_patterns")
    @classmethod
    def _known_parts(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_checked, patterns))

    @field_validator("earliest")
    @classmethod
    def _within_the_table(cls, earliest: datetime) -> datetime:
        """UTC where no zone is named; the table has no days before 1970."""
        moment = earliest if earliest.tzinfo else earliest.replace(tzinfo=UTC)
        if moment < FIRST_DAY:
            raise ValueError("the table begins with 1970")
        return moment

    def read_options(self) -> ReadOptions:
        """The reader's part."""
        return ReadOptions(
            block_rows=self.block_rows,
            block_bytes=self.block_bytes,
            max_line_bytes=self.max_line_bytes,
            max_file_bytes=self.max_file_bytes,
            aliases=self.aliases,
            alias_sets=self.alias_sets,
            keep_wrapper=self.keep_wrapper,
            conn_streams=self.conn_streams,
        )
