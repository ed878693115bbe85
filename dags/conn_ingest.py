"""Load every rotated Zeek conn log that waits, once an hour, into `zeek.conn`.

### What it does
1. **discover** lists the log folder, enters new files into the ledger (`etl.file`), claims all settled files
   without a final state for this run and cuts them into batches. Files that were late, or left over by a
   failed run, are simply among them: windows are never skipped, and nothing is loaded twice.
2. **stage → validate → publish**, once for each batch: read and type the rows, let the suites in
   `expectations/` judge them, then move rows, quarantine and ledger in one transaction. Each step can be
   cleared and run again at any time.
3. **announce** emits the asset `zeek_conn` with `{rows, batches, days, run_id}` when rows were added. `days`
   are the UTC days that got some.
4. **close** ends the run in the ledger and says what went wrong. Missing windows and sensors that are behind
   stand in its log, and go to the notifier in `CONN_ETL_NOTIFIER` (see `conn_quality`), if there is one.

### Params
| param | meaning |
|---|---|
| `path` | a log, or a folder of logs, as the workers see it, or a URL (`s3://…`); empty: `CONN_ETL_LOG_DIR` |
| `since`, `until` | only files whose rotation window meets this span; one without a window is always in |

### Object stores
Credentials come from the workers' environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, a profile, a role), or from a
connection `conn_logs` of type `aws`, if there is one.

### When it is red
The good files are in the table in any case. The log of **close** has the reasons:

- *a file was refused or failed*: it is another kind of file, unreadable, or has too many bad rows. The run in
  which this happens is red, later ones are not. Look with `conn-etl status` and `conn-etl quarantine list`,
  mend the file (a changed file is taken by the next run) or load it as it is with `conn-etl ingest --retry`
  or `--accept`.
- *a task failed*: its own log says why. Passing trouble (a lock, a server that restarts, a full disk) has
  been tried five times by then; once it is cured, the next run takes the same files. Clearing the task works
  too.
- *discover failed*: the folder or the database is not what the settings say; `conn-etl doctor` looks.

A task that stays *scheduled* without end waits for a pool that is not there: `airflow pools import
dags/pools.json`.

### Quarantined rows do not make it red
They are counted in the ledger and wait in `etl.quarantine` with line, bytes and reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    Connection,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    get_current_context,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk.bases.timetable import BaseTimetable
    from airflow.sdk.execution_time.context import OutletEventAccessors
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from etl.database.store import Store

ZEEK_CONN = Asset("zeek_conn")
"""The table; an event a run that added rows, with extra {rows, batches, days, run_id}."""

LOGS = AssetAlias("zeek_logs")
TABLE = AssetAlias("zeek_conn_table")
"""Lineage: what a run read and where it wrote to is known when it runs, as file://, s3:// and postgres://."""

STEP_LIMIT = timedelta(hours=2)
STATEMENT_LIMIT = timedelta(minutes=110)
SHOWN = 10
"""Problems that the message of a red run spells out."""

DEFAULTS: dict[str, Any] = {
    "retries": 4,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": ExceptionRetryPolicy(
        [RetryRule("etl.errors.PermanentError", RetryAction.FAIL, reason="it would fail again")]
    ),
    "execution_timeout": STEP_LIMIT,
    # Later steps first: batches are finished, and their staging dropped, before the next ones are staged.
    "weight_rule": "upstream",
}


def _param(description: str, **schema: Any) -> Param:
    return Param(None, type=["null", "string"], description=description, **schema)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _store() -> Store:
    """The database behind ``conn_postgres``, and access to the logs."""
    from etl.database.airflow import store_of

    _use_storage()
    return store_of(Connection.get("conn_postgres"), STATEMENT_LIMIT)


def _use_storage() -> None:
    """Hand the connection ``conn_logs`` to the object store's driver; without one the environment counts."""
    from etl import source
    from etl.database.airflow import storage_of

    try:
        connection = Connection.get("conn_logs")
    except AirflowNotFoundException:
        return
    source.use("s3", storage_of(connection))


@task(outlets=[LOGS])
def discover(
    params: dict[str, Any], run_id: str, outlet_events: OutletEventAccessors, ti: RuntimeTaskInstance
) -> list[int]:
    """Claim the files that wait for this run, cut into batches; a retry claims them anew."""
    from etl import pipeline
    from etl.database import lineage
    from etl.errors import Misuse

    store = _store()
    if not (path := params["path"] or store.settings.log_dir):
        raise Misuse("nowhere to look for logs", hint="give the param path, or set CONN_ETL_LOG_DIR")
    since, until = _moment(params["since"]), _moment(params["until"])
    pipeline.begin(store, run_id, "dag", {"path": path, "since": since, "until": until, "dag": ti.dag_id})
    batches = pipeline.discover(store, run_id, [str(path)], since=since, until=until)
    if batches:
        outlet_events[LOGS].add(
            Asset(lineage.logs(str(path))), extra={"batches": len(batches), "run_id": run_id}
        )
    return batches


