"""What the tasks of all DAGs share: the database, permanent errors that are not retried, tasks that failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from airflow.sdk import DAG, Connection

from etl.airflow.versions import AirflowFailException, AirflowNotFoundException
from etl.errors import PermanentError

if TYPE_CHECKING:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from etl.database.store import Store

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("conn_etl")
"""What a task says in its log."""
OWNER = "conn-etl"
SHOWN = 20
"""Lines of a list that a task's log spells out."""


def final(work: Callable[P, R]) -> Callable[P, R]:
    """Fail a task for good on a permanent error: the same attempt would fail again, so no retry is spent on it."""

    @wraps(work)
    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except PermanentError as error:
            raise AirflowFailException(str(error)) from error

    return once


def open_store(statement_limit: timedelta) -> Store:
    """The database behind the connection ``conn_postgres``; no statement runs longer than the limit."""
    from etl.database.airflow import store_of

    return store_of(Connection.get("conn_postgres"), statement_limit)


def use_storage() -> None:
    """Give the connection ``conn_logs`` to the object store's driver; without one the environment counts."""
    from etl import source
    from etl.database.airflow import storage_of

    try:
        connection = Connection.get("conn_logs")
    except AirflowNotFoundException:
        return
    source.use("s3", storage_of(connection))


def failed_tasks(ti: RuntimeTaskInstance, run_id: str) -> list[str]:
    """The tasks of a run that failed, such as ``batch.stage[3]``; asks the API, since tasks have no database."""
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
    return [_with_index(name) for name, state in states.items() if state == "failed"]


def _with_index(name: str) -> str:
    """Airflow joins a mapped task's index by ``_``; none of our tasks ends with a number."""
    task, _, index = name.rpartition("_")
    return f"{task}[{index}]" if index.isdecimal() else name


def say(lines: list[str]) -> None:
    """Log lines, the first ``SHOWN`` of them."""
    for line in lines[:SHOWN]:
        log.info(line)
    if len(lines) > SHOWN:
        log.info("and %s more", f"{len(lines) - SHOWN:,}")


def new_dag(
    dag_id: str,
    *,
    title: str,
    doc: str | None,
    schedule: Any,
    tags: list[str],
    defaults: dict[str, Any],
    params: dict[str, Any] | None = None,
) -> DAG:
    """A DAG of ours: its pool has its name, ``doc`` is its page in the UI, and the first line of it its description.

    It belongs to the DAG files that import it: nothing registers it on its own.
    """
    return DAG(
        dag_id,
        dag_display_name=title,
        description=(doc or "").partition("\n")[0],
        doc_md=doc,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        auto_register=False,
        default_args={"owner": OWNER, "pool": dag_id, **defaults},
        params=params,
        tags=["zeek", "conn", *tags],
    )
