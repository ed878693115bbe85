"""The real DAG on the real database: what a run loads, says and turns red for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dags.conftest import Airflow, ask
from tests.logs import flow, flows, json_lines, tsv, write

DAY = "2026-03-01"
STEPS = ("batch.stage[0]", "batch.validate[0]", "batch.publish[0]")


def hour(number: int, minutes: str = "00") -> str:
    """A rotated log's name."""
    return f"conn.{number:02}:{minutes}:00-{number + 1:02}:{minutes}:00.log"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three hours: TSV, gzipped JSON, and one with two bad lines."""
    folder = tmp_path / DAY
    write(folder / hour(8), tsv(flows(40)))
    write(folder / f"{hour(9)}.gz", json_lines(flows(40, 100)))
    write(folder / hour(10), tsv([*flows(40, 200), flow(240, orig_pkts="many"), flow(241, conn_state="REG")]))
    return tmp_path


def test_a_run_loads_what_waits_and_the_next_one_nothing(
    airflow: Airflow, database_url: str, logs: Path
) -> None:
    first = airflow.run(database_url, logs)
    assert (first.state, first.failures) == ("success", [])
    assert ask(database_url, "SELECT count(*) FROM zeek.conn") == [(120,)]
    assert ask(database_url, "SELECT DISTINCT run_id, state FROM etl.file") == [(first.run_id, "published")]
    assert first.tasks["batch.stage[0]"]["label"] == "batch 1"
    extra = {"rows": 120, "batches": [1], "days": [DAY], "run_id": first.run_id}
    assert first.events == [{"asset": "zeek_conn", "extra": extra}]
    assert ask(database_url, "SELECT kind, ended_at IS NOT NULL FROM etl.run") == [("dag", True)]

    second = airflow.run(database_url, logs)
    assert (second.state, second.events) == ("success", [])
    assert second.states("batch.stage", "announce", "close") == ["skipped", "skipped", "success"]
    assert ask(database_url, "SELECT count(*) FROM zeek.conn") == [(120,)]

    write(logs / DAY / f"again-{hour(8)}", tsv(flows(40)))
    third = airflow.run(database_url, logs)
    assert (third.state, third.events, third.states("announce")) == ("success", [], ["skipped"])
    assert ask(database_url, "SELECT count(*) FROM etl.file WHERE state = 'known'") == [(1,)]


def test_one_unreadable_file_of_five_is_one_red_run(airflow: Airflow, database_url: str, logs: Path) -> None:
    write(logs / DAY / hour(11), tsv(flows(40, 300)))
    broken = write(logs / DAY / f"{hour(12)}.gz", b"")
    broken.write_bytes(b"\x1f\x8b\x08" + b"\x00" * 40)
    first = airflow.run(database_url, logs)
    assert first.state == "failed"
    assert first.states(*STEPS, "announce", "close") == [*["success"] * 4, "failed"]
    assert len(first.failures) == 1
    assert first.failures[0].startswith(f"close: {broken} ")
    assert first.events[0]["extra"]["rows"] == 160
    states = "SELECT state, count(*)::int FROM etl.file GROUP BY state ORDER BY state"
    (bad, four) = ask(database_url, states)
    assert bad[0] in {"failed", "refused"}
    assert four == ("published", 4)
    before = ask(database_url, "SELECT quarantine_id, etl_line FROM etl.quarantine ORDER BY 1")
    assert len(before) == 2
    assert {airflow.run(database_url, logs).state for _ in range(10)} == {"success"}
    assert ask(database_url, "SELECT quarantine_id, etl_line FROM etl.quarantine ORDER BY 1") == before
    assert ask(database_url, "SELECT count(*) FROM zeek.conn") == [(160,)]


def test_batches_are_bounded_and_each_goes_its_own_way(
    airflow: Airflow, database_url: str, logs: Path
) -> None:
    damage = {"step": "validate", "url": database_url, "sql": "DROP TABLE {stage}"}
    run = airflow.run(database_url, logs, env={"CONN_ETL_BATCH_FILES": "1"}, damage=damage)
    assert run.state == "success"
    labels = {ti["label"] for name, ti in run.tasks.items() if name.startswith("batch.publish")}
    assert labels == {"batch 1", "batch 2", "batch 3"}
    assert sorted(ti["tries"] for name, ti in run.tasks.items() if "validate" in name) == [1, 1, 2]
    assert run.events[0]["extra"]["batches"] == [1, 2, 3]


def test_since_and_until_choose_by_the_files_window(airflow: Airflow, database_url: str, logs: Path) -> None:
    span = {"since": f"{DAY}T09:00:00Z", "until": f"{DAY}T12:00:00+02:00"}
    run = airflow.run(database_url, logs, conf=span)
    assert run.state == "success"
    assert ask(database_url, "SELECT path FROM etl.file") == [(str(logs / DAY / f"{hour(9)}.gz"),)]
    arguments = ask(database_url, "SELECT arguments FROM etl.run")[0][0]
    assert arguments["path"] == str(logs)
    assert arguments["since"] == f"{DAY} 09:00:00+00:00"


def test_a_run_without_an_interval_takes_the_folder_of_the_settings(
    airflow: Airflow, database_url: str, logs: Path
) -> None:
    run = airflow.run(database_url, interval=False, env={"CONN_ETL_LOG_DIR": str(logs)})
    assert (run.state, run.interval) == ("success", ["None", "None"])
    assert ask(database_url, "SELECT count(*) FROM zeek.conn") == [(120,)]


def test_the_backfill_is_the_same_flow(airflow: Airflow, database_url: str, logs: Path) -> None:
    assert airflow.run(database_url, logs, dag_id="conn_backfill").state == "success"
    assert airflow.run(database_url, logs).events == []


def test_files_that_another_run_has_claimed_are_left_to_it(
    airflow: Airflow, database_url: str, logs: Path
) -> None:
    from etl import pipeline
    from etl.database.store import Store
    from etl.settings import Settings

    other = Store.open(database_url, Settings())
    pipeline.begin(other, "backfill", "dag", {})
    (batch_id,) = pipeline.discover(other, "backfill", [str(logs / DAY / hour(8))])
    assert airflow.run(database_url, logs).events[0]["extra"]["rows"] == 80
    assert pipeline.publish(other, batch_id)["rows_loaded"] == 40


def test_a_missing_folder_is_red_at_the_first_try(
    airflow: Airflow, database_url: str, tmp_path: Path
) -> None:
    run = airflow.run(database_url, tmp_path / "gone")
    assert run.state == "failed"
    assert run.tasks["discover"] == {"state": "failed", "tries": 1, "label": None}
    assert run.failures[0].startswith(f"discover: {tmp_path / 'gone'}")
    assert run.failures[1] == "close: task discover failed: see its log"
    assert run.events == []


def test_no_folder_at_all_says_what_to_set(airflow: Airflow, database_url: str) -> None:
    assert "CONN_ETL_LOG_DIR" in airflow.run(database_url).failures[0]


def test_a_database_without_schema_is_red_with_the_way_out(
    airflow: Airflow, empty_database_url: str, logs: Path
) -> None:
    run = airflow.run(empty_database_url, logs)
    assert run.state == "failed"
    assert "conn-etl migrate" in run.failures[0]


def test_a_file_that_has_to_settle_is_named_and_now_takes_it(
    airflow: Airflow, database_url: str, tmp_path: Path
) -> None:
    waits = write(tmp_path / "fresh.log", json_lines(flows(40)))
    before = airflow.log.stat().st_size
    run = airflow.run(database_url, tmp_path)
    assert (run.state, run.states("announce")) == ("success", ["skipped"])
    said = airflow.log.read_text()[before:]
    assert "1 file listed: 0 taken (0 bytes, 0 batches), 1 waiting, 0 final before" in said
    assert f"waits: {waits}: it may still be written to" in said
    now = airflow.run(database_url, tmp_path, conf={"now": True})
    assert now.events[0]["extra"]["rows"] == 40


def test_the_logs_of_tasks_name_each_file_and_little_else(
    airflow: Airflow, database_url: str, logs: Path
) -> None:
    before = airflow.log.stat().st_size
    airflow.run(database_url, logs)
    said = airflow.log.read_text()[before:]
    for name, good in ((hour(8), 40), (f"{hour(9)}.gz", 40), (hour(10), 41)):
        assert f"{name}: staged, {good + (name == hour(10))} read, {good} good, " in said
    assert f"{hour(10)}: published, 42 read, 40 loaded, 0 duplicate, 2 quarantined" in said
    assert "great_expectations" not in said


@pytest.mark.parametrize("conf", [{"since": "yesterday"}, {"until": 7}, {"path": ["/a"]}])
def test_params_are_checked_before_the_run(
    airflow: Airflow, database_url: str, conf: dict[str, object]
) -> None:
    run = airflow.run(database_url, conf=conf)
    assert run.error is not None
    assert "ParamValidationError" in run.error


REFUSING = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM etl.file WHERE etl_file_id = new.etl_file_id AND path = '{path}') THEN
        RAISE EXCEPTION 'not this one' USING ERRCODE = '22000';
    END IF;
    RETURN new;
END $$;
GRANT EXECUTE ON FUNCTION public.refuse() TO public;
CREATE TRIGGER refuse BEFORE INSERT ON zeek.conn FOR EACH ROW EXECUTE FUNCTION public.refuse();
"""


