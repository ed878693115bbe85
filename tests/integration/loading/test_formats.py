"""How rejected lines were read is kept once for all of them, and whatever shows or replays a line finds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.history import maintenance
from etl.loading.formats import digest_of
from etl.models import Format
from etl.settings import Settings
from tests.integration.conftest import Ask, Command
from tests.logs import flow, flows, tsv, write

NAMES, BAD = 5_000, 8_000
LENIENT = {"attempts": 1, "error_budget_share": 1.0, "error_budget_rows": 10_000}


def wide(rows: int, bad: int, names: int = NAMES) -> bytes:
    """A TSV log with further columns, whose last rows have an address that is none."""
    head = tsv([]).decode().split("\n")[:8]
    head[6] += "".join(f"\tlong_column_name_{number}" for number in range(names))
    head[7] += "\tstring" * names
    lines = tsv([*flows(rows), *flows(bad, rows, id_resp_h="8.8.8.999")]).decode().split("\n")[8:-2]
    return "\n".join([*head, *(line + "\t-" * names for line in lines), ""]).encode()


def test_a_header_of_thousands_of_names_is_kept_once_beside_thousands_of_bad_lines(
    database_url: str, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    """Each line had its own copy: a file of 25 kB took 2.6 GB, and then was refused."""
    store = Store.open(database_url, Settings.model_validate(LENIENT))
    path = write(tmp_path / "conn.log.gz", wide(BAD + 1, BAD, 500))
    (result,) = pipeline.ingest(store, [str(path)]).results
    assert (result.state, result.rows_loaded, result.rows_quarantined) == ("published", BAD + 1, BAD)
    ((digest, stored),) = ask("SELECT digest, format FROM etl.quarantine_format")
    assert ask("SELECT DISTINCT format_digest FROM etl.quarantine") == [(digest,)]
    assert len(stored["fields"]) == 22 + 500
    (size,) = ask("SELECT pg_column_size(format) FROM etl.quarantine_format")
    assert size[0] < 50_000
    assert faults() == []


@pytest.mark.parametrize(
    "one",
    [
        Format(kind="json"),
        Format(kind="json", wrapping=("key:_source", "syslog")),
        Format(
            kind="tsv", separator="\t", set_separator=",", empty_field="(empty)", unset_field="-", path="conn",
            fields=("ts", 'quo"te', "caf\u00e9", "back\\slash", "\u2028", "tab\there", "\x7f", "\x01"),
            types=("time",),
        ),
    ],
)  # fmt: skip
def test_a_digest_is_that_of_the_text_which_the_server_makes_of_the_format(one: Format, ask: Ask) -> None:
    """Lines of an older version were moved by SQL: the same header must not be kept twice."""
    text = json.dumps(one.as_json())
    ((by_server,),) = ask("SELECT sha256(convert_to(CAST(:text AS jsonb)::text, 'UTF8'))", text=text)
    assert digest_of(one) == bytes(by_server)


def test_show_list_export_and_replay_know_how_a_line_was_read(
    ask: Ask, command: Command, tmp_path: Path
) -> None:
    write(tmp_path / "a.log", wide(3, 2, names=3))
    write(tmp_path / "b.log", tsv([*flows(3, 50), flow(60, orig_pkts="many"), flow(61, conn_state="REG")]))
    assert command("ingest", tmp_path / "a.log", tmp_path / "b.log").returncode == 0
    assert ask("SELECT count(*) FROM etl.quarantine_format") == [(2,)]
    listed = json.loads(command("quarantine", "list", "--json").stdout)["lines"]
    assert [(line["field"], line["value"]) for line in listed] == [
        ("id.resp_h", "8.8.8.999"), ("id.resp_h", "8.8.8.999"), ("orig_pkts", "many"), ("conn_state", "REG"),
    ]  # fmt: skip
    shown = json.loads(command("quarantine", "show", listed[0]["quarantine_id"], "--json").stdout)
    assert shown["format"]["fields"][-1] == "long_column_name_2"
    lines = command("quarantine", "export", "--as-log").stdout.splitlines()
    assert [line.split("\t")[-1] for line in lines if line.startswith("#fields")] == [
        "long_column_name_2", "ip_proto"
    ]  # fmt: skip
    severity = json.dumps({"enum.network_connection_state": "warning"})
    done = command(
        "quarantine", "replay", "--all", "--why", "a test", "--json", CONN_ETL_RULE_SEVERITY=severity
    )
    assert json.loads(done.stdout)["outcomes"] == {"still_bad": 3, "published": 1}


def test_a_format_that_no_line_needs_is_deleted_after_a_day(
    database_url: str, ask: Ask, tmp_path: Path
) -> None:
    settings = Settings.model_validate({**LENIENT, "keep_quarantine": timedelta(0)})
    store = Store.open(database_url, settings)
    write(tmp_path / "a.log", wide(3, 2, names=3))
    write(tmp_path / "b.log", tsv([*flows(3, 50), flow(60, orig_pkts="many")]))
    pipeline.ingest(store, [str(tmp_path / "a.log"), str(tmp_path / "b.log")])
    ask("UPDATE etl.quarantine SET state = 'discarded', resolved_at = now() WHERE field = 'orig_pkts'")
    maintenance.prune(store)
    assert ask("SELECT count(*) FROM etl.quarantine_format") == [(2,)]
    ask("UPDATE etl.quarantine_format SET used_at = now() - interval '2 days'")
    maintenance.prune(store)
    ((kept,),) = ask("SELECT format FROM etl.quarantine_format")
    assert kept["fields"][-1] == "long_column_name_2"
    pipeline.ingest(store, [str(tmp_path / "b.log")], replace=True)
    assert ask("SELECT count(*) FROM etl.quarantine_format") == [(2,)]
