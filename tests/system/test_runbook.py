"""Every command of docs/runbook.md is run, in the order of the page, and every message of its table is one of ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy.engine import make_url

from etl.database import embedded
from etl.database.embedded.binaries import packaged
from tests.chaos.oracle import difference
from tests.dags.conftest import ask
from tests.logs import flow, flows, tsv, write

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PAGE = (ROOT / "docs" / "runbook.md").read_text()
COMMANDS = [
    line[2:] for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
COMPOSE = {"build", "up", "ps", "logs"}
pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture
def home() -> Iterator[Path]:
    """A server of this test's own, as empty as one that was just installed."""
    folder = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    folder.chmod(0o755)
    embedded.start(folder, settings={"fsync": "off"})
    ask_outside(embedded.url(folder, "postgres"), f"DROP DATABASE {embedded.DATABASE}")
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder)


def ask_outside(url: str, command: str) -> None:
    call = [str(packaged() / "psql"), "--quiet", "--command", command, url]
    subprocess.run(call, check=True, capture_output=True)


def test_the_commands_of_the_page(home: Path, tmp_path: Path) -> None:
    """What needs another machine, or changes this checkout, is only asked whether it exists."""
    admin = make_url(embedded.url(home, "postgres"))
    secrets = tmp_path / "secrets"
    env = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "CONN_ETL", "AIRFLOW"))
        },
        "PATH": f"{packaged()}:{BIN}:{os.environ['PATH']}",
        "SECRETS": str(secrets),
        "ADMIN_URL": str(admin),
        "RESTORED_URL": str(admin.set(database="restored")),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    for folder in ("deploy", "sql"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    log = write(tmp_path / "logs" / "conn.log", tsv([*flows(50), flow(50, orig_pkts="many")]))
    ran = []
    for command in COMMANDS:
        words = command.split()
        if "docker" in words:
            check_compose(words[words.index("compose") + 1 :])
            continue
        if words[0] == "make":
            subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, check=True, capture_output=True)
            continue
        if words[0] == "git":
            continue
        if words[0] == "export":
            env["CONN_ETL_DATABASE_URL"] = str(admin.set(username="conn_etl", database="conn_etl"))
            continue
        if words[0] == "airflow":
            subprocess.run(["airflow", "db", "migrate"], env=env, check=True, capture_output=True)
            subprocess.run(["airflow", "dags", "reserialize"], env=env, check=True, capture_output=True)
        if words[:2] == ["psql", "--file"]:
            command = f"PGHOST={admin.query['host']} PGUSER=postgres PGDATABASE=postgres {command}"  # noqa: PLW2901
        command = command.replace("/var/lib/node_exporter", str(tmp_path))  # noqa: PLW2901
        call = ["sh", "-c", command]
        done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        accepted = {0, 2} if "doctor" in words else {0}  # Airflow's pools are no part of this
        assert done.returncode in accepted, (command, done.stdout, done.stderr)
        ran.append(" ".join(words[:2]))
        if words == ["conn-etl", "doctor"]:
            subprocess.run(["conn-etl", "ingest", str(log)], env=env, check=True, capture_output=True)
    assert {"conn-etl migrate", "conn-etl verify", "airflow dags", "pg_restore --clean"} <= set(ran)
    assert "conn_etl_processed_rows_total" in (tmp_path / "conn_etl.prom").read_text()
    assert difference(env["RESTORED_URL"], [log]) is None
    tables = "SELECT path, state, rows_loaded, rows_quarantined FROM etl.file"
    assert ask(env["RESTORED_URL"], tables) == [(str(log), "published", 50, 1)]
    rights = "SELECT has_table_privilege('conn_reader', 'zeek.conn', 'SELECT'), pg_get_userbyid(relowner)"
    rights += " FROM pg_class WHERE oid = 'zeek.conn'::regclass"
    assert ask(env["RESTORED_URL"], rights) == [(True, "conn_owner")]
    again = subprocess.run(
        ["conn-etl", "ingest", "--json", str(log.parent)],
        env={**env, "CONN_ETL_DATABASE_URL": env["RESTORED_URL"]}, capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(again.stdout)["rows_loaded"] == 0


def check_compose(words: list[str]) -> None:
    assert words[0] in COMPOSE
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {word for word in words[1:] if not word.startswith("-")} <= set(services)


def test_the_messages_of_the_table_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE.split("## When something fails")[1], re.MULTILINE)
    messages = [text for message, _ in rows for text in re.findall(r"`([^`]+)`", message)]
    assert len(messages) > 20
    sources = [
        *ROOT.glob("etl/**/*.py"),
        *ROOT.glob("sql/**/*.sql"),
        *ROOT.glob("local/*.py"),
        *ROOT.glob("dags/*.py"),
    ]
    said = re.sub(r'"\s+f?"', "", " ".join(path.read_text() for path in sources))
    servers_own = {"does not exist", "-9"}
    for message in messages:
        for part in message.split("…"):
            assert part.strip() in said or message in servers_own, message