def test_a_file_that_the_database_refuses_is_one_red_run_and_stops_no_other(
    airflow: Airflow, database_url: str, logs: Path
) -> None:
    bad = logs / DAY / f"{hour(9)}.gz"
    ask(database_url, REFUSING.format(path=bad))
    first = airflow.run(database_url, logs)
    assert first.state == "failed"
    assert first.states(*STEPS, "announce", "close") == [*["success"] * 4, "failed"]
    assert [failure.startswith(f"close: {bad} ") for failure in first.failures] == [True]
    assert first.events[0]["extra"]["rows"] == 80
    states = "SELECT state, kind, count(*)::int FROM etl.file GROUP BY state, kind ORDER BY state"
    assert ask(database_url, states) == [("failed", "unforeseen", 1), ("published", None, 2)]
    write(logs / DAY / hour(11), tsv(flows(40, 300)))
    second = airflow.run(database_url, logs)
    assert (second.state, second.events[0]["extra"]["rows"]) == ("success", 40)


def test_the_param_path_names_what_the_settings_allow_and_no_credentials(
    airflow: Airflow, database_url: str, logs: Path
) -> None:
    outside = airflow.run(database_url, logs, env={"CONN_ETL_ALLOWED_PATHS": '["/srv/zeek", "s3://"]'})
    assert (outside.state, outside.states("batch.stage")) == ("failed", ["upstream_failed"])
    assert "CONN_ETL_ALLOWED_PATHS" in str(outside.failures)
    secret = airflow.run(database_url, conf={"path": "s3://key:sesame@bucket/logs"})
    assert secret.state == "failed"
    assert "s3://***@bucket/logs" in str(secret.failures)
    assert ask(database_url, "SELECT count(*) FROM etl.run WHERE arguments::text LIKE '%sesame%'") == [(0,)]
    within = airflow.run(database_url, logs, env={"CONN_ETL_ALLOWED_PATHS": f'["{logs}"]'})
    assert (within.state, within.failures) == ("success", [])
