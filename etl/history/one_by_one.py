"""Maintenance of many hours, days and partitions: the error of one of them does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from etl.database.driver_errors import translated
from etl.errors import DatabaseAway, EnvironmentProblem, Misuse, PermanentError, TransientError

log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class OneByOne:
    """Collects the errors of single pieces of work, to be raised when all the others are done."""

    done: int = 0
    failures: list[tuple[str, Exception]] = field(default_factory=list)

    @contextmanager
    def one(self, what: str) -> Iterator[None]:
        """Do one piece of work; its error is kept, with the traceback in the log.

        Raises:
            DatabaseAway, EnvironmentProblem, Misuse: it concerns all pieces.
        """
        try:
            with translated():
                yield
        except (DatabaseAway, EnvironmentProblem, Misuse):
            raise
        except Exception as error:
            log.exception("%s: maintenance goes on without it", what)
            self.failures.append((what, error))
        else:
            self.done += 1

    def raise_failures(self) -> None:
        """Say what failed, if anything did.

        Raises:
            TransientError: the only error, which may pass.
            PermanentError: how many pieces failed, and the first of them with its error.
        """
        if not self.failures:
            return
        what, error = self.failures[0]
        if len(self.failures) == 1 and isinstance(error, (TransientError, PermanentError)):
            raise error
        count, total = len(self.failures), self.done + len(self.failures)
        raise PermanentError(
            f"{count:,} of {total:,} pieces of work failed, first {what}: {error}",
            hint="the log has each of them; the others are done",
        ) from error
