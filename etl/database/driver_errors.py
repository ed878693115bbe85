"""The driver's errors as ours: transient ones may be tried again, permanent ones say what to do.

A statement's error has an SQLSTATE. An error of connecting has only a text, of libpq, the server or a pooler.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa

from etl import errors

_TRANSIENT: Mapping[str, str] = {
    "40P01": "deadlock with another session",
    "40001": "another session changed the same rows",
    "55P03": "a lock was not to be had in time",
    "57014": "the statement took longer than statement_timeout",
    "53200": "the server ran out of memory or lock space",
    "53300": "the server has no connection left",
    "25006": "the server only reads for the moment, as after a failover",
}
_ADVICE: Mapping[str, str] = {
    "28P01": "check user and password in the database's URL",
    "28000": "check the user in the database's URL, and the server's pg_hba.conf",
    "3D000": "create the database, then run `conn-etl migrate`",
    "42501": "connect as a member of conn_loader (to ingest) or as the owner (to migrate)",
    "42P01": "run `conn-etl migrate`",
    "3F000": "run `conn-etl migrate`",
    "22023": "check the options in the database's URL",
    "42704": "check the options in the database's URL",
    "22P05": "create a database with ENCODING 'UTF8'",
}
_ABOUT_VALUES = frozenset({"21", "22", "23", "54", "P0", "XX"})
"""Classes of errors that lie in what a statement was given: values, constraints, sizes."""
_WORKER_LOST = re.compile("remote node|terminating connection")
"""What Citus says, with the code of an internal error, when one of its workers has gone."""
_BUSY = re.compile("remaining connection slots|too many (clients|connections)|no more connections allowed")
_PERMANENT: tuple[tuple[str, str], ...] = (
    (
        r"no pg_hba\.conf entry.*(SSL off|no encryption)",
        "the server takes no such connection: add sslmode=require to the URL, or a line to its pg_hba.conf",
    ),
    (
        r"pg_hba\.conf",
        "the server takes no such connection: add a line for this user, database and host to its pg_hba.conf",
    ),
    ("no password supplied", "give the password in the URL, or in ~/.pgpass"),
    (
        "(Peer|Ident) authentication failed",
        "run as the system user of that name, or connect by host and password",
    ),
    ("authentication failed|password is missing|[Aa]uthentication .* denied", _ADVICE["28P01"]),
    ("is not permitted to log in", "ALTER ROLE … LOGIN, or connect as another user"),
    (r'role ".*" does not exist|no such user', "create the user, or check its name in the URL"),
    (r"no such database|database .* does not exist", _ADVICE["3D000"]),
    (
        "is not currently accepting connections",
        "ALTER DATABASE … ALLOW_CONNECTIONS true, or take another one",
    ),
    ("permission denied for database", "GRANT CONNECT ON DATABASE … to this user"),
    (
        r"unsupported startup parameter",
        "a pooler takes no options in a URL: leave them out, or give the address of the server itself",
    ),
    ("unrecognized configuration parameter|invalid value for parameter", _ADVICE["22023"]),
    (
        "invalid (connection option|dsn|URI|.* in connection URI)",
        "remove it from the URL or write it correctly",
    ),
    (
        "unexpected spaces found|missing key/value|extra key/value",
        "write the URL's options as ?name=value&name=value",
    ),
    (
        r"invalid (\w+ )?(value|port number)|invalid integer|invalid \w+ value|value .* is invalid|out of range",
        "correct it in the URL",
    ),
    (
        "server does not support SSL",
        "set up SSL at the server, or take an sslmode that goes without (prefer, disable)",
    ),
    (
        "certificate|private key file|SSL error|SSL connection is required|channel binding",
        "check sslmode, sslrootcert, sslcert and sslkey in the URL",
    ),
    (
        "invalid response to SSL negotiation|unsupported frontend protocol|expected authentication request",
        "another service answers at this port: check host and port in the URL",
    ),
)
"""What libpq, a server or a pooler says of a connection that will not work the next time either, and the cure."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, cause kept: transient ones may be tried again, permanent ones say why.

    Raises:
        TransientError: DatabaseAway, Busy, DiskFull.
        PermanentError: EnvironmentProblem, or the plain class for what should not happen.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise translate(error) from error


def translate(error: sa.exc.DBAPIError) -> errors.ConnEtlError:
    """The error that says what a driver's error means for a caller."""
    code = getattr(error.orig, "pgcode", None) or ""
    lines = str(error.orig or error).strip()
    text = lines.partition("\n")[0]
    if code in _TRANSIENT:
        return errors.Busy(f"{_TRANSIENT[code]} ({text})")
    if code.startswith("53"):
        return errors.DiskFull(
            f"the database server has no room: {text}", hint="free disk space on the server"
        )
    if (
        code in _ADVICE and "Unicode escape" not in text
    ):  # a \u0000 for jsonb has the code of a wrong encoding
        return errors.EnvironmentProblem(text, hint=_ADVICE[code])
    if not code and (known := _of_connecting(lines)):
        return known
    away = code.startswith(("08", "57P")) or (code.startswith("XX") and _WORKER_LOST.search(lines))
    if not code or away or isinstance(error, sa.exc.InterfaceError):
        return errors.DatabaseAway(
            f"the database cannot be reached: {text}",
            hint="start it (`conn-etl up` for the embedded one), check host and port, or wait",
        )
    refused = errors.DatabaseRefused if code[:2] in _ABOUT_VALUES else errors.PermanentError
    return refused(f"the database refused: {text} [{code}]")


def _of_connecting(said: str) -> errors.ConnEtlError | None:
    """What an error without an SQLSTATE means, by its text; None where the server is only away.

    libpq says a line for each address and each way (encrypted, then plain) that it tried; the last is of the server
    where one answered.
    """
    for line in reversed(said.splitlines()):
        if _BUSY.search(line):
            return errors.Busy(f"{_TRANSIENT['53300']} ({line.strip()})")
        for pattern, cure in _PERMANENT:
            if re.search(pattern, line):
                return errors.EnvironmentProblem(line.strip(), hint=cure)
    return None


def translate_wrapped(error: BaseException) -> errors.ConnEtlError | None:
    """The same for an error of a library that uses the database: it keeps ours as its cause, or only the text.

    None where no error of the driver is behind it.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, errors.ConnEtlError):
            return seen
        if isinstance(seen, sa.exc.DBAPIError):
            return translate(seen)
        seen = seen.__cause__ or seen.__context__
    return translate_text(str(error))


def translate_text(message: str) -> errors.ConnEtlError | None:
    """A lost connection or another passing trouble of which only SQLAlchemy's message is left; None for others."""
    import psycopg2

    if not (found := re.search(r"\(psycopg2\.(?:errors\.)?(\w+)\) ([^\n]*)", message)):
        return None
    kind: type[Exception] = getattr(psycopg2.errors, found[1], getattr(psycopg2, found[1], psycopg2.Error))
    if issubclass(kind, psycopg2.errors.QueryCanceled):
        return errors.Busy(f"{_TRANSIENT['57014']} ({found[2]})")
    if issubclass(kind, psycopg2.errors.ReadOnlySqlTransaction):
        return errors.Busy(f"{_TRANSIENT['25006']} ({found[2]})")
    if issubclass(kind, (psycopg2.OperationalError, psycopg2.InterfaceError)):
        return _of_connecting(found[2]) or errors.DatabaseAway(
            f"the database cannot be reached: {found[2]}", hint="start it, or wait"
        )
    return None
