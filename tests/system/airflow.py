"""A stack of Airflow that a test started, asked by its REST interface; the URL of its tables, asked by SQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.database import embedded
from local.components import Place, login

ROOT = Path(__file__).resolve().parents[2]


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment, with nothing in it of another conn-etl, Airflow or PostgreSQL."""
    own = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("CONN_ETL_", "AIRFLOW", "PG", "LOGS", "PORT"))
    }
    return {**own, "CONN_ETL_HOME": str(home), **more}


@dataclass(kw_only=True, slots=True)
class Stack:
    """What `make up` started under a home."""

    home: Path
    logs: Path
    env: dict[str, str]
    said: str = ""
    token: str = ""

    def make(self, verb: str) -> int:
        """`make up`, `make down` or `make status`, as the Makefile calls them."""
        call = [sys.executable, "-m", "local.stack", verb]
        done = subprocess.run(
            call, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=400
        )
        self.said, self.token = done.stdout + done.stderr, ""
        return done.returncode

    @property
    def place(self) -> Place:
        return Place(self.home)

    @property
    def address(self) -> str:
        return str(self.place.state()["address"])

    @property
    def password(self) -> str:
        return login(self.place)[1]

    @property
    def url(self) -> str:
        return embedded.url(self.home)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the REST interface, logged in."""
        if not self.token and path != "/auth/token":
            given = {"username": "admin", "password": self.password}
            self.token = self.ask("POST", "/auth/token", given)["access_token"]
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(  # noqa: S310  loopback
            f"{self.address}{path}",
            method=method,
            headers=headers,
            data=json.dumps(body).encode() if body is not None else None,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  the same
            found: dict[str, Any] = json.load(answer)
            return found

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run by hand; returns its id."""
        body = {"logical_date": None, "conf": conf}
        run: str = self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"]
        return run

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """What is known of a run."""
        return self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")

    def ended(self, dag_id: str, run_id: str, seconds: float = 240) -> dict[str, Any]:
        """A run once it has ended."""
        return until(lambda: _if_ended(self.run(dag_id, run_id)), seconds)

    def seconds(self, run: dict[str, Any]) -> float:
        """From the moment that a run was asked for to its end."""
        return (moment(run["end_date"]) - moment(run["queued_at"])).total_seconds()


def _if_ended(run: dict[str, Any]) -> dict[str, Any] | None:
    return run if run["state"] in {"success", "failed"} else None


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def until(look: Callable[[], Any], seconds: float) -> Any:
    """What ``look`` returns once it returns something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.3)
    return found
