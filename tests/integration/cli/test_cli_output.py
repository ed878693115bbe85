"""What verbs say to people, who did not ask for ``--json``: their words, their tables, and the exit code with them."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli_output import Say
from tests.cli_output import say as say  # noqa: PLC0414  a fixture
from tests.integration.conftest import BINARY, Ask
from tests.logs import flow, flows, json_lines, tsv, write

COUNTS = "rows read {}   rows loaded {}   rows duplicate {}   rows quarantined {}"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with two bad rows among 22."""
    rows = [*flows(20), flow(20, conn_state="REG"), flow(21, id_orig_h="8.8.8.999")]
    return write(tmp_path / "logs" / "2026-03-01" / "conn.a.log", tsv(rows))


# --- ingest and unload ------------------------------------------------------------------------------------------------


def test_ingest_says_files_rows_and_where_the_bad_lines_are(say: Say, log: Path) -> None:
    first, again = say("ingest", log.parent), say("ingest", log.parent)
    files, counts, closing, *advice = first.out.splitlines()
    assert (first.code, files, counts, first.err) == (
        0,
        "1 file: 1 published",
        COUNTS.format(22, 20, 0, 2),
        "",
    )
    span = "2026-03-01 08:00 to 2026-03-01 08:00 UTC"
    assert re.fullmatch(rf"Loaded 20 rows from 1 file in [\d.]+ s \([\d,]+ rows/s\): {span}\.", closing)
    assert advice == [
        "2 rows are in quarantine, with the reason: conn-etl quarantine list",
        "Next: conn-etl report, or ask a question: conn-etl query",
        "Checked 1 day: every rule passed.",
    ]
    files, counts, closing = again.out.splitlines()
    assert (files, counts) == ("1 file: 1 published before", COUNTS.format(0, 0, 0, 0))
    assert re.fullmatch(r"No new row in [\d.]+ s\.", closing)


def test_ingest_names_what_it_refused_and_counts_the_rest(say: Say, log: Path) -> None:
    for number in range(22):
        write(log.parent / f"dns.{number:02}.log", b"")
    said = say("ingest", log.parent)
    assert said.rows[0] == ["23", "files:", "22", "skipped,", "1", "published"]
    table = said.out.splitlines()[2:]
    assert table[0].split() == ["state", "file", "why"]
    assert [line.split(maxsplit=2) for line in table[1:21]] == [
        ["skipped", str(log.parent / f"dns.{number:02}.log"), "the name is that of another log"]
        for number in range(20)
    ]
    assert table[21] == "… and 2 more: conn-etl status"
    assert table[22].startswith("Loaded 20 rows from 1 file in ")
    assert "dns" not in say("ingest", log.parent).out  # said once; status still knows


def test_a_terminal_sees_a_bar_beside_the_answer_and_a_pipe_does_not(database_url: str, log: Path) -> None:
    environment = os.environ | {"CONN_ETL_DATABASE_URL": database_url, "TERM": "xterm", "COLUMNS": "120"}
    shown, terminal = pty.openpty()
    with subprocess.Popen(
        [BINARY, "ingest", log], stdout=subprocess.PIPE, stderr=terminal, env=environment
    ) as running:
        os.close(terminal)
        said = b"".join(iter(lambda: read(shown), b"")).decode()
        answer, _ = running.communicate(timeout=120)
    os.close(shown)
    size = log.stat().st_size / 1000
    assert f"{size:.1f}/{size:.1f} kB" in said
    assert answer.splitlines()[0] == b"1 file: 1 published"
    assert b"\x1b" not in answer


