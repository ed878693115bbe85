"""Who the server runs as, and how its programs are run as that user: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.database.embedded.home import Home
from etl.errors import EnvironmentProblem

SYSTEM_USER = "conn-etl"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system."""

    uid: int
    gid: int

    @classmethod
    def owner_of(cls, path: Path) -> Account | None:
        """Who owns a path; None if it is not there."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_uid, found.st_gid)

    @classmethod
    def named(cls, name: str) -> Account | None:
        """The user of that name; None if there is none."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(entry.pw_uid, entry.pw_gid)

    def can(self, *command: str) -> bool:
        """Whether a program ends well when this user runs it."""
        try:
            run(command, self)
        except EnvironmentProblem:
            return False
        return True


def missing(home: Home) -> bool:
    """Whether a start would add the system user."""
    return (
        os.geteuid() == 0
        and (Account.owner_of(home.data) or Account(0, 0)).uid == 0
        and Account.named(SYSTEM_USER) is None
    )


def account_for(home: Home) -> Account:
    """The owner of the data; else this user; else, as root, the system user, which is added if need be.

    Raises:
        EnvironmentProblem: the data are another user's, or the system user could not be added.
    """
    owner, me = Account.owner_of(home.data), Account(os.geteuid(), os.getegid())
    if me.uid != 0:
        if owner and owner.uid != me.uid:
            raise EnvironmentProblem(
                f"{home.data} belongs to another user", hint="set CONN_ETL_HOME to a folder of yours"
            )
        return me
    if owner and owner.uid != 0:
        return owner
    if missing(home):
        options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/bin/false")
        run(("useradd", *options, SYSTEM_USER))
    account = Account.named(SYSTEM_USER)
    if account is None:
        raise EnvironmentProblem(
            f"could not add the system user {SYSTEM_USER}", hint="run as an ordinary user"
        )
    return account


def run(command: Sequence[str], account: Account | None = None) -> None:
    """One program to its end, as the given user, without this user's PG* variables.

    Raises:
        EnvironmentProblem: it is not there or fails; the message is its last line.
    """
    other = account if account and account.uid != os.geteuid() else None
    # A file, not a pipe: the server would inherit the pipe, and waiting for its end would never end.
    with tempfile.TemporaryFile() as output:
        try:
            subprocess.run(
                command,
                check=True,
                cwd="/",
                env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=other.uid if other else None,
                group=other.gid if other else None,
                extra_groups=[] if other else None,
                umask=0o077,
            )
        except (subprocess.CalledProcessError, OSError) as error:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().rsplit("\n", 1)[-1]
            raise EnvironmentProblem(f"{Path(command[0]).name} failed: {said or error}") from error
