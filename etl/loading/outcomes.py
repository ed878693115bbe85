"""What becomes of each file of a batch: whether it is within its error budget, and its final state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.errors import FileError, OverBudget
from etl.loading.ledger import BatchFile
from etl.models import FileState


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorBudget:
    """Bad rows that a file may have: the greater of a number and a share of its rows."""

    rows: int
    share: float

    def exceeded(self, *, read: int, bad: int, not_counted: int = 0) -> OverBudget | None:
        """The error of a file with too many bad rows, or with no good one.

        Args:
            read: its rows.
            bad: those of them that go to quarantine.
            not_counted: those of them that are no fault of the file, such as lines of other logs.
        """
        read, bad = read - not_counted, bad - not_counted
        if not bad:
            return None
        if bad == read:
            return OverBudget(f"not one of its {read:,} rows is good", hint="see `conn-etl quarantine list`")
        if bad > (allowed := max(self.rows, int(self.share * read))):
            return OverBudget(
                f"{bad:,} of its {read:,} rows are bad, more than the error budget of {allowed:,}",
                hint="see `conn-etl quarantine list`, then fix the source or load it with --accept",
            )
        return None


def over_budget(file: BatchFile, budget: ErrorBudget, not_counted: int) -> OverBudget | None:
    """The error of a file with too many bad rows, unless somebody accepted it."""
    bad = (file.rows_rejected or 0) + (file.rows_failed or 0)
    if file.accepted:
        return None
    return budget.exceeded(read=file.rows_read or 0, bad=bad, not_counted=not_counted)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOutcome:
    """What becomes of one file: ``state`` for the ledger, and why where it is not simply published."""

    file: BatchFile
    state: FileState
    kind: str | None = None
    reason: str | None = None
    known_file_id: int | None = None


def outcomes(
    files: Sequence[BatchFile], refused: Mapping[int, FileError], brought_by: Mapping[bytes, int]
) -> list[FileOutcome]:
    """One a file, in order: the first of several with the same bytes is the one that brings them.

    Args:
        files: staged and judged.
        refused: by file id, the files that are not published for their counts or their days.
        brought_by: digest → the file outside the batch that brought these bytes. Empty files are each their own.
    """
    first = dict(brought_by)
    return [_outcome(file, refused.get(file.etl_file_id), first) for file in files]


def _outcome(file: BatchFile, error: FileError | None, first: dict[bytes, int]) -> FileOutcome:
    """``first`` learns the digest of a file that brings rows."""
    digest = file.digest if file.rows_read else None
    if file.kind is not None:
        return FileOutcome(
            file=file, state=FileState(FileError.state_of(file.kind)), kind=file.kind, reason=file.reason
        )
    if digest is not None and digest in first:
        return FileOutcome(file=file, state=FileState.KNOWN, kind="known", known_file_id=first[digest])
    if error is not None:
        return FileOutcome(file=file, state=FileState(error.state), kind=error.kind, reason=str(error))
    if digest is not None:
        first[digest] = file.etl_file_id
    if file.incomplete:
        return FileOutcome(file=file, state=FileState.INCOMPLETE, kind="incomplete", reason=file.incomplete)
    return FileOutcome(file=file, state=FileState.PUBLISHED, reason=file.reason)
