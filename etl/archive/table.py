"""The Iceberg table of the archive: its catalog, its files by day, and the one commit that replaces a day.

The catalog is pyiceberg's SQL catalog in the schema ``iceberg`` of the same database, or what
``CONN_ETL_ARCHIVE_CATALOG`` describes. Files lie under ``<archive>/conn/data/day=D/<export id>/``.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy.engine import Connection

from etl.archive import layout
from etl.database import engine
from etl.database.driver_errors import translate
from etl.errors import EnvironmentProblem, StorageAway
from etl.settings import Settings

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from etl.database.store import Store

NAMESPACE, NAME = "zeek", "conn"
EPOCH = date(1970, 1, 1)
PROPERTY = "conn-etl."
"""Prefix of what we write into a snapshot's properties: export, day, rows, changes."""
TABLE_PROPERTIES = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}
PACKAGES = ("pyiceberg", "pyarrow", "duckdb")


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """The open table, and the file system that its files are on."""

    table: Table
    files: FileSystem

    def path(self, url: str) -> str:
        """How the file system calls a file of the table."""
        return path_of(url)

    def folder(self, day: date, export_id: str) -> str:
        """Where an export of a day puts its files, as a URL."""
        return f"{self.table.location()}/data/day={day}/{export_id}"

    def day_files(self, days: Sequence[date] | None = None) -> dict[date, list[DataFile]]:
        """Data files of the current snapshot by day, of all days where none is named."""
        found: dict[date, list[DataFile]] = {}
        for task in self.table.scan(row_filter=_within(days)).plan_files():
            day = EPOCH + timedelta(days=task.file.partition[0])
            if days is None or day in days:
                found.setdefault(day, []).append(task.file)
        return found

    def replace_day(self, day: date, urls: Sequence[str], properties: Mapping[str, str]) -> int:
        """Make these files the day's only ones, in one commit; returns the id of the snapshot.

        Raises:
            StorageAway: another process changed the table at the same moment.
        """
        from pyiceberg.exceptions import CommitFailedException
        from pyiceberg.io.pyarrow import parquet_files_to_data_files

        old = self.day_files([day]).get(day, [])
        noted = {PROPERTY + name: value for name, value in properties.items()}
        try:
            with self.table.transaction() as transaction:
                metadata = transaction.table_metadata
                new = parquet_files_to_data_files(self.table.io, metadata, iter(urls))
                with transaction.update_snapshot(snapshot_properties=noted).overwrite() as snapshot:
                    for file in old:
                        snapshot.delete_data_file(file)
                    for file in new:
                        snapshot.append_data_file(file)
        except CommitFailedException as error:
            raise StorageAway(f"another process changed the archive: {error}") from error
        current = self.table.current_snapshot()
        assert current is not None
        return current.snapshot_id

    def snapshot_of(self, export_id: str) -> Snapshot | None:
        """The snapshot that committed an export, while the table still knows it."""
        for snapshot in reversed(self.table.metadata.snapshots):
            if (
                snapshot.summary
                and snapshot.summary.additional_properties.get(f"{PROPERTY}export") == export_id
            ):
                return snapshot
        return None


def path_of(url: str) -> str:
    """A URL as pyarrow's file systems take it."""
    parts = urlsplit(url)
    return parts.path if parts.scheme in {"", "file"} else f"{parts.netloc}{parts.path}"


def _within(days: Sequence[date] | None) -> str:
    """A filter on rows from which Iceberg sees which partitions are meant."""
    if not days:
        return "True"
    since, until = min(days), max(days) + timedelta(days=1)
    return f"\"{layout.TIME}\" >= '{since}T00:00:00+00:00' AND \"{layout.TIME}\" < '{until}T00:00:00+00:00'"


def require(settings: Settings) -> str:
    """The archive's URL.

    Raises:
        EnvironmentProblem: none is configured, or the extra is not installed.
    """
    if settings.archive_url is None:
        raise EnvironmentProblem("no archive is configured", hint="set CONN_ETL_ARCHIVE_URL")
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise EnvironmentProblem(
            f"the archive needs {', '.join(missing)}", hint="pip install 'conn-etl[archive]'"
        )
    return settings.archive_url


