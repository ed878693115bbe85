"""Each rule of the settings reaches a mail server on loopback through Airflow's own notifier, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.dags.conftest import Airflow, ask
from tests.dags.sink import Sink, mail_sink
from tests.logs import flow, tsv, write

NOTIFIER = {
    "class": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
    "arguments": {"to": "ops@example.org", "subject": "{{ title }}", "html_content": "{{ problems }}"},
}
ALL = ("file", "gap", "lag", "quarantine", "disk")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with mail_sink() as listening:
        yield listening


def settings(sink: Sink, **more: str) -> dict[str, str]:
    connection = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": sink.port,
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "conn-etl@example.org"},
    }
    return {
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(connection),
        "CONN_ETL_NOTIFIER": json.dumps(NOTIFIER),
        "CONN_ETL_MAX_LAG": "PT3H",
        "CONN_ETL_MAX_QUARANTINE_GROWTH": "25",
        "CONN_ETL_LOW_DISK": str(1 << 60),
        **more,
    }


def logs(folder: Path) -> Path:
    """Three hours with a gap, the last one six hours ago; a file that is refused."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for ago in (10, 9, 7):
        start = now - timedelta(hours=ago)
        rows = [flow(ago * 1_000 + i, ts=f"{start.timestamp():.0f}.{i:06d}") for i in range(40)]
        name = f"conn.{start:%H}:00:00-{start + timedelta(hours=1):%H}:00:00.log"
        write(folder / f"{start:%Y-%m-%d}" / name, tsv(rows))
    write(folder / "refused.log", tsv([flow(i, conn_state="REG") for i in range(40)]))
    return folder


def test_lag_gap_refused_file_quarantine_and_disk_are_told_once(
    airflow: Airflow, database_url: str, sink: Sink, tmp_path: Path
) -> None:
    env = settings(sink)
    run = airflow.run(database_url, logs(tmp_path / "logs"), env=env)
    assert run.failures[0].startswith("close: ")
    (message,) = sink.messages
    assert (message["To"], message["From"]) == ("ops@example.org", "conn-etl@example.org")
    assert "new problems with Zeek conn logs" in message["Subject"]
    said = sink.bodies()
    for sentence in (
        "no log from",
        " UTC, 6:",  # how far behind
        "refused.log refused: not one of its 40 rows is good",
        "40 lines went to quarantine since",
        "MiB free on the server's disk",
    ):
        assert sentence in said, said
    told = ask(
        database_url, "SELECT split_part(problem, ':', 1) FROM etl.problem WHERE notified_at IS NOT NULL"
    )
    assert {kind for (kind,) in told} >= set(ALL)

    assert airflow.run(database_url, tmp_path / "logs", env=env).state == "success"
    assert len(sink.messages) == 1


@pytest.mark.parametrize("kind", ALL)
def test_only_what_the_settings_name_is_told(
    airflow: Airflow, database_url: str, sink: Sink, tmp_path: Path, kind: str
) -> None:
    airflow.run(
        database_url, logs(tmp_path / "logs"), env=settings(sink, CONN_ETL_ALERT_ON=json.dumps([kind]))
    )
    told = ask(
        database_url, "SELECT split_part(problem, ':', 1) FROM etl.problem WHERE notified_at IS NOT NULL"
    )
    assert {found for (found,) in told} == {kind}
    assert len(sink.messages) == 1
    standing = ask(database_url, "SELECT DISTINCT split_part(problem, ':', 1) FROM etl.problem")
    assert {found for (found,) in standing} >= set(ALL)


def test_a_sink_that_is_away_makes_no_good_run_red_and_is_told_later(
    airflow: Airflow, database_url: str, sink: Sink, tmp_path: Path
) -> None:
    folder = logs(tmp_path / "logs")
    (folder / "refused.log").unlink()
    away = settings(sink, AIRFLOW_CONN_SMTP_DEFAULT='{"conn_type": "smtp", "host": "127.0.0.1", "port": 9}')
    assert airflow.run(database_url, folder, env=away).state == "success"
    assert ask(database_url, "SELECT count(*) FROM etl.problem WHERE notified_at IS NOT NULL") == [(0,)]
    assert airflow.run(database_url, folder, env=settings(sink)).state == "success"
    assert len(sink.messages) == 1
