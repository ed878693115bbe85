"""A peer that vanishes without a word (power, cable, NAT): both sides let go after a minute, not after two hours."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.database import embedded, locks
from etl.database.store import Store
from etl.settings import Settings
from tests import network
from tests.network import Link

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 110
"""Seconds until a vanished peer is given up: 30 of silence, three probes of 10, and a slow machine."""
HOLD = """
import sys
from etl.database import engine, locks
from etl.database.store import Store
from etl.errors import ConnEtlError
from etl.settings import Settings
from tests import network
from tests.network import Link

store = Store.open(sys.argv[1], Settings())
with store.session() as connection:
    if sys.argv[2] == "hold":
        with locks.batch(connection, 7):
            engine.label(connection, "stage", 7)
            print("held", flush=True)
            sys.stdin.read()
    else:
        print("asking", flush=True)
        try:
            connection.exec_driver_sql("SELECT pg_sleep(3600)")
        except Exception as error:
            print(type(error).__name__, flush=True)
"""


pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@pytest.fixture
def link() -> Iterator[Link]:
    with network.link() as made:
        if made is None:
            pytest.skip("network namespaces need root and CAP_NET_ADMIN")
        yield made


def started(link: Link, url: str, what: str) -> subprocess.Popen[str]:
    """A process at the other end; returns when it has begun."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", link.namespace, sys.executable, "-c", HOLD, url, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in {"held", "asking"}
    return process


@pytest.fixture
def url(link: Link) -> Iterator[str]:
    """A server that listens at this end of the cable; by its socket."""
    home = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    home.chmod(0o755)
    hba = home / "hba.conf"
    hba.write_text(f"local all all trust\nhost all all {link.there}/32 trust\n")
    hba.chmod(0o644)
    try:
        yield embedded.start(
            home, settings={"hba_file": str(hba), "listen_addresses": link.here, "fsync": "off"}
        )
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def test_locks_of_a_client_that_vanished_are_free_within_two_minutes(
    link: Link, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    far = started(link, f"postgresql://postgres@{link.here}:5432/conn_etl", "hold")
    try:
        link.cut()
        began = time.monotonic()
        store = Store.open(url, Settings.model_validate({"lock_timeout": f"{LIMIT}s"}))
        with store.session() as waiter, locks.batch(waiter, 7):
            waited = time.monotonic() - began
        assert 5 < waited < LIMIT
        assert "waiting for batch of conn-etl stage 7 (pid " in caplog.text
        assert f"client {link.there}" in caplog.text
    finally:
        far.kill()
        far.communicate()


def test_a_client_whose_server_vanished_gives_up_within_two_minutes(link: Link, url: str) -> None:
    assert url
    far = started(link, f"postgresql://postgres@{link.here}:5432/conn_etl", "ask")
    try:
        link.cut()
        began = time.monotonic()
        assert far.stdout is not None
        assert far.stdout.readline().strip() == "OperationalError"
        assert time.monotonic() - began < LIMIT
    finally:
        far.kill()
        far.communicate()