def open_archive(store: Store, connection: Connection, *, create: bool = False) -> Archive:
    """Open the table.

    Args:
        store: whose settings say where.
        connection: an open session; the catalog's own sessions act as it does.
        create: make catalog and table where they are missing.

    Raises:
        EnvironmentProblem: no archive is configured, the extra is missing, or nothing was exported yet.
        StorageAway: the files or the catalog cannot be reached.
    """
    import sqlalchemy as sa
    from pyiceberg.exceptions import NoSuchTableError

    url = require(store.settings)
    with reaching():
        catalog = _catalog(store, connection, url, create=create)
        try:
            table = catalog.load_table((NAMESPACE, NAME))
        except (NoSuchTableError, sa.exc.ProgrammingError) as error:  # no table yet, or no catalog yet
            if not create:
                raise EnvironmentProblem(
                    "the archive is empty", hint="export a day: `conn-etl archive export DAY`"
                ) from error
            table = _create(catalog, url)
        return Archive(table=table, files=_file_system(table))


def _catalog(store: Store, connection: Connection, url: str, *, create: bool) -> Catalog:
    from pyiceberg.catalog import load_catalog

    given = {name: secret.get_secret_value() for name, secret in store.settings.archive_catalog.items()}
    common = {"warehouse": url, **_s3_from_environment(), **given}
    if _describes(given):
        return load_catalog("conn_etl", **common)
    return _own_catalog(store, connection, common, create=create)


def _describes(given: Mapping[str, str]) -> bool:
    """Whether the settings name a catalog, and not only how its files are reached."""
    return "uri" in given or "type" in given or "py-catalog-impl" in given


def _own_catalog(
    store: Store, connection: Connection, properties: Mapping[str, str], *, create: bool
) -> Catalog:
    """The SQL catalog in the schema ``iceberg`` of the same database; its sessions act as ``connection`` does."""
    from pyiceberg.catalog.sql import SqlCatalog

    address = engine.url_as(connection, store.url, store.settings, "conn-etl archive")
    connection.rollback()
    uri = address.url.render_as_string(hide_password=False)
    catalog = SqlCatalog("conn_etl", **{**properties, "uri": uri, "init_catalog_tables": "false"})
    address.setting(search_path="iceberg").prepare_sessions_of(catalog.engine)
    if create:
        catalog.create_tables()
    return catalog


def _s3_from_environment() -> dict[str, str]:
    """What AWS's own programs take from the environment and pyarrow does not."""
    names = {
        "s3.endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        "s3.region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    }
    found = {
        key: next((os.environ[name] for name in of if os.environ.get(name)), "") for key, of in names.items()
    }
    return {key: value for key, value in found.items() if value}


def _create(catalog: Catalog, url: str) -> Table:
    catalog.create_namespace_if_not_exists(NAMESPACE)
    schema = layout.iceberg_schema()
    return catalog.create_table_if_not_exists(
        (NAMESPACE, NAME),
        schema,
        location=f"{url}/{NAME}",
        partition_spec=layout.partition_spec(),
        properties={
            **TABLE_PROPERTIES,
            "schema.name-mapping.default": schema.name_mapping.model_dump_json(),
        },
    )


def _file_system(table: Table) -> FileSystem:
    from pyiceberg.io.pyarrow import PyArrowFileIO

    parts = urlsplit(table.location())
    return PyArrowFileIO(table.io.properties).fs_by_scheme(parts.scheme or "file", parts.netloc)


@contextmanager
def reaching() -> Iterator[None]:
    """Turn what storage and catalog raise when they cannot be reached into an error that may pass.

    Raises:
        StorageAway: as the text says.
    """
    import pyarrow as pa
    import sqlalchemy as sa

    try:
        yield
    except sa.exc.DBAPIError as error:
        raise translate(error) from error
    except (OSError, pa.ArrowException) as error:
        raise StorageAway(f"the archive cannot be reached: {error}") from error


def since_of(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
