"""The embedded server as root, beside two other Unix users: the server's own and one who is nobody's friend."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from etl.database import embedded
from etl.database.embedded.account import Account
from etl.errors import ConnEtlError, EnvironmentProblem

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led astray by other users"),
]
SETTINGS = {"fsync": "off", "shared_buffers": "128MB"}
STRANGER = pwd.getpwnam("nobody")


@pytest.fixture
def home() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    parent.chmod(0o755)
    yield parent / "home"
    with suppress(EnvironmentProblem):  # a home that is refused runs nothing
        embedded.stop(parent / "home")
    shutil.rmtree(parent)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of root's that must stay as it is."""
    file = tmp_path / "victim"
    file.write_text("precious\n")
    file.chmod(0o600)
    return file


def _untouched(victim: Path) -> bool:
    found = victim.stat()
    return (victim.read_text(), found.st_uid, found.st_mode & 0o777) == ("precious\n", 0, 0o600)


def _plant(link: Path, target: Path, user: int) -> None:
    """What that user does: put a link in the place of whatever is there."""
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    os.chown(link, user, user, follow_symlinks=False)


@pytest.mark.parametrize(
    "name", ["data/conn-etl.conf", "data/postgresql.conf", "data/postmaster.pid", "server.log"]
)
def test_links_to_files_that_the_servers_user_plants_lead_root_nowhere(
    home: Path, victim: Path, name: str
) -> None:
    embedded.start(home, settings=SETTINGS)
    embedded.stop(home)
    account = Account.owner_of(home / "postgres" / "data")
    assert account is not None
    assert account.uid != 0
    _plant(home / "postgres" / name, victim, account.uid)
    said = ""
    try:
        embedded.start(home, settings=SETTINGS)
    except ConnEtlError as error:
        said = str(error)
    assert "precious" not in said
    assert _untouched(victim)


@pytest.mark.parametrize("name", ["data", "run"])
def test_links_to_folders_that_the_servers_user_plants_are_refused(
    home: Path, tmp_path: Path, name: str
) -> None:
    embedded.start(home, settings=SETTINGS)
    embedded.stop(home)
    account = Account.owner_of(home / "postgres")
    assert account is not None
    _plant(home / "postgres" / name, tmp_path, account.uid)
    with pytest.raises(EnvironmentProblem):
        embedded.start(home, settings=SETTINGS)
    assert tmp_path.stat().st_uid == 0
    assert not list(tmp_path.iterdir())


def test_a_home_of_another_user_is_refused_before_anything_is_written(home: Path, victim: Path) -> None:
    home.mkdir()
    os.chown(home, STRANGER.pw_uid, STRANGER.pw_gid)
    _plant(home / "postgres.lock", victim.with_name("made"), STRANGER.pw_uid)
    with pytest.raises(EnvironmentProblem, match="another user than root"):
        embedded.start(home, settings=SETTINGS)
    assert not victim.with_name("made").exists()
    assert [path.name for path in home.iterdir()] == ["postgres.lock"]


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_home_that_others_can_write_to_is_refused(home: Path, mode: int) -> None:
    home.mkdir()
    home.chmod(mode)
    with pytest.raises(EnvironmentProblem, match="another user than root"):
        embedded.start(home, settings=SETTINGS)


def test_a_home_below_another_users_folder_is_refused(home: Path) -> None:
    os.chown(home.parent, STRANGER.pw_uid, STRANGER.pw_gid)
    home.mkdir()
    with pytest.raises(EnvironmentProblem, match=str(home.parent)):
        embedded.start(home, settings=SETTINGS)


def test_the_short_folder_for_sockets_cannot_be_foreseen_and_is_the_servers_alone(home: Path) -> None:
    long = home.with_name("long" * 30)
    names = []
    try:
        for _ in range(2):
            url = make_url(embedded.start(long, settings=SETTINGS))
            sockets = Path(str(url.query["host"]))
            found = sockets.stat()
            account = Account.owner_of(long / "postgres" / "data")
            assert account is not None
            assert (found.st_uid, found.st_mode & 0o777) == (account.uid, 0o700)
            psycopg2.connect(url.set(drivername="postgresql").render_as_string()).close()
            names.append(sockets.name)
            assert embedded.stop(long)
            assert not sockets.exists()
    finally:
        embedded.stop(long)
    assert len(set(names)) == 2


def test_what_a_home_holds_is_for_nobody_else(home: Path) -> None:
    embedded.start(home, settings=SETTINGS)
    for name in ("postgres", "postgres/data", "postgres/run"):
        assert (home / name).stat().st_mode & 0o777 == 0o700, name
    assert (home / "postgres.lock").stat().st_mode & 0o777 == 0o600
