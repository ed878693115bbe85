"""What becomes of each file of a batch, once it is known what was read of it and what the gate said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from etl.database.engine import execute
from etl.errors import FileError
from etl.loading.ledger import BatchFile
from etl.models import FileState


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What becomes of one file: ``state`` for the ledger, and why where it is not simply published."""

    file: BatchFile
    state: FileState
    kind: str | None = None
    reason: str | None = None
    known_file_id: int | None = None


def fates(
    connection: Connection, files: Sequence[BatchFile], refused: Mapping[int, FileError]
) -> Iterable[Fate]:
    """One a file, in order: the first of several with the same bytes is the one that brings them."""
    digests = [f.digest for f in files if f.digest and f.rows_read]
    ids = [f.etl_file_id for f in files]
    same = execute(connection, "publish.same_bytes", digests=digests, batch=ids)
    first = {bytes(r.digest): r.etl_file_id for r in same}
    for file in files:
        digest = file.digest if file.rows_read else None
        error = refused.get(file.etl_file_id)
        if file.kind is not None:
            state = FileState(FileError.state_of(file.kind))
            yield Fate(file=file, state=state, kind=file.kind, reason=file.reason)
        elif digest in first and digest is not None:
            reason = f"the same bytes as file {first[digest]}"
            yield Fate(
                file=file, state=FileState.KNOWN, kind="known", reason=reason, known_file_id=first[digest]
            )
        elif error is not None:
            yield Fate(file=file, state=FileState.REFUSED, kind=error.kind, reason=str(error))
        else:
            if digest is not None:
                first[digest] = file.etl_file_id
            if file.incomplete:
                yield Fate(file=file, state=FileState.INCOMPLETE, kind="incomplete", reason=file.incomplete)
            else:
                yield Fate(file=file, state=FileState.PUBLISHED)
