"""Check what was loaded after it was published, keep a report, and send alerts for new critical problems.

### When it runs
On the asset `zeek_conn` (an hourly run that added rows emits it), and at 00:30 UTC every day, so that a day without any
row is noticed too.

### What it does
1. **days** takes the UTC days from the asset's events; without an event, the days touched since yesterday.
2. **check**, once a day: measures the day, runs the suites of `expectations/` that look after publish
   (`conn_consistency`, `conn_batch`), and stores the verdicts in `etl.expectation_result`. They only warn.
3. **report** renders the report on the last `CONN_ETL_REPORT_DAYS` days of rows and keeps it in `etl.report`; the page
   *zeek-quality* shows it.
4. **tell** collects the open problems (files refused or failed, failed critical rules, missing windows, sensors that
   are behind, growth of the quarantine, low disk space) and hands the pending ones to the notifier in
   `CONN_ETL_NOTIFIER`. `conn_ingest` does the same at the end of each hour.

### The notifier
Any of Airflow's, by its class and arguments; the arguments may use `{{ problems }}` (one line each) and `{{ title }}`:

    CONN_ETL_NOTIFIER='{"class": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
                        "arguments": {"to": "ops@example.org", "subject": "{{ title }}",
                                      "html_content": "{{ problems }}"}}'

Without one, problems stand in the log of **tell** and on the page.

### When it is red
A suite could not be evaluated, or the notifier failed: its problems stay pending, and the next run sends them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, get_current_context, task

from etl.airflow.steps import failed_tasks, final, log, new_dag, open_store
from etl.airflow.versions import AirflowFailException, AssetOrTimeSchedule, CronTriggerTimetable

if TYPE_CHECKING:
    from etl.database.store import Store

LOOK_BACK = timedelta(hours=25)
MOST_DAYS = 60
STATEMENT_LIMIT = timedelta(minutes=110)
DEFAULTS: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "execution_timeout": timedelta(hours=2),
}


def _store() -> Store:
    """The database behind ``conn_postgres``."""
    return open_store(STATEMENT_LIMIT)


@task
@final
def days(triggering_asset_events: Any = None) -> list[str]:
    """The days to check, newest first: those of the events, else those touched lately."""
    from etl.quality import day_checks

    found: set[str] = set()
    for events in (triggering_asset_events or {}).values():
        for event in events:
            found.update((event.extra or {}).get("days", ()))
    if not found:
        since = datetime.now(UTC) - LOOK_BACK
        found = {str(day) for day in day_checks.touched_days(_store(), since, MOST_DAYS)}
    return sorted(found, reverse=True)[:MOST_DAYS]


@task(map_index_template="{{ day_label }}")
@final
def check(day: str, run_id: str) -> int:
    """Run the suites after publish over one day; returns how many rules found something."""
    from etl.quality import day_checks

    # set first: an undefined label fails a task after its work
    get_current_context()["day_label"] = day  # type: ignore[typeddict-unknown-key]
    verdicts = day_checks.check_day(_store(), date.fromisoformat(day), run_id)
    for verdict in verdicts:
        if verdict.failed:
            log.info(f"{verdict.suite}/{verdict.rule}: {verdict.failed:,} of {verdict.rows:,}")
    return sum(verdict.failed > 0 for verdict in verdicts)


@task(trigger_rule="all_done")
@final
def report(run_id: str) -> int:
    """Render the report and keep it in the database: a worker's disk is not the api-server's. Returns its number."""
    from etl import report as reports
    from etl.monitoring import windows

    store = _store()
    with store.session() as connection:
        newest = reports.newest_row(connection)
        since = newest - timedelta(days=store.settings.report_days) if newest else None
        made = reports.build(connection, since, expected=windows.expected(connection, store.settings))
    with store.loading() as connection:
        return reports.keep(connection, made, run_id)


@task(trigger_rule="all_done")
@final
def tell(**context: Any) -> list[str]:
    """Hand new critical problems to the notifier, if there is one; fails when a task before it failed."""
    from etl.monitoring import alerts

    new = alerts.notify(_store(), context)
    for problem in new:
        log.info(problem.what)
    if failed := failed_tasks(context["ti"], context["run_id"]):
        raise AirflowFailException(f"{', '.join(failed)} failed: see the log of each")
    return [problem.what for problem in new]


def conn_quality() -> DAG:
    """Make the DAG."""
    daily = CronTriggerTimetable("30 0 * * *", timezone="UTC")
    with new_dag(
        "conn_quality",
        doc=__doc__,
        title="Zeek conn: data quality",
        schedule=AssetOrTimeSchedule(timetable=daily, assets=[Asset("zeek_conn")]),
        tags=["quality"],
        defaults=DEFAULTS,
    ) as dag:
        check.expand(day=days()) >> report() >> tell()  # type: ignore[call-arg, misc]
    return dag
