"""One file's trouble stays its own: work on many items is done in halves until the item that breaks it stands alone.

A batch goes to the database in statements that hold rows of many files. When such a statement fails, nothing in the
answer says whose row it was. Doing the work again for each half finds that out, and does the work of the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from etl.database.driver_errors import translated
from etl.errors import ConnEtlError, DatabaseRefused, FileError, NoRoom, PermanentError, Unforeseen

log = logging.getLogger(__name__)

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure(Generic[Item]):
    """An item for which the work fails although it is done for this item alone."""

    item: Item
    error: Exception


def is_about_items(error: Exception) -> bool:
    """Whether an error may lie in one of the items, so that the work can succeed for the others.

    A lock, a lost connection, missing rights or a missing table concern the work as a whole.
    """
    if isinstance(error, (FileError, DatabaseRefused, NoRoom)):
        return True
    return type(error) is PermanentError or not isinstance(error, ConnEtlError)


def single_out(items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> list[Failure[Item]]:
    """Do the work for all items at once; where that fails, for each half of them, and so on.

    Args:
        items: at least one.
        work: leaves nothing behind when it raises.

    Returns:
        The items that fail alone. The work is done for all others.

    Raises:
        ConnEtlError: the error concerns the work as a whole (see ``is_about_items``).
    """
    try:
        with translated():
            work(items)
    except Exception as error:
        if not is_about_items(error):
            raise
        if len(items) == 1:
            return [Failure(item=items[0], error=error)]
        log.info("%d files are taken in halves, since together they fail: %s", len(items), error)
        middle = len(items) // 2
        return [*single_out(items[:middle], work), *single_out(items[middle:], work)]
    return []


def as_file_error(error: Exception) -> FileError:
    """The error for the ledger; what was not foreseen is named by its class."""
    if isinstance(error, FileError):
        return error
    if isinstance(error, ConnEtlError):
        return Unforeseen(str(error), hint="see the log of the run, then load it with --retry")
    return Unforeseen(
        f"{type(error).__name__}: {error}", hint="the log of the run has the traceback; load it with --retry"
    )


def any_error() -> tuple[type[Exception], ...]:
    """What may go wrong with one file, for an ``except``: also a panic of polars, which is no Exception."""
    import polars as pl  # where nothing goes wrong, and nothing is read, it is not needed

    return Exception, pl.exceptions.PanicException