@task_group
def batch(batch_id: int) -> None:
    """One batch of files, from their bytes to ``zeek.conn``."""

    @task(map_index_template="{{ batch_label }}")
    def stage(batch_id: int) -> dict[str, int]:
        """Read the files into staging."""
        from etl import pipeline

        _label(batch_id)
        return pipeline.stage(_store(), batch_id)

    @task(map_index_template="{{ batch_label }}")
    def validate(batch_id: int) -> dict[str, int]:
        """Run the Great Expectations suites over staging."""
        from etl import pipeline

        _label(batch_id)
        return pipeline.validate(_store(), batch_id)

    @task(map_index_template="{{ batch_label }}")
    def publish(batch_id: int) -> dict[str, int]:
        """Rows, quarantine and ledger in one transaction."""
        from etl import pipeline
        from etl.monitoring import run_summary

        _label(batch_id)
        store = _store()
        done = pipeline.publish(store, batch_id)
        with store.session() as connection:
            print(run_summary.progress(connection, get_current_context()["run_id"]))
        return done

    stage(batch_id) >> validate(batch_id) >> publish(batch_id)


def _label(batch_id: int) -> None:
    """What the grid shows for a map index; set first: an undefined label fails a task after its work."""
    get_current_context()["batch_label"] = f"batch {batch_id}"  # type: ignore[typeddict-unknown-key]


@task(trigger_rule="all_done", inlets=[LOGS], outlets=[ZEEK_CONN, TABLE])
def announce(run_id: str, outlet_events: OutletEventAccessors) -> None:
    """Emit ``zeek_conn`` once for the run; without rows skip, since only a skipped task emits nothing."""
    from etl.database import lineage
    from etl.monitoring import run_summary

    store = _store()
    with store.session() as connection:
        added = run_summary.added(connection, run_id)
    if not added["rows_loaded"]:
        raise AirflowSkipException("no row was added")
    extra = {
        "rows": added["rows_loaded"],
        "batches": added["batches"],
        "days": added["days"],
        "run_id": run_id,
    }
    outlet_events[ZEEK_CONN].extra = extra
    outlet_events[TABLE].add(Asset(lineage.table(store.url.render_as_string())), extra=extra)


@task(trigger_rule="all_done")
def close(run_id: str, ti: RuntimeTaskInstance, **context: Any) -> None:
    """End the run, and fail it when a task failed or a file became refused or failed in it."""
    from etl import pipeline
    from etl.monitoring import windows

    store = _store()
    problems = pipeline.end(store, run_id)
    with store.session() as connection:
        for remark in windows.remarks(connection, store.settings):
            print(remark)
    if store.settings.notifier:
        _tell(store, context)
    reasons = [f"{file['path']} {file['state']}: {file['reason']}" for file in problems]
    crumbs = ti.get_task_breadcrumbs(dag_id=ti.dag_id, run_id=run_id)
    reasons += [f"task {_where(crumb)} failed: see its log" for crumb in crumbs if crumb["state"] == "failed"]
    if reasons:
        more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
        raise AirflowFailException("\n".join([*reasons[:SHOWN], *more]))


def _tell(store: Store, context: dict[str, Any]) -> None:
    """Lag and holes must not wait for rows, as conn_quality does; what cannot be told now is told by the next run."""
    from etl.monitoring import notify

    try:
        notify.tell(store, context)
    except Exception as error:  # noqa: BLE001  a notifier may raise anything, and the rows are in
        print(f"the notifier failed: {error!r}")


def _where(crumb: dict[str, Any]) -> str:
    mapped = crumb["map_index"] is not None and crumb["map_index"] >= 0
    return f"{crumb['task_id']}[{crumb['map_index']}]" if mapped else str(crumb["task_id"])


def conn_dag(dag_id: str, *, doc: str | None, schedule: BaseTimetable | None, tags: list[str]) -> DAG:
    """The DAG of this name; its pool has the same name, its page in the UI is ``doc``."""
    with DAG(
        dag_id,
        description=(doc or "").partition("\n")[0],
        doc_md=doc,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        default_args={**DEFAULTS, "pool": dag_id},
        params={
            "path": _param(
                "A log, a folder of logs or a URL, as the workers see it; empty: CONN_ETL_LOG_DIR"
            ),
            "since": _param("Only files whose window ends after this moment", format="date-time"),
            "until": _param("Only files whose window begins before this moment", format="date-time"),
        },
        tags=tags,
    ) as dag:
        batch.expand(batch_id=discover()) >> announce() >> close()  # type: ignore[misc, call-arg]
    return dag


BACKFILL = """Load old Zeek conn logs into `zeek.conn`, by hand, beside the hourly `conn_ingest`.

The same steps and params as `conn_ingest` (its page says what they do and what red means), without a schedule
and with a pool of its own, so that years of logs do not keep the hourly run waiting. The two never take the same file:
**discover** claims files for its run.

One run takes up to `CONN_ETL_MAX_BATCHES` batches (1,000); trigger it again until it finds nothing. How far it is, its
rate and the time left stand in the log of each **publish**. Stop it whenever you like (mark the run as failed): what is
published stays, and the next run goes on from there. A stopped task needs some seconds to end: the batch that it holds
until then is left out by a run that starts before, so trigger one more when files are still open (`conn-etl status`).
"""

HOURLY = CronDataIntervalTimetable("0 * * * *", timezone="UTC")

conn_ingest = conn_dag("conn_ingest", doc=__doc__, schedule=HOURLY, tags=["zeek", "conn"])
conn_backfill = conn_dag("conn_backfill", doc=BACKFILL, schedule=None, tags=["zeek", "conn", "backfill"])
