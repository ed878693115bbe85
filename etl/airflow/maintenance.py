"""Keep history in shape: rollups, sealed days, retention, pruning.

### When it runs
On the asset `zeek_conn` (an hourly run that added rows emits it), and at 01:15 UTC every day.

### What it does
1. **rollups** recomputes the hours that publishes, replays, replaces and unloads have marked, each in one transaction:
   `zeek.conn_hour`, and the top addresses of sealed days that changed.
2. **seal** gives days that ended `CONN_ETL_SEAL_AFTER` (12 hours) ago their further indexes, statistics and top
   addresses. Late rows still come in. A day that a waiting file may bring rows to is left for later.
3. **archive** exports sealed days that are new or changed to the archive (`CONN_ETL_ARCHIVE_URL`; without it there is
   nothing to do), and removes files that it no longer needs.
4. **retire** drops whole days by age (`CONN_ETL_KEEP_DAYS`) or size (`CONN_ETL_KEEP_BYTES`); unless one of them is set
   it drops nothing. With an archive only days that it holds as they are. The ledger remembers, rollups stay, later rows
   of such a day go to quarantine as `expired`.
5. **prune** drops staging that nobody will come back to, settled lines of quarantine after `CONN_ETL_KEEP_QUARANTINE`
   and verdicts after `CONN_ETL_KEEP_RESULTS`; these too are kept unless set.
6. **clean_airflow** deletes Airflow's runs (`airflow db clean`, for all DAGs) and task logs older than
   `CONN_ETL_KEEP_AIRFLOW`; unless that is set it is skipped. A task may not see Airflow's database, so
   `CONN_ETL_AIRFLOW_DATABASE_URL` names it where `airflow.cfg` does not. Log files are those of this worker's machine.

Loads and questions go on beside all of it: indexes are built and days detached `CONCURRENTLY`, which waits for them.
`conn-etl rollups` and `conn-etl partitions list|ensure|seal|drop` do the same by hand.

### When it is red
- *permission denied to set role "conn_owner"*: **seal** and **retire** act as the owner of the tables. Let the user of
  `conn_postgres` do so (`GRANT conn_owner TO … WITH INHERIT FALSE`), or run both by hand as the owner.
- *another process maintains the database*: somebody does the same by hand; the next try or run goes on.
- *airflow db clean failed*: set `CONN_ETL_AIRFLOW_DATABASE_URL`.
- A step that was killed half-way is finished by the next one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, task

from etl.airflow.steps import final, new_dag, open_store
from etl.airflow.versions import BACKOFF, AirflowSkipException, AssetOrTimeSchedule, CronTriggerTimetable

if TYPE_CHECKING:
    from etl.database.store import Store

STATEMENT_LIMIT = timedelta(minutes=350)
DEFAULTS: dict[str, Any] = {
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": BACKOFF,
    "execution_timeout": timedelta(hours=6),
}


def _store() -> Store:
    """The database behind ``conn_postgres``; an index of a large day may take long."""
    return open_store(STATEMENT_LIMIT)


@task
@final
def rollups() -> dict[str, int]:
    """Recompute what is marked."""
    from etl.history import maintenance

    hours, days = maintenance.refresh(_store())
    return {"hours": hours, "days": days}


@task
@final
def seal() -> list[str]:
    """Seal the days that are closed."""
    from etl.history import maintenance

    return [day.isoformat() for day in maintenance.seal(_store())]


@task
@final
def archive() -> list[str]:
    """Export the days that are due to the archive, where one is configured."""
    from etl.archive.cleanup import cleanup
    from etl.archive.export import export

    store = _store()
    if store.settings.archive_url is None:
        return []
    days = [done.day.isoformat() for done in export(store)]
    cleanup(store)
    return days


@task
@final
def retire() -> list[str]:
    """Drop the days that the settings let go, and those whose drop was interrupted."""
    from etl.history import maintenance

    store = _store()
    return [day.isoformat() for day in maintenance.drop(store, maintenance.expiring(store))]


@task
@final
def clean_airflow() -> dict[str, int]:
    """Delete Airflow's old runs and task logs."""
    from etl.airflow import cleaning

    settings = _store().settings
    if settings.keep_airflow is None:
        raise AirflowSkipException("CONN_ETL_KEEP_AIRFLOW is not set")
    return cleaning.clean(settings, settings.keep_airflow)


@task
@final
def prune() -> dict[str, int]:
    """Take away what is settled and old."""
    from etl.history import maintenance

    pruned = maintenance.prune(_store())
    return {"staging": pruned.staging, "results": pruned.results, "quarantine": pruned.quarantine}


def conn_maintenance() -> DAG:
    """Make the DAG; its pool has one slot, since the tasks share one lock in the database."""
    daily = CronTriggerTimetable("15 1 * * *", timezone="UTC")
    with new_dag(
        "conn_maintenance",
        doc=__doc__,
        title="Zeek conn: maintenance",
        schedule=AssetOrTimeSchedule(timetable=daily, assets=[Asset("zeek_conn")]),
        tags=["maintenance"],
        defaults=DEFAULTS,
    ) as dag:
        refreshed = rollups()
        refreshed >> seal() >> archive() >> retire()
        refreshed >> prune()
        clean_airflow()
    return dag
