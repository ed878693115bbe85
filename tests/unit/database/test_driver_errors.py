"""What a driver's error means: transient or permanent, and the cure that goes with it."""

from __future__ import annotations

import psycopg2
import pytest
import sqlalchemy as sa

from etl import errors
from etl.database.driver_errors import translate, translate_text, translate_wrapped

CONNECTING: list[tuple[str, type[errors.ConnEtlError], str]] = [
    (
        'connection to server on socket "/x" failed: No such file or directory\n\tIs the server running?',
        errors.DatabaseAway,
        "start it",
    ),
    (
        'connection to server at "127.0.0.1", port 1 failed: Connection refused',
        errors.DatabaseAway,
        "start it",
    ),
    (
        'could not translate host name "db" to address: Temporary failure in name resolution',
        errors.DatabaseAway,
        "check host",
    ),
    ("server closed the connection unexpectedly", errors.DatabaseAway, "wait"),
    ("FATAL:  the database system is starting up", errors.DatabaseAway, "wait"),
    ("FATAL:  sorry, too many clients already", errors.Busy, ""),
    (
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        errors.Busy,
        "",
    ),
    ("FATAL:  no more connections allowed (max_client_conn)", errors.Busy, ""),
    ('FATAL:  too many connections for role "etl"', errors.Busy, ""),
    (
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "etl", database "flows", no encryption',
        errors.EnvironmentProblem,
        "sslmode=require",
    ),
    (
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "etl", database "flows", SSL off',
        errors.EnvironmentProblem,
        "sslmode=require",
    ),
    (
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "etl", database "flows"',
        errors.EnvironmentProblem,
        "add a line",
    ),
    (
        'FATAL:  pg_hba.conf rejects connection for host "10.0.0.1", user "etl"',
        errors.EnvironmentProblem,
        "add a line",
    ),
    ("fe_sendauth: no password supplied", errors.EnvironmentProblem, "~/.pgpass"),
    (
        'FATAL:  password authentication failed for user "etl"',
        errors.EnvironmentProblem,
        "check user and password",
    ),
    ('FATAL:  Peer authentication failed for user "etl"', errors.EnvironmentProblem, "system user"),
    ('FATAL:  role "etl" is not permitted to log in', errors.EnvironmentProblem, "LOGIN"),
    ('FATAL:  role "etl" does not exist', errors.EnvironmentProblem, "create the user"),
    ("FATAL:  no such user: etl", errors.EnvironmentProblem, "create the user"),
    ('FATAL:  database "flows" does not exist', errors.EnvironmentProblem, "create the database"),
    ("FATAL:  no such database: flows", errors.EnvironmentProblem, "create the database"),
    (
        'FATAL:  database "flows" is not currently accepting connections',
        errors.EnvironmentProblem,
        "ALLOW_CONNECTIONS",
    ),
    (
        'FATAL:  permission denied for database "flows"\nDETAIL:  User does not have CONNECT privilege.',
        errors.EnvironmentProblem,
        "GRANT CONNECT",
    ),
    ("FATAL:  unsupported startup parameter: options", errors.EnvironmentProblem, "pooler"),
    ("FATAL:  unsupported startup parameter in options: lock_timeout", errors.EnvironmentProblem, "pooler"),
    ('invalid dsn: invalid connection option "nonsense"\n', errors.EnvironmentProblem, "URL"),
    ('invalid sslmode value: "sometimes"\n', errors.EnvironmentProblem, "URL"),
    ('invalid port number: "70000"\n', errors.EnvironmentProblem, "URL"),
    (
        'invalid integer value "soon" for connection option "connect_timeout"\n',
        errors.EnvironmentProblem,
        "URL",
    ),
    ('invalid channel_binding value: "x"\n', errors.EnvironmentProblem, "URL"),
    ('FATAL:  unrecognized configuration parameter "nonsense"', errors.EnvironmentProblem, "options"),
    ('FATAL:  invalid value for parameter "role": "nobody"', errors.EnvironmentProblem, "options"),
    ("server does not support SSL, but SSL was required", errors.EnvironmentProblem, "sslmode"),
    ("SSL error: certificate verify failed", errors.EnvironmentProblem, "sslrootcert"),
    ('root certificate file "/x/root.crt" does not exist', errors.EnvironmentProblem, "sslrootcert"),
    ("received invalid response to SSL negotiation: H", errors.EnvironmentProblem, "another service"),
    (
        "expected authentication request from server, but received H",
        errors.EnvironmentProblem,
        "another service",
    ),
    (
        (
            'connection to server at "a" (10.0.0.1), port 5432 failed: FATAL:  no pg_hba.conf entry '
            'for host "a", user "u", database "d", SSL encryption\nconnection to server at "a" '
            '(10.0.0.1), port 5432 failed: FATAL:  password authentication failed for user "u"'
        ),
        errors.EnvironmentProblem,
        "check user and password",
    ),
]


@pytest.mark.parametrize(("said", "kind", "cure"), CONNECTING, ids=[row[0][:50] for row in CONNECTING])
def test_an_error_of_connecting_is_known_by_its_text(
    said: str, kind: type[errors.ConnEtlError], cure: str
) -> None:
    error = sa.exc.OperationalError(None, None, psycopg2.OperationalError(said))
    found = translate(error)
    assert type(found) is kind
    assert cure in (found.hint or "")
    assert "\n" not in str(found)
    wrapped = RuntimeError("by a library")
    wrapped.__cause__ = error
    assert type(translate_wrapped(wrapped)) is kind


CODES = [
    ("ReadOnlySqlTransaction", errors.Busy),
    ("DeadlockDetected", errors.Busy),
    ("QueryCanceled", errors.Busy),
    ("UndefinedTable", None),
]


@pytest.mark.parametrize(("name", "kind"), CODES)
def test_a_text_alone_tells_what_passes(name: str, kind: type[errors.ConnEtlError] | None) -> None:
    found = translate_text(f"(psycopg2.errors.{name}) it went wrong\n[SQL: SELECT 1]")
    assert (type(found) if found else None) in {kind, errors.DatabaseAway if kind else None}


def test_a_session_that_only_reads_after_a_failover_passes() -> None:
    class ReadOnly(psycopg2.errors.ReadOnlySqlTransaction):
        pgcode = "25006"

    error = sa.exc.InternalError(None, None, ReadOnly("cannot execute INSERT in a read-only transaction"))
    assert isinstance(translate(error), errors.TransientError)


WORKERS = [
    ("connection to the remote node postgres@10.0.0.3:5432 failed", True),
    ("failure on connection marked as essential: lost the remote node", True),
    ("terminating connection due to administrator command", True),
    ("could not find a valid shard", False),
]
"""What Citus says with the code XX000, and whether it passes."""


@pytest.mark.parametrize(("said", "passes"), WORKERS)
def test_a_lost_worker_of_a_cluster_passes(*, said: str, passes: bool) -> None:
    class Internal(psycopg2.errors.InternalError_):
        pgcode = "XX000"

    found = translate(sa.exc.InternalError(None, None, Internal(said)))
    assert type(found) is (errors.DatabaseAway if passes else errors.DatabaseRefused)
