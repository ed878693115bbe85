"""What can go wrong, once: every failure is permanent (asking again changes nothing) or transient (it may pass).

The class says what to do about it: Airflow's retry policy names ``etl.errors.PermanentError`` by its path, the
command turns kinds into exit codes, the ledger stores ``kind`` and the message as the file's reason.
This module imports nothing, since Airflow imports it while it parses the DAGs.
"""


class ConnEtlError(Exception):
    """Base of all errors of the package; ``str()`` is one line for a person, ``hint`` says what to do."""

    kind = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """The message and, where there is one, the way out."""
        message = str(self.args[0])
        return f"{message}; {self.hint}" if self.hint else message


class PermanentError(ConnEtlError):
    """Asking again gives the same answer until somebody changes the input, the settings or the database."""

    kind = "permanent"


class TransientError(ConnEtlError):
    """A lock, a lost connection, a full disk: nothing was left half done, and the same step may succeed later."""

    kind = "transient"


class FileError(PermanentError):
    """One file cannot be loaded; the others of its batch go on. ``state`` is what the ledger writes."""

    kind = "file"
    state = "refused"

    @classmethod
    def state_of(cls, kind: str) -> str:
        """The final state of a file that failed with this kind of error."""
        return next((error.state for error in cls.__subclasses__() if error.kind == kind), cls.state)


class NotAConnLog(FileError):
    """The bytes are neither Zeek TSV nor JSON lines (binary, pretty-printed JSON, other text)."""

    kind = "not_a_conn_log"


class Binary(NotAConnLog):
    """Bytes of no known kind: no log, unless the file's name says that it is one."""


class NotALog(FileError):
    """Its bytes say that it is not a log: a capture, a database, an image, a script, an archive without a log."""

    kind = "not_a_log"
    state = "skipped"


class OtherLog(FileError):
    """A Zeek log, but of another stream than conn; a live-connection log (open_conn, conn_long) counts as other."""

    kind = "other_log"
    state = "skipped"


class MissingColumn(FileError):
    """The header lacks a column that every row needs."""

    kind = "missing_column"


class TooLarge(FileError):
    """Decompressed bytes or a line pass the bound in the settings."""

    kind = "too_large"


class Unreadable(FileError):
    """The file cannot be opened, or its compression is broken before the first line."""

    kind = "unreadable"
    state = "failed"


class FileAway(FileError):
    """The file could not be read for a reason that passes (a mount without its server): the next run tries again."""

    kind = "file_away"
    state = "failed"


class NotAFile(FileError):
    """A pipe, a socket, a device, or a link to a folder that is listed already: nothing that holds a log."""

    kind = "not_a_file"
    state = "skipped"


class HalfWritten(FileError):
    """The log is there plain and packed, and this one is not the whole one."""

    kind = "half_written"
    state = "skipped"


class Gone(FileError):
    """It was renamed, packed or unpacked between listing and reading; the other one is there."""

    kind = "gone"
    state = "skipped"


class OverBudget(FileError):
    """More bad rows than the error budget allows, or no good row at all."""

    kind = "over_budget"


class TooManyDays(FileError):
    """The rows would make more new days than one file may bring: a broken clock makes thousands of partitions."""

    kind = "too_many_days"


class Unforeseen(FileError):
    """An error of a kind that is not known here, met while this file alone was read, judged or published."""

    kind = "unforeseen"
    state = "failed"


class PathTooLong(FileError):
    """The ledger cannot index a path of this length; it holds a shortened one."""

    kind = "path_too_long"
    state = "failed"


class NothingToLoad(PermanentError):
    """Not one conn log in anything that was given."""

    kind = "no_conn_log"


class Misuse(PermanentError):
    """The call itself is wrong: a path that does not exist, options that exclude each other."""

    kind = "misuse"


class DatabaseRefused(PermanentError):
    """The database refuses a value, a row or a statement for what is in it."""

    kind = "database_refused"


class EnvironmentProblem(PermanentError):
    """The database, its schema, its address or the disk is not as it has to be."""

    kind = "environment"


class DatabaseAway(TransientError):
    """The server cannot be reached or went away in mid-statement."""

    kind = "database_away"


class StorageAway(TransientError):
    """An object store cannot be reached, or broke off while a log was read."""

    kind = "storage_away"


class Busy(TransientError):
    """A lock, a deadlock or a serialisation failure: another session was first."""

    kind = "busy"


class DayRetired(Busy):
    """Retention took a day between the gate and publish: judged again, its rows are ``expired``."""


class DiskFull(TransientError):
    """The server or this machine has no room left for the batch."""

    kind = "disk_full"


class NoRoom(DiskFull):
    """A batch may need more disk than is free, found before anything of it was written."""

    kind = "no_room"
