"""All settings in one place, read from ``CONN_ETL_*`` by entry points only (command, DAGs, local) and handed down."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from etl.models import MIB, ReadOptions

Hour = Annotated[int, Field(ge=0, le=23)]
Severity = Literal["critical", "warning", "info"]
Alert = Literal["file", "rule", "hole", "lag", "quarantine", "disk"]
PATTERN_PARTS = ("{sensor}", "{date}")
FIRST_DAY = datetime(1990, 1, 1, tzinfo=UTC)
"""The first day that zeek.conn can have."""


def _checked(pattern: str) -> str:
    """A misspelt part would be taken for a folder of that name, and no log would have a sensor."""
    parts = re.findall(r"\{[^}]*\}?|\}", pattern)
    for part in parts:
        if part not in PATTERN_PARTS:
            raise ValueError(f"{part} is none of {', '.join(PATTERN_PARTS)}")
    if parts.count("{sensor}") > 1:
        raise ValueError("{sensor} stands in it twice")
    return pattern


class SensorSettings(BaseModel):
    """What is particular to one sensor; what is left out is as for all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = Field(None, description="pattern of its folders, where they do not name it")
    zone: str | None = Field(None, description="time zone in which it rotates and names its logs")
    interval: timedelta | None = Field(
        None, gt=timedelta(0), description="how often it rotates; absent: learnt from its last 48 windows"
    )
    quiet_hours: tuple[Hour, ...] | None = Field(
        None, description="hours (UTC) in which no file is no hole and nobody is late"
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
        raise ValueError(f"no time zone {name}") from error


class Settings(BaseSettings):
    """What an operator may decide. Every field is an environment variable, ``CONN_ETL_`` before its name."""

    model_config = SettingsConfigDict(
        env_prefix="CONN_ETL_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: SecretStr | None = Field(None, description="libpq URI; absent: the embedded server")
    log_dir: str | None = Field(None, description="folder or URL where the DAGs look for rotated logs")
    home: Path | None = Field(None, description="state of the embedded server and scratch")

    path_patterns: tuple[str, ...] = Field(
        ("{date}/…",), description="folders above a log, such as {sensor}/{date}; the first that fits counts"
    )
    zone: str = Field("UTC", description="time zone of names, where a sensor has none of its own")
    sensors: dict[str, SensorSettings] = Field(
        default_factory=dict,
        description='sensor → what is particular to it, such as {"zone": "Europe/Berlin"}',
    )

    batch_bytes: int = Field(256 * MIB, gt=0, description="compressed size of a batch at most")
    batch_files: int = Field(2_000, gt=0, description="files of a batch at most")
    max_batches: int = Field(1_000, gt=0, le=1_024, description="batches of one DAG run at most")

    block_rows: int = Field(250_000, gt=0, description="rows read at a time; memory follows it")
    block_bytes: int = Field(8 * MIB, gt=0, description="decompressed bytes read at a time")
    max_line_bytes: int = Field(256 * MIB, gt=0, description="a longer line refuses its file")
    max_file_bytes: int = Field(1 << 40, gt=0, description="decompressed bytes that refuse a file as a bomb")
    aliases: dict[str, str] = Field(default_factory=dict, description="source column → Zeek field")

    error_budget_rows: int = Field(100, ge=0, description="bad rows that a file may always have")
    error_budget_share: float = Field(0.05, ge=0, le=1, description="share of bad rows that a file may have")
    earliest: datetime = Field(FIRST_DAY, description="rows before it are out of range; not before 1990")
    latest_after_first_seen: timedelta = Field(
        timedelta(days=1),
        ge=timedelta(0),
        le=timedelta(days=365),
        description="rows later than this after their file was first seen are out of range",
    )
    max_new_days: int = Field(400, gt=0, description="new days that one file may bring")
    rule_severity: dict[str, Severity] = Field(
        default_factory=dict,
        description="rule → severity, other than its suite's: critical rows go to quarantine",
    )

    max_lag: timedelta = Field(timedelta(hours=3), description="a sensor whose next log is later is reported")
    quiet_hours: tuple[Hour, ...] = Field(
        (), description="hours (UTC) in which no file is no hole and nobody is late"
    )
    alert_on: tuple[Alert, ...] = Field(
        ("file", "rule", "hole", "lag", "quarantine", "disk"), description="kinds of problems that are told"
    )
    max_quarantine_growth: int = Field(
        10_000, gt=0, description="more new lines of quarantine in a day than this are reported"
    )
    low_disk: int = Field(5 << 30, ge=0, description="fewer free bytes on the server's disk are reported")
    report_days: int = Field(7, gt=0, description="days that the daily report looks back")
    notifier: dict[str, Any] | None = Field(
        None,
        description='Airflow notifier for new critical problems: {"class": dotted path, "arguments": {…}}',
    )

    settle_after: timedelta = Field(timedelta(minutes=5), description="age of a file without other evidence")
    disk_factor: int = Field(
        20, ge=0, description="free bytes on the server's disk asked for per byte of a batch"
    )

    claim_for: timedelta = Field(
        timedelta(hours=2), description="how long a DAG run that never ended keeps its files"
    )
    attempts: int = Field(5, gt=0, description="tries of a step that fails for a passing reason")
    lock_timeout: timedelta = Field(timedelta(seconds=30), description="longest wait for one lock")
    statement_timeout: timedelta = Field(timedelta(hours=2), description="longest single statement")

    query_timeout: timedelta = Field(timedelta(minutes=5), description="longest question of `conn-etl query`")
    seal_after: timedelta = Field(timedelta(hours=12), description="how long after its end a day is closed")
    keep_days: int | None = Field(None, gt=0, description="retention: days older than this are dropped")
    keep_bytes: int | None = Field(
        None, gt=0, description="retention: the oldest days are dropped until zeek.conn is no larger"
    )
    keep_quarantine: timedelta | None = Field(
        None, description="lines of quarantine that are settled (not open) go after this time"
    )
    keep_results: timedelta | None = Field(None, description="verdicts of the rules go after this time")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        return known_zone(zone)

    @field_validator("path_patterns")
    @classmethod
    def _known_parts(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_checked, patterns))

    @field_validator("earliest")
    @classmethod
    def _within_the_table(cls, earliest: datetime) -> datetime:
        """UTC where no zone is named; the table has no days before 1990 (etl.ensure_partition)."""
        moment = earliest if earliest.tzinfo else earliest.replace(tzinfo=UTC)
        if moment < FIRST_DAY:
            raise ValueError("the table begins with 1990")
        return moment

    def read_options(self) -> ReadOptions:
        """The reader's part."""
        return ReadOptions(
            block_rows=self.block_rows,
            block_bytes=self.block_bytes,
            max_line_bytes=self.max_line_bytes,
            max_file_bytes=self.max_file_bytes,
            aliases=self.aliases,
        )