def read(terminal: int) -> bytes:
    """What a terminal shows next; nothing when nobody has it open any more, which Linux calls an error."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def test_a_dry_run_is_a_table_and_says_what_it_is_not(say: Say, log: Path, ask: Ask) -> None:
    refused = write(log.parent / "conn.b.log", tsv(flows(3)).replace(b"\tuid", b"\tuxd"))
    said = say("ingest", "--dry-run", log)
    assert (said.code, said.rows[0]) == (0, ["state", "rows", "rejects", "file", "why"])
    assert said.rows[1][1:] == ["22", "1", str(log)]  # the word that is no state is the gate's to find
    assert said.out.endswith(
        "Dry run: files were read and mapped; rules were not checked and nothing was written.\n"
    )
    both = say("ingest", "--dry-run", log.parent)
    assert both.code == 1
    assert [row for row in both.rows if row[0] == "refused" and str(refused) in row]
    nothing = say("ingest", "--dry-run", write(log.parent / "dns.log", tsv([]).replace(b"conn", b"dns")))
    assert (nothing.code, nothing.err) == (2, "conn-etl: no conn log in what was given\n")
    assert ask("SELECT count(*) FROM etl.file") == [(0,)]


def test_unload_says_what_went_and_what_came_back_from_another_file(say: Say, log: Path) -> None:
    other = write(log.parent / "conn.b.log.gz", tsv([*flows(5, 10), *flows(3, 30)]))
    say("ingest", log, other)
    said = say("unload", log)
    assert said.code == 0
    assert said.out.splitlines()[0] == "1 file unloaded, 20 rows deleted"
    assert ["20", "published", str(log)] in said.rows
    assert "Loaded again, because they hold some of the same rows" in said.out
    assert ["published", "8", str(other)] in said.rows
    assert "Loaded again" not in say("unload", other).out


def test_unload_fails_where_the_other_file_cannot_be_loaded_again(say: Say, log: Path) -> None:
    rows = [*flows(5, 10), *flows(3, 30), flow(40, id_orig_h="x")]
    other = write(log.parent / "conn.b.log.gz", tsv(rows))
    say("ingest", log, other)
    stricter = {"CONN_ETL_ERROR_BUDGET_ROWS": "0", "CONN_ETL_ERROR_BUDGET_SHARE": "0"}
    said = say("unload", log, **stricter)
    assert (said.code, said.out.splitlines()[0]) == (1, "1 file unloaded, 20 rows deleted")
    (line,) = [line for line in said.out.splitlines() if str(other) in line]
    assert line.startswith("published")  # what it holds stays
    assert "more than the error budget of 0" in line
    lost = say("verify")
    assert (lost.code, [row[1] for row in lost.rows[2:]]) == (1, [str(other)])
    assert lost.out.rstrip().endswith("load it again with --replace")


def test_unload_does_nothing_where_the_other_file_is_gone(say: Say, log: Path, ask: Ask) -> None:
    other = write(log.parent / "conn.b.log.gz", tsv([*flows(5, 10), *flows(3, 30)]))
    say("ingest", log, other)
    other.unlink()
    said = say("unload", log)
    assert (said.code, said.out) == (2, "")
    assert f"{other} shares 5 of these rows and cannot be read again" in said.err
    assert said.err.endswith("unload it too, or bring it back\n")
    assert ask("SELECT count(*) FROM zeek.conn") == [(23,)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("ingest", "--since", "soon"),
            "--since soon is not a time; write it as 24h, 7d, yesterday, 2026-03-01 or",
        ),
        (("unload", "/nowhere/conn.log"), "/nowhere/conn.log"),
        (("partitions", "ensure", "yesterday"), "yesterday is not a day; write it as 2026-03-01"),
        (("quarantine", "show", "99"), "there is no line 99 in quarantine; see `conn-etl quarantine list`"),
        (("quarantine", "discard"), "give numbers, --file, --rule, --reason, --since, --until or --all"),
        (("quarantine", "discard", "--all"), 'say why, for those who ask later; add --why "…"'),
        (("quarantine", "replay", "--all", "--why", "x"), "no open line in quarantine fits"),
        (("explain", "/etc"), "conn-etl: /etc is a folder; name one file of it"),
    ],
)
def test_misuse_is_one_line_with_the_way_out(
    say: Say, log: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = (*arguments, str(log)) if arguments[0] == "ingest" else arguments
    said = say(*given)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert said.err.startswith("conn-etl: ")
    assert words in said.err


# --- status, verify, explain, report ----------------------------------------------------------------------------------


def test_status_of_an_empty_database_and_of_one_with_a_bit_of_everything(say: Say, log: Path) -> None:
    empty = say("status").out.splitlines()
    assert empty[:3] == ["Files: none", "No row yet", ""]
    assert {"Files not loaded, or cut short: none", "Quarantine: none"} <= set(empty)
    write(log.parent / "dns.log", b"")
    write(log.parent / "conn.b.log", b"Dear reader,\n")
    say("ingest", log.parent)
    said = say("status")
    assert ["published", "1", "22", "20", "0", "2"] in said.rows
    assert "From 2026-03-01 08:00:00+00:00 to 2026-03-01 08:00:19.000019+00:00" in said.out
    assert [row for row in said.rows if row[:2] == ["refused", str(log.parent / "conn.b.log")]]
    assert ["type.src_ip_addr", "not_an_ip", "open", "1"] in said.rows
    assert [row for row in said.rows if row[1:4] == ["enum.network_connection_state", "critical", "failed"]]
    assert ["ip_proto", "count", str(log)] in said.rows
    assert ["zone", "UTC"] in said.rows


def test_verify_agrees_or_names_the_file_and_fails(say: Say, log: Path, ask: Ask) -> None:
    say("ingest", log)
    assert (said := say("verify")).out == "The tables match the ledger.\n"
    assert said.code == 0
    ask("DELETE FROM zeek.conn WHERE event_uid = :uid", uid=flow(3)["uid"])
    wrong = say("verify")
    assert (wrong.code, wrong.out.splitlines()[0].rstrip()) == (1, "The tables differ from the ledger")
    assert [row for row in wrong.rows if row[1] == str(log)], wrong.out


def test_explain_shows_file_columns_bad_lines_and_what_ingest_would_do(say: Say, log: Path) -> None:
    said = say("explain", log)
    assert said.code == 0
    facts = dict(
        line.split(maxsplit=1)
        for line in said.out.splitlines()
        if line.startswith(("rows", "format", "from"))
    )
    assert facts["rows"].strip() == "22"
    assert facts["format"].strip() == "Zeek TSV"
    assert facts["from"].strip() == "2026-03-01 08:00:00+00:00"
    assert ["id.orig_h", "addr", "src_ip_addr", "exact", "name"] in said.rows
    assert ["ip_proto", "count", "extra"] in [row[:3] for row in said.rows]
    assert "First of 1 lines that cannot be read" in said.out
    assert [row for row in said.rows if row[:3] == ["30", "id.orig_h", "not_an_ip"]]
    assert said.out.splitlines()[-1].startswith(
        "ingest would load 21 of its 22 rows and put 1 lines into quarantine"
    )


def test_explain_says_why_a_file_is_no_conn_log(say: Say, tmp_path: Path) -> None:
    said = say("explain", write(tmp_path / "conn.log", b"Dear reader,\n"))
    assert said.code == 0
    assert [row for row in said.rows if row[0] == "refused"]
    assert "Columns" not in said.out
    assert said.out.splitlines()[-1].startswith("ingest would refuse it (not_a_conn_log): ")


@pytest.mark.parametrize("why", ["away", "bare", "none"])
def test_explain_needs_no_database(say: Say, empty_database_url: str, tmp_path: Path, why: str) -> None:
    path = write(tmp_path / "conn.json", json_lines(flows(3)))
    url = {"away": "postgresql://nobody@127.0.0.1:1/x", "bare": empty_database_url}.get(why)
    environment = {"CONN_ETL_HOME": str(tmp_path / "home")} | ({"CONN_ETL_DATABASE_URL": url} if url else {})
    said = say("explain", path, without=() if url else ("CONN_ETL_DATABASE_URL",), **environment)
    assert said.code == 0, said.err
    assert "JSON lines" in said.out
    assert said.out.splitlines()[-1].startswith(
        "Without a database to ask, ingest would load 3 of its 3 rows"
    )
    assert not (tmp_path / "home").exists()  # none is started for a question


def test_report_says_where_it_is_and_what_it_found(say: Say, log: Path) -> None:
    say("ingest", log)
    said = say("report", "--out", "made")
    assert said.out.splitlines() == [
        "made/conn-etl-report.html: Loaded, with something to look at",
        "2 lines open in quarantine",
    ]
    aside = say("report", "--out", "made", "--json")
    assert aside.out.startswith("{")
    assert aside.err == said.out  # the answer is JSON and nothing else
    none = say("report", "--out", "made", "--since", "2026-03-01", "--until", "2026-03-01")
    assert (none.code, "is not after --since" in none.err) == (2, True)
