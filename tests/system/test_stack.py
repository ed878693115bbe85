"""`make up`, used as a person would: log in, let the DAG run, drop a file, look; stop, start, and look again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from etl.database import embedded
from local.components import START_ORDER, leftovers
from tests.chromium import SCREENSHOTS
from tests.dags.conftest import ask
from tests.logs import flows, tsv, write
from tests.system.airflow import Stack, moment, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

COUNT = "SELECT count(*) FROM zeek.conn JOIN etl.file USING (etl_file_id) WHERE path = %s"

LOADED_BY = "SELECT run_id FROM etl.file WHERE path = %s AND state = 'published'"


@pytest.mark.browser
def test_a_file_that_is_dropped_is_loaded_and_all_of_it_outlives_a_restart(
    stack: Stack, open_page: Any
) -> None:
    for part in (*START_ORDER, "postgresql"):
        assert f"{part} " in stack.said
    assert stack.address in stack.said
    assert stack.password in stack.said
    until(lambda: stack.ask("GET", "/api/v2/dags")["total_entries"] == 4, 120)
    pause(stack, "conn_ingest", paused=True)
    page = log_in(stack, open_page)
    page.goto(f"{stack.address}/dags/conn_ingest")
    switch = page.get_by_test_id("toggle-pause")
    assert switch.get_attribute("data-state") == "unchecked"
    switch.click()
    until(lambda: not stack.ask("GET", "/api/v2/dags/conn_ingest")["is_paused"], 30)

    # rows that no other test of this stack has: the order of the tests is another each time
    log = write(stack.logs / "2026-03-01" / "conn.19:00:00-20:00:00.log", tsv(flows(321, 40_000)))
    stack.trigger("conn_ingest")
    # the run of the hour that is over is due too, once the DAG is not paused, and may be the first of the two
    ((run_id,),) = until(lambda: ask(stack.url, LOADED_BY, str(log)), 240)
    run = stack.ended("conn_ingest", run_id)
    assert run["state"] == "success"
    print(f"the run that loaded the dropped file took {stack.seconds(run):.1f} s")
    assert ask(stack.url, COUNT, str(log)) == [(321,)]
    look(page, stack, run_id)
    shoot(page, "stack-xcom")
    page.goto(f"{stack.address}/dags/conn_ingest/runs/{run_id}")
    page.get_by_text("batch.publish").first.wait_for()
    shoot(page, "stack-run")

    before, password = stack.address, stack.password
    assert stack.make("down") == 0
    assert leftovers(stack.place) == []
    assert not embedded.status(stack.home).running
    assert stack.make("status") == 1
    assert stack.make("up") == 0, stack.said
    assert (stack.address, stack.password) == (before, password)
    assert ask(stack.url, COUNT, str(log)) == [(321,)]
    look(log_in(stack, open_page), stack, run_id)


def test_what_is_killed_comes_back_and_strangers_are_left_alone(stack: Stack) -> None:
    stranger = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", "airflow"], start_new_session=True
    )
    try:
        before = stack.place.state()["components"]
        os.kill(before["scheduler"]["pid"], signal.SIGKILL)
        server = embedded.status(stack.home).pid
        assert server is not None
        os.kill(server, signal.SIGKILL)
        until(lambda: embedded.status(stack.home).pid not in {None, server}, 60)
        until(
            lambda: (
                stack.place.state()["components"]["scheduler"]["pid"]
                not in {None, before["scheduler"]["pid"]}
            ),
            60,
        )
        assert stack.place.state()["components"]["api-server"]["pid"] == before["api-server"]["pid"]
        until(lambda: healthy_since(stack, stack.place.log("supervisor").stat().st_mtime), 120)

        # a supervisor that was killed leaves its components to the next start
        supervisor = stack.place.supervisor()
        assert supervisor is not None
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: stack.place.supervisor() is None, 10)
        orphans = leftovers(stack.place)
        assert len(orphans) >= len(START_ORDER)
        assert stack.make("up") == 0, stack.said
        assert [
            process.pid
            for process in orphans
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ] == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def healthy_since(stack: Stack, moment_: float) -> bool:
    """Whether the scheduler has reported after a moment."""
    try:
        said = stack.ask("GET", "/api/v2/monitor/health")["scheduler"]
    except OSError:
        return False
    return said["status"] == "healthy" and moment(said["latest_scheduler_heartbeat"]).timestamp() > moment_


def pause(stack: Stack, dag_id: str, *, paused: bool) -> None:
    stack.ask("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": paused})


def log_in(stack: Stack, open_page: Any) -> Any:
    page = open_page().page
    page.set_default_timeout(120_000)  # a machine that is busy with other tests
    page.goto(f"{stack.address}/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", stack.password)
    page.click("button[type=submit]")
    page.get_by_role("button", name="Browse").wait_for()
    return page


def look(page: Any, stack: Stack, run_id: str) -> None:
    """What the last step of the run returned, as the UI shows it."""
    page.goto(f"{stack.address}/dags/conn_ingest/runs/{run_id}/tasks/batch.publish/mapped/0/xcom")
    page.get_by_text("rows_loaded").first.wait_for()
    page.get_by_text("321").first.wait_for()


def shoot(page: Any, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")
