"""``conn-etl query``, ``partitions`` and ``rollups`` as a person meets them: bounds, formats, rights, one line."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.database.store import Store
from etl.history import maintenance
from etl.query import formats
from tests.integration.conftest import Ask, Command
from tests.logs import START, flow, flows, tsv, write

SINCE = ("--since", "2026-03-01", "--until", "2026-03-02T00:00:00+00:00")
COUNT = 'SELECT count(*) AS n FROM zeek.conn WHERE "@timestamp" >= :since AND "@timestamp" < :until'


@pytest.fixture
def loaded(store: Store, tmp_path: Path) -> Store:
    """Thirty rows on 2026-03-01, three on the day after."""
    late = [flow(n, ts=f"{START + 86_400 + n}.0") for n in range(100, 103)]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv([*flows(30), *late])))])
    return store


@pytest.mark.usefixtures("loaded")
def test_a_question_is_answered_in_each_format(command: Command, tmp_path: Path) -> None:
    asked = ("query", "longest_connections", *SINCE, "--param", "most=2")
    as_json = json.loads(command(*asked, "--json").stdout)
    assert as_json["question"] == "longest_connections"
    assert [(row["event_uid"], row["event_duration"]) for row in as_json["rows"]] == [
        ("C00000000000000029", 29.25),
        ("C00000000000000028", 28.25),
    ]
    assert json.loads(command(*asked, "--format", "json").stdout) == as_json
    lines = list(csv.DictReader(io.StringIO(command(*asked, "--format", "csv").stdout)))
    assert list(lines[0]) == as_json["columns"]
    assert lines[0]["@timestamp"] == "2026-03-01T08:00:29.000029+00:00"
    assert command(*asked, "--format", "parquet", "--out", "answer.parquet").returncode == 0
    frame = pl.read_parquet(tmp_path / "answer.parquet")
    assert frame.columns == as_json["columns"]
    assert frame["@timestamp"].to_list()[0] == datetime(2026, 3, 1, 8, 0, 29, 29, tzinfo=UTC)
    assert frame.schema["dst_port"] == pl.Int32
    shown = command(*asked).stdout
    assert "C00000000000000029" in shown
    assert "2 rows" in shown


REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("top_talkers",), "a time bound is missing; give --since"),
    (("top_talkers", "--until", "2026-03-02"), "a time bound is missing"),
    (("SELECT count(*) FROM zeek.conn",), "it would read 2 days without a bound"),
    (("SELECT * FROM zeek.conn WHERE src_port = 1",), "it would read 2 days without a bound"),
    ((COUNT,), "the SQL asks for :since; give --since"),
    (("SELECT 1", *SINCE), "the SQL does not use the bounds given"),
    (("no_such_question", *SINCE), "there is no question no_such_question"),
    (("top_talkers", *SINCE, "--param", "most=many"), "most=many is no integer"),
    (("top_talkers", *SINCE, "--param", "least=1"), "top_talkers has no parameter least; it takes: most"),
    (("top_talkers", *SINCE, "--param", "most"), "--param most: no value"),
    (("host_timeline", *SINCE), "the parameter host is missing"),
    (("host_timeline", *SINCE, "--param", "host=10.0.0.300"), "host=10.0.0.300 is no inet"),
    (("top_talkers", "--since", "yesterdy"), "--since yesterdy is not a time; write it as 24h"),
    (
        ("top_talkers", "--since", "2026-03-01", "--until", "2026-03-01"),
        "--until 2026-03-01 00:00:00+00:00 is not after",
    ),
    (("top_talkers", "--since", "2126-03-01"), "--since 2126-03-01 00:00:00+00:00 is not before"),
    (("top_talker", *SINCE), "there is no question top_talker; did you mean top_talkers?"),
    (("SELECT 1; SELECT 2",), "a question is one SELECT, and this is select, select"),
    (("DELETE FROM zeek.conn",), "a question is one SELECT, and this is delete"),
    (("SELECT pg_sleep(20)", "--timeout", "0.2"), "took longer than 0.2 seconds"),
    (("SELECT 1", "--out", "x"), "a table is for the screen"),
]


@pytest.mark.usefixtures("loaded")
def test_what_is_refused_is_refused_in_one_line(command: Command) -> None:
    for arguments, said in REFUSED:
        result = command("query", *arguments)
        assert (result.returncode, result.stdout) == (2, ""), arguments
        assert said in result.stderr, arguments
        assert result.stderr.count("\n") == 1, arguments


@pytest.mark.usefixtures("loaded")
def test_bounds_all_and_a_uid(command: Command) -> None:
    def rows(*arguments: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(command("query", *arguments, "--json").stdout)["rows"]
        return found

    assert rows(COUNT, *SINCE) == [{"n": 30}]
    assert rows(COUNT, "--since", "2026-03-01T08:00:10") == [{"n": 23}]
    assert rows(COUNT, "--all") == [{"n": 33}]
    assert rows("SELECT count(*) AS n FROM zeek.conn;", "--all") == [{"n": 33}]
    assert rows("top_talkers", "--all", "--param", "most=1")[0]["connections"] == 1
    assert [row["event_uid"] for row in rows("uid_pivot", "--param", "uid=C00000000000000101")] == [
        "C00000000000000101"
    ]
    assert len(rows("SELECT * FROM zeek.conn WHERE event_uid = 'C00000000000000101'")) == 1
    assert rows("SELECT :word AS said", "--param", "word=it's") == [{"said": "it's"}]


@pytest.mark.usefixtures("loaded")
def test_rollup_questions_are_right_before_rollups_are_computed(command: Command, store: Store) -> None:
    def asked() -> tuple[str, list[int]]:
        done = command("query", "state_mix", "--since", "2026-03-01", "--json")
        return done.stderr, [row["connections"] for row in json.loads(done.stdout)["rows"]]

    assert asked() == ("", [30, 3])
    assert json.loads(command("rollups", "--json").stdout) == {"hours": 2, "days": 0}
    assert asked() == ("", [30, 3])
    assert maintenance.refresh(store) == (0, 0)


NOTED = [
    (("new_destinations", *SINCE), "no rows are loaded from 2026-01-30 00:00:00+00:00 to 2026-03-01"),
    (("new_destinations", "--since", "2026-03-02"), "the rows to compare with begin at 2026-03-01 08:00:00+00:00"),
    (("week_on_week", *SINCE), "there is nothing to compare with"),
    (("week_on_week", "--since", "2026-03-08", "--until", "2026-03-09"), ""),
    (
        ("top_talkers", "--since", "2026-05-01", "--until", "2026-05-02"),
        "loaded rows are from 2026-03-01 08:00:00+00:00 to 2026-03-02 08:01:42",
    ),
    (("scan_candidates", *SINCE), ""),
]  # fmt: skip


@pytest.mark.usefixtures("loaded")
def test_an_answer_says_what_it_could_not_know(command: Command) -> None:
    for arguments, said in NOTED:
        plain = command("query", *arguments)
        assert plain.returncode == 0, plain.stderr
        assert said in plain.stderr, arguments
        assert bool(plain.stderr) is bool(said), plain.stderr
        notes = json.loads(command("query", *arguments, "--json").stdout)["notes"]
        assert [f"note: {note}" for note in notes] == plain.stderr.splitlines()


def test_without_any_row_an_answer_says_so(command: Command) -> None:
    assert "nothing is loaded yet" in command("query", "top_talkers", "--since", "24h").stderr
    assert "nothing is loaded yet" in command("query", "state_mix").stderr


@pytest.mark.usefixtures("loaded")
def test_a_span_is_given_in_many_ways(command: Command) -> None:
    def count(*span: str) -> int:
        return int(json.loads(command("query", COUNT, *span, "--json").stdout)["rows"][0]["n"])

    assert count("--since", "2026-03-01 Europe/Berlin", "--until", "2026-03-02T08:30+01:00") == 30
    assert count("--since", "2026-03-01T09:00:10+01:00", "--until", "2026-03-01T09:00:12 Europe/Berlin") == 2
    assert count("--since", "7d") == count("--since", "yesterday", "--until", "now") == 0


def test_a_question_says_how_to_read_its_answer(command: Command) -> None:
    shown = command("query", "beacon_candidates", "--help").stdout
    assert shown.startswith("Which pairs connect at regular times")
    assert "time_score is the mean of two measures" in " ".join(shown.split())
    assert "--param score=DOUBLE_PRECISION  score at least (0.8 if not given)" in shown
    assert "Usage: conn-etl query" in command("query", "--help").stdout
    assert command("query", "becon_candidates", "--help").returncode == 2


@pytest.mark.usefixtures("loaded")
def test_tabs_and_lines_in_values_stay_one_cell_of_tsv(command: Command) -> None:
    sql = "SELECT E'a\\tb\\nc\\\\d' AS text, NULL AS none, true AS yes, 443 AS port"
    assert (
        command("query", sql, "--format", "tsv").stdout
        == "text\tnone\tyes\tport\na\\tb\\nc\\\\d\t\ttrue\t443\n"
    )


@pytest.mark.usefixtures("loaded")
def test_it_asks_as_the_reader_and_only_reads(command: Command, ask: Ask, database_url: str) -> None:
    who = json.loads(
        command(
            "query",
            "SELECT current_user AS who, current_setting('transaction_read_only') AS read_only",
            "--json",
        ).stdout
    )
    assert who["rows"] == [{"who": "conn_reader", "read_only": "on"}]
    assert "permission denied" in command("query", "SELECT nextval('etl.batch_id_seq')").stderr
    ask("CREATE TABLE zeek.hidden (a int)")
    assert "permission denied" in command("query", "SELECT * FROM zeek.hidden").stderr
    name = "asker_" + str(sa.engine.make_url(database_url).database)[-8:]
    ask(f"CREATE ROLE {name} LOGIN IN ROLE conn_reader")
    try:
        url = database_url.replace("postgres@", f"{name}@", 1)
        asked = command("query", COUNT, *SINCE, "--json", CONN_ETL_DATABASE_URL=url)
        assert json.loads(asked.stdout)["rows"] == [{"n": 30}]
    finally:
        ask(f"DROP ROLE {name}")


def test_the_questions_are_listed_with_their_parameters(command: Command) -> None:
    listed = json.loads(command("query", "--json").stdout)["questions"]
    by_name = {question["name"]: question for question in listed}
    assert len(listed) == 22
    assert by_name["host_timeline"]["parameters"][0] == {
        "name": "host",
        "type": "inet",
        "default": None,
        "what": "the address",
    }
    assert all(question["question"].endswith("?") and question["answer"] for question in listed)
    assert "beacon_candidates" in command("query").stdout


@pytest.mark.usefixtures("loaded")
def test_days_are_listed_made_sealed_and_dropped(command: Command) -> None:
    def said(*arguments: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads(command("partitions", *arguments, "--json").stdout)
        return found

    assert said("ensure", "2026-03-03", "2026-03-01") == {"made": ["2026-03-03"]}
    assert said("seal", "2026-03-01") == {"sealed": ["2026-03-01"]}
    assert said("seal") == {"sealed": ["2026-03-02", "2026-03-03"]}
    assert said("drop") == {"would_drop": {}, "days": []}
    assert said("drop", "2026-03-01")["would_drop"] == {"2026-03-01": "dropped by command"}
    assert said("drop", "2026-03-01", "--yes")["dropped"] == ["2026-03-01"]
    assert [(day["day"], day["state"]) for day in said("list")["days"]] == [  # type: ignore[index]
        ("2026-03-01", "dropped"),
        ("2026-03-02", "sealed"),
        ("2026-03-03", "sealed"),
    ]
    assert command("partitions", "drop", "2026-03-01", "--yes").returncode == 2
    assert "is not a day" in command("partitions", "seal", "yesterday").stderr


def test_numbers_of_any_size_and_odd_values_reach_each_format(store: Store) -> None:
    from etl.query import ask

    sql = """SELECT 170141183460469231731687303715884105727::numeric AS wild, 1.5::numeric AS part,
        NULL::numeric AS none, '{"a": [1]}'::jsonb AS object, ARRAY['x', 'y'] AS list, true AS yes,
        '2026-03-01'::date AS day, '10.0.0.0/8'::inet AS net, interval '90 seconds' AS span"""
    with store.session() as connection, ask.reading(connection, store.settings.query_timeout):
        (row,) = formats.as_object(ask.ask(connection, sql, {}), {})["rows"]
        frame = formats.frame(ask.ask(connection, sql, {}))
        text = io.StringIO()
        formats.write_csv(ask.ask(connection, sql, {}), text)
    assert (row["wild"], row["part"], row["none"], row["object"]) == (2**127 - 1, 1.5, None, {"a": [1]})
    assert (row["list"], row["yes"], row["day"], row["net"], row["span"]) == (
        ["x", "y"],
        True,
        "2026-03-01",
        "10.0.0.0/8",
        90.0,
    )
    assert frame["wild"].to_list() == [str(2**127 - 1)]
    assert frame["object"].to_list() == ['{"a": [1]}']
    assert text.getvalue().splitlines()[1].startswith(f'{2**127 - 1},1.5,,"{{""a"": [1]}}"')
