"""Notifications: to any class by its dotted path, once for each problem; if the class fails they stay pending."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.database.statements import statement
from etl.database.store import Store
from etl.monitoring import alerts
from tests.integration.conftest import Ask
from tests.logs import flows, tsv, write


class ToFile:
    """A notifier: writes the context that it is called with to a file, one line a call, or fails."""

    def __init__(self, *, path: str, fail: bool = False) -> None:
        self.path, self.fail = path, fail

    def __call__(self, context: Mapping[str, Any]) -> None:
        if self.fail:
            raise ConnectionError("nobody listens")
        with Path(self.path).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(context) + "\n")


def notifying(store: Store, path: Path, **arguments: Any) -> Store:
    """The store, whose notifier writes problems with files to a file."""
    notifier = {"class": f"{__name__}.ToFile", "arguments": {"path": str(path), **arguments}}
    settings = store.settings.model_copy(update={"notifier": notifier, "alert_on": ("file",)})
    return Store(url=store.url, engine=store.engine, settings=settings)


def refuse(store: Store, path: Path) -> str:
    """Load a log that is refused; returns its path."""
    pipeline.ingest(store, [str(write(path, tsv(flows(3, conn_state="REG"))))])
    return str(path)


def heard(path: Path) -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


def test_a_new_problem_is_notified_once_with_its_title_and_the_callers_context(
    store: Store, tmp_path: Path
) -> None:
    target = notifying(store, tmp_path / "sent")
    assert alerts.notify(target, {"dag": "conn_quality"}) == []
    assert heard(tmp_path / "sent") == []  # nobody is called for nothing
    path = refuse(store, tmp_path / "a.log")
    (problem,) = alerts.notify(target, {"dag": "conn_quality"})
    assert path in problem.what
    assert heard(tmp_path / "sent") == [
        {"dag": "conn_quality", "problems": problem.what, "title": problem.what}
    ]
    assert alerts.notify(target, {}) == []
    assert len(heard(tmp_path / "sent")) == 1


def test_several_problems_are_one_message(store: Store, tmp_path: Path) -> None:
    target = notifying(store, tmp_path / "sent")
    refuse(store, tmp_path / "a.log")
    alerts.notify(target, {})
    paths = [refuse(store, tmp_path / f"{name}.log") for name in "bc"]
    alerts.notify(target, {})
    _, second = heard(tmp_path / "sent")
    assert second["title"] == "2 new problems with Zeek conn logs"
    lines = second["problems"].splitlines()
    assert all(any(path in line for line in lines) for path in paths)
    assert not any("a.log" in line for line in lines)


def test_a_notifier_that_fails_leaves_it_pending_for_the_next_one(store: Store, tmp_path: Path) -> None:
    refuse(store, tmp_path / "a.log")
    with pytest.raises(ConnectionError, match="nobody listens"):
        alerts.notify(notifying(store, tmp_path / "sent", fail=True), {})
    (problem,) = alerts.notify(notifying(store, tmp_path / "sent"), {})
    assert [message["problems"] for message in heard(tmp_path / "sent")] == [problem.what]


def test_without_a_notifier_problems_are_returned_and_are_not_pending(store: Store, tmp_path: Path) -> None:
    refuse(store, tmp_path / "a.log")
    quiet = notifying(store, tmp_path / "sent")
    without = Store(
        url=store.url, engine=store.engine, settings=quiet.settings.model_copy(update={"notifier": None})
    )
    assert len(alerts.notify(without, {})) == 1
    assert alerts.notify(quiet, {}) == []
    assert heard(tmp_path / "sent") == []


def test_two_runs_at_once_notify_once(store: Store, ask: Ask, tmp_path: Path) -> None:
    refuse(store, tmp_path / "a.log")
    target = notifying(store, tmp_path / "sent")
    with store.engine.connect() as other:
        assert other.execute(statement("locks.try_alerts")).scalar_one()
        assert alerts.notify(target, {}) == []
        other.execute(sa.text("SELECT pg_advisory_unlock_all()"))
    assert ask("SELECT count(*) FROM etl.problem WHERE notified_at IS NOT NULL") == [(0,)]
    assert len(alerts.notify(target, {})) == 1
