"""Load every rotated Zeek conn log that waits, once an hour, into `zeek.conn`.

**Backfills by date mean nothing here.** A run takes all files that wait, whatever its date: the file names say which
hours they hold, not Airflow's data interval. To load old logs trigger `conn_backfill`; to load a folder now, trigger
this DAG with `path` (and `now`, if its files were written within the last minutes).

### What it does
1. **discover** lists the log folder, enters new files into the ledger (`etl.file`), claims all complete files
   without a final state for this run and cuts them into batches. Files that were late, or left over by a
   failed run, are among them: windows are never skipped, and nothing is loaded twice. Its log and its XCom
   `scan` say which files it took, and which wait, why and until when.
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
| `now` | take files that may still be written to, without the wait of `CONN_ETL_SETTLE_AFTER` (5 minutes) |

### A green run that loaded nothing
Nothing was new, or the files have to settle: a file without `#close` at its end, whose name does not say that its
window is over, is taken when it has not changed for `CONN_ETL_SETTLE_AFTER`. **discover** says so for each, and
`conn-etl status` has a line *waiting*. The next run takes them; with `now` this one does.

### Object stores
Credentials come from the workers' environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, a profile, a role), or from a
connection `conn_logs` of type `aws`, if there is one.

### When it is red
The good files are in the table in any case. The log of **close** has the reasons:

- *a file was refused or failed*: it is another kind of file, unreadable, or has too many bad rows. The run in
  which this happens is red, later ones are not. Look with `conn-etl status` and `conn-etl quarantine list`,
  fix the file (a changed file is taken by the next run) or load it as it is with `conn-etl ingest --retry`
  or `--accept`.
- *a task failed*: its own log says why. A transient problem (a lock, a server that restarts, a full disk) has
  been tried five times by then; once it is solved, the next run takes the same files. Clearing the task works
  too.
- *discover failed*: the folder or the database is not what the settings say; run `conn-etl doctor`.

A task that stays *scheduled* without end waits for a pool that does not exist: `airflow pools import
dags/pools.json`.

### Quarantined rows do not make it red
They are counted in the ledger and wait in `etl.quarantine` with line, bytes and reason.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, AssetAlias, Param, get_current_context, task, task_group

from etl.airflow.steps import failed_tasks, final, log, new_dag, open_store, say, use_storage
from etl.airflow.versions import (
    BACKOFF,
    AirflowFailException,
    AirflowSkipException,
    CronDataIntervalTimetable,
)

if TYPE_CHECKING:
    from airflow.sdk.execution_time.context import OutletEventAccessors
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from etl.database.store import Store

ZEEK_CONN = Asset("zeek_conn")
"""The table; an event for each run that added rows, with extra {rows, batches, days, run_id}."""

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
    "retry_exponential_backoff": BACKOFF,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": STEP_LIMIT,
    # Later steps first: batches are finished, and their staging dropped, before the next ones are staged.
    "weight_rule": "upstream",
}


def _param(description: str, **schema: Any) -> Param:
    return Param(None, type=["null", "string"], description=description, **schema)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _store() -> Store:
    """The database, and access to the logs."""
    use_storage()
    return open_store(STATEMENT_LIMIT)


def _impatient(store: Store) -> Store:
    """The same database, with settings by which no file has to settle."""
    settings = store.settings.model_copy(update={"settle_after": timedelta(0)})
    return replace(store, settings=settings)


@task(outlets=[LOGS])
@final
def discover(
    params: dict[str, Any], run_id: str, outlet_events: OutletEventAccessors, ti: RuntimeTaskInstance
) -> list[int]:
    """Claim the files that wait for this run, cut into batches; a retry claims them again."""
    from etl import pipeline, source
    from etl.database import airflow as names
    from etl.errors import Misuse

    store = _impatient(_store()) if params["now"] else _store()
    if not (path := params["path"] or store.settings.log_dir):
        raise Misuse("no folder of logs was given", hint="set the param path, or CONN_ETL_LOG_DIR")
    if params["path"]:
        source.require_allowed(path, store.settings.allowed_paths)
    since, until = _moment(params["since"]), _moment(params["until"])
    asked = {"path": path, "since": since, "until": until, "now": params["now"], "dag": ti.dag_id}
    pipeline.begin(store, run_id, "dag", asked)

    def report(found: pipeline.Discovered) -> None:
        say(found.lines())
        ti.xcom_push(key="scan", value=found.as_dict())

    batches = pipeline.discover(store, run_id, [str(path)], since=since, until=until, report=report)
    if batches:
        outlet_events[LOGS].add(
            Asset(names.asset_of_logs(str(path))), extra={"batches": len(batches), "run_id": run_id}
        )
    return batches


@task_group
def batch(batch_id: int) -> None:
    """One batch of files, from their bytes to ``zeek.conn``."""

    @task(map_index_template="{{ batch_label }}")
    @final
    def stage(batch_id: int) -> dict[str, int]:
        """Read the files into staging."""
        from etl import pipeline

        _label(batch_id)
        return pipeline.stage(_store(), batch_id)

    @task(map_index_template="{{ batch_label }}")
    @final
    def validate(batch_id: int) -> dict[str, int]:
        """Run the Great Expectations suites over staging."""
        from etl import pipeline

        _label(batch_id)
        return pipeline.validate(_store(), batch_id)

    @task(map_index_template="{{ batch_label }}")
    @final
    def publish(batch_id: int) -> dict[str, int]:
        """Rows, quarantine and ledger in one transaction."""
        from etl import pipeline
        from etl.monitoring import run_summary

        _label(batch_id)
        store, began = _store(), time.monotonic()
        done = pipeline.publish(store, batch_id)
        log.info("batch %s: %s files in %.1f s", batch_id, done["files"], time.monotonic() - began)
        with store.session() as connection:
            say(run_summary.batch_lines(connection, batch_id))
            log.info(run_summary.progress(connection, get_current_context()["run_id"]))
        return done

    stage(batch_id) >> validate(batch_id) >> publish(batch_id)


def _label(batch_id: int) -> None:
    """What the grid shows for a map index; set first: an undefined label fails a task after its work."""
    get_current_context()["batch_label"] = f"batch {batch_id}"  # type: ignore[typeddict-unknown-key]


@task(trigger_rule="all_done", inlets=[LOGS], outlets=[ZEEK_CONN, TABLE])
@final
def announce(run_id: str, outlet_events: OutletEventAccessors) -> None:
    """Emit ``zeek_conn`` once for the run; without rows skip, since only a skipped task emits nothing."""
    from etl.database import airflow as names
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
    outlet_events[TABLE].add(Asset(names.asset_of_table(store.url.render_as_string())), extra=extra)


@task(trigger_rule="all_done")
@final
def close(run_id: str, ti: RuntimeTaskInstance, **context: Any) -> None:
    """End the run, and fail it when a task failed or a file became refused or failed in it."""
    from etl import pipeline
    from etl.monitoring import windows

    store = _store()
    problems = pipeline.end(store, run_id)
    with store.session() as connection:
        say(windows.remarks(connection, store.settings))
    if store.settings.notifier:
        _notify(store, context)
    reasons = [f"{file['path']} {file['state']}: {file['reason']}" for file in problems]
    reasons += [f"task {name} failed: see its log" for name in failed_tasks(ti, run_id)]
    if reasons:
        more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
        raise AirflowFailException("\n".join([*reasons[:SHOWN], *more]))


def _notify(store: Store, context: dict[str, Any]) -> None:
    """Send lag and missing windows, which must not wait for rows as conn_quality does; what fails is sent next time."""
    from etl.monitoring import alerts

    try:
        alerts.notify(store, context)
    except Exception as error:  # noqa: BLE001  a notifier may raise anything, and the rows are in
        log.warning("the notifier failed: %r", error, exc_info=True)


def _conn_dag(dag_id: str, **options: Any) -> DAG:
    params = {
        "path": _param("A log, a folder of logs or a URL, as the workers see it; empty: CONN_ETL_LOG_DIR"),
        "since": _param("Only files whose window ends after this moment", format="date-time"),
        "until": _param("Only files whose window begins before this moment", format="date-time"),
        "now": Param(
            default=False, type="boolean", description="Take files that may still be written to, too"
        ),
    }
    with new_dag(dag_id, defaults=DEFAULTS, params=params, **options) as dag:
        batch.expand(batch_id=discover()) >> announce() >> close()  # type: ignore[misc, call-arg]
    return dag


BACKFILL = """Load old Zeek conn logs into `zeek.conn`, by hand, beside the hourly `conn_ingest`.

The same steps and params as `conn_ingest` (its page says what they do and what red means), without a schedule
and with its own pool, so that years of logs do not keep the hourly run waiting. The two never take the same file:
**discover** claims files for its run. *Backfill* by Airflow's dates is not for this DAG either: choose files by `path`,
`since` and `until`.

One run takes up to `CONN_ETL_MAX_BATCHES` batches (1,000); trigger it again until it finds nothing. Progress, rate and
time left stand in the log of each **publish**. Stop it whenever you like (mark the run as failed): what is
published stays, and the next run goes on from there. A stopped task needs some seconds to end: a run that starts
before leaves its batch out, so trigger one more when files are still open (`conn-etl status`).
"""


def conn_ingest() -> DAG:
    """Make the hourly DAG."""
    hourly = CronDataIntervalTimetable("0 * * * *", timezone="UTC")
    return _conn_dag(
        "conn_ingest", doc=__doc__, title="Zeek conn: hourly load", schedule=hourly, tags=["ingest"]
    )


def conn_backfill() -> DAG:
    """Make the DAG that is triggered by hand."""
    return _conn_dag(
        "conn_backfill", doc=BACKFILL, title="Zeek conn: load old logs", schedule=None, tags=["backfill"]
    )
