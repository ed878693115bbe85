"""What the archive does not need any more: old snapshots, and files that no snapshot has.

Both stay for the grace time (``CONN_ETL_ARCHIVE_GRACE``), so that a question that runs on an older snapshot still finds
its files, and an export that is not committed yet still has its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from etl.archive.table import Archive, open_archive, path_of, reaching
from etl.database import locks

if TYPE_CHECKING:
    from etl.database.store import Store


def cleanup(store: Store) -> list[str]:
    """Expire snapshots and remove orphans that are older than the grace time; returns the removed paths.

    Raises:
        EnvironmentProblem: no archive is configured, the extra is missing, or nothing was exported yet.
        StorageAway: catalog or files cannot be reached.
    """
    with store.loading() as connection, locks.archive(connection):
        archive = open_archive(store, connection)
        before = datetime.now(UTC) - store.settings.archive_grace
        with reaching():
            archive.table.maintenance.expire_snapshots().older_than(before).commit()
            archive.table.refresh()
            removed = sorted(_orphans(archive, before))
            for path in removed:
                archive.files.delete_file(path)
        return removed


def _orphans(archive: Archive, before: datetime) -> Iterator[str]:
    """Files in the table's two folders that nothing refers to."""
    from pyarrow.fs import FileSelector, FileType

    needed = {path_of(url) for url in _needed(archive)}
    for name in ("data", "metadata"):
        folder = f"{path_of(archive.table.location())}/{name}"
        for info in archive.files.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True)):
            # an object store knows whole seconds only
            old = info.type == FileType.File and info.mtime + timedelta(seconds=1) < before
            if old and info.path not in needed:
                yield info.path


def _needed(archive: Archive) -> Iterator[str]:
    """All that a reader of any snapshot that is left may ask for."""
    table = archive.table
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    for snapshot in table.metadata.snapshots:
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            yield manifest.manifest_path
            yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))
