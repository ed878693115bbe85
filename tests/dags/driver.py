"""A process of its own with the real Airflow in it: reads a run to do as a line of JSON, answers with what came of it.

Airflow keeps its configuration, database and in-process API for the life of a process and warns a lot, so it does not
live in pytest's. Started once a session: loading all that takes seconds.

A request: dag_id, conf, env (set before the run), interval (False: a run without logical date and data interval) and
damage: what happens at the first try of a step (``discover``, ``stage``, ``validate``, ``publish``):
{"step": …, "sql": …, "url": …} runs SQL ({stage} is the staging table) and then fails the try as a killed worker would;
{"step": …, "kill": HOME} kills the embedded server with SIGKILL, and starts it again before the second try;
{"step": …, "lost": true} does the work, and then fails the try as if its answer had got lost.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any


def main(home: Path) -> None:
    answers = os.fdopen(os.dup(1), "w")
    log = (home / "driver.log").open("w")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)

    from local.one_run import environment

    os.environ.update(environment(home, "postgresql://unset@localhost/unset"))
    from airflow.utils.db import initdb

    initdb()
    ready = sorted(_dags())
    real_sleep = time.sleep
    time.sleep = lambda seconds: real_sleep(min(float(seconds), 0.05))  # dag.test() looks once a second
    print(json.dumps({"ready": ready}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)
    os._exit(0)  # threads of Airflow's API would be waited for


def _dags() -> dict[str, Any]:
    """Fresh ones: a run within the process leaves its params in them."""
    from airflow.dag_processing.dagbag import DagBag

    sys.modules.pop("etl.airflow.dags", None)
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    assert not bag.import_errors, bag.import_errors
    for dag in bag.dags.values():
        for task in dag.tasks:
            task.retry_delay = timedelta(seconds=0.1)
    return dict(bag.dags)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    for name in [name for name in os.environ if name.startswith("CONN_ETL_")]:
        del os.environ[name]
    os.environ.update(request.get("env", {}))
    failures: list[str] = []

    def note(context: Any) -> None:
        failures.append(f"{context['ti'].task_id}: {context.get('exception')}")

    dag = _dags()[request["dag_id"]]
    for task in dag.tasks:
        task.on_failure_callback = [note]
    restore = _prepare(request["damage"]) if request.get("damage") else lambda: None
    try:
        dates = {} if request.get("interval", True) else {"logical_date": None}
        return {**_facts(dag.test(run_conf=request["conf"], **dates)), "failures": failures}
    except Exception as error:  # noqa: BLE001  the test judges it
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        restore()


def _facts(run: Any) -> dict[str, Any]:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(AssetEvent).where(AssetEvent.source_run_id == run.run_id)
        events = [{"asset": event.asset.name, "extra": event.extra} for event in session.scalars(query)]
    lineage = [event for event in events if "://" in event["asset"]]
    return {
        "state": str(run.state),
        "run_id": run.run_id,
        "interval": [str(run.data_interval_start), str(run.data_interval_end)],
        "tasks": {
            f"{ti.task_id}{f'[{ti.map_index}]' if ti.map_index >= 0 else ''}": {
                "state": str(ti.state),
                "tries": ti.try_number,
                "label": ti.rendered_map_index,
            }
            for ti in run.get_task_instances()
        },
        "events": [event for event in events if event not in lineage],
        "lineage": lineage,
    }


def _prepare(damage: dict[str, Any]) -> Callable[[], None]:
    from etl import pipeline
    from etl.errors import DatabaseAway

    name = damage["step"]
    real: Callable[..., Any] = getattr(pipeline, name)
    tries = itertools.count(1)

    def damaged(*given: Any, **options: Any) -> Any:
        attempt = next(tries)
        if "kill" in damage and attempt <= 2:
            _kill(damage, attempt)
        if "sql" in damage and attempt == 1:
            _run_sql(damage, given[1])
        result = real(*given, **options)
        if "lost" in damage and attempt == 1:
            raise DatabaseAway("the answer got lost")
        return result

    setattr(pipeline, name, damaged)
    return lambda: setattr(pipeline, name, real)


def _kill(damage: dict[str, Any], attempt: int) -> None:
    from etl.database import embedded

    home = Path(damage["kill"])
    if attempt == 1:
        pid = embedded.status(home).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while embedded.status(home).running:
            time.sleep(0.02)
    else:
        embedded.start(home)


def _run_sql(damage: dict[str, Any], batch_id: int) -> None:
    import psycopg2

    from etl.errors import DatabaseAway

    connection = psycopg2.connect(damage["url"])
    with connection, connection.cursor() as cursor:
        cursor.execute(damage["sql"].format(stage=f"etl.stage_{batch_id}"))
    connection.close()
    raise DatabaseAway("the worker was killed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
