"""docker-compose.yml against what it names: the Compose specification, the installed Airflow, conn-etl, a real server.

There is no container engine here, so nothing of it is started as a container; the scripts that run inside are run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from sqlalchemy.engine import URL, make_url

from etl.database import embedded
from etl.database.embedded.binaries import packaged
from etl.settings import Settings
from tests.conftest import DEBIAN_BINARIES
from tests.logs import flows, tsv, write

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")
CELERY = {"COMPOSE_PROFILES": "celery", "AIRFLOW_EXECUTOR": "CeleryExecutor", "WORKERS": "5"}
NAMES = """
import json
from airflow.configuration import conf
options = {f"AIRFLOW__{section}__{key}" for section, found in conf.configuration_description.items()
           for key in found["options"]}
print("\\n" + json.dumps(sorted(name.upper() for name in options)))
"""
PARSE = """
import json, sys
import airflow.providers.celery.executors.celery_executor  # what `airflow celery` needs, and only then imports
from airflow.cli.cli_parser import get_parser
for call in json.loads(sys.argv[1]):
    get_parser().parse_args(call)
"""


def resolved(text: str, given: Mapping[str, str]) -> Any:
    """The file as Compose reads it with these variables; a missing one that must be there is a KeyError."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if given.get(name):
            return given[name]
        if kind != ":-":
            raise KeyError(name)
        return rest or ""

    return yaml.safe_load(VARIABLE.sub(value, text))


TEXT = (ROOT / "docker-compose.yml").read_text()
MINIMAL = {"ZEEK_LOGS": "/var/log/zeek"}


@pytest.fixture(scope="module", params=[{}, CELERY], ids=["local", "celery"])
def compose(request: pytest.FixtureRequest) -> Any:
    return resolved(TEXT, MINIMAL | request.param)


def test_it_says_what_the_specification_allows(compose: Any, tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.json"
    file.write_text(json.dumps(compose))
    call = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_only_the_log_folder_has_to_be_named_and_no_secret_has_a_default() -> None:
    with pytest.raises(KeyError, match="ZEEK_LOGS"):
        resolved(TEXT, {})
    without_default = {name for name, kind, _ in VARIABLE.findall(TEXT) if kind != ":-"}
    assert without_default == set(MINIMAL)
    found = resolved(TEXT, MINIMAL)
    for service in found["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|KEY|TOKEN", name) or name.endswith("_FILE"), (name, value)
    drawn = subprocess.run(
        ["sh", str(DEPLOY / "make-secrets.sh"), "/dev/null"], capture_output=True, check=False
    )
    assert drawn.returncode != 0
    script = (DEPLOY / "make-secrets.sh").read_text()
    for name in found["secrets"]:
        assert name in script


def test_every_name_that_it_refers_to_is_there(compose: Any) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(services), name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_completed_successfully" or "healthcheck" in services[other]
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
            assert source in compose["volumes"] or source == MINIMAL["ZEEK_LOGS"] or (ROOT / source).exists()


def test_files_that_the_databases_are_made_from_are_mounted_where_they_include_each_other(
    compose: Any,
) -> None:
    mounts = dict(v.split(":")[:2] for v in compose["services"]["postgres"]["volumes"])
    included = re.findall(r"^\\ir (\S+)$", (DEPLOY / "databases.sql").read_text(), re.MULTILINE)
    assert included
    for name in included:
        source = "./" + os.path.relpath(DEPLOY / name, ROOT)
        assert mounts[source] == os.path.normpath(Path(mounts["./deploy/databases.sql"]).parent / name)


def test_what_a_production_shape_asks_of_each_service(compose: Any) -> None:
    for name, service in compose["services"].items():
        assert service["restart"] in {"unless-stopped", "on-failure:3"}, name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert "healthcheck" in service or name == "init", name
        if name == "postgres":  # its entrypoint steps down to its own user
            continue
        assert service["user"].partition(":")[0] not in {"0", "root"}, name
        assert service["cap_drop"] == ["ALL"], name
        if name != "redis":
            (logs,) = [v for v in service["volumes"] if isinstance(v, dict) and v["target"] == "/logs"]
            assert logs["read_only"] is True
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert {name for name, profile in profiles.items() if profile} == {"redis", "worker"}
    assert "USER 50000:0" in (ROOT / "Dockerfile").read_text()


def test_every_setting_exists_in_airflow_or_conn_etl() -> None:
    done = subprocess.run([sys.executable, "-c", NAMES], capture_output=True, text=True, check=True)
    known = set(json.loads(done.stdout.rsplit("\n", 2)[-2]))
    ours = {f"CONN_ETL_{name}".upper() for name in Settings.model_fields}
    texts = (TEXT, (ROOT / "Dockerfile").read_text(), (DEPLOY / "entrypoint.sh").read_text())
    named = {name for text in texts for name in re.findall(r"\b(?:AIRFLOW__|CONN_ETL_)\w+", text)}
    assert len(named) > 15
    assert {name for name in named if name.startswith("AIRFLOW__")} <= known
    assert {name for name in named if name.startswith("CONN_ETL_")} <= ours | {"CONN_ETL_IMAGE"}


def commands(compose: Any) -> Iterator[list[str]]:
    """Each call of airflow, conn-etl and celery in commands and health checks."""
    for service in compose["services"].values():
        for call in (service.get("command", ()), service.get("healthcheck", {}).get("test", ())):
            lines = call[-1].splitlines() if call and call[0] in {"sh", "CMD-SHELL"} else [" ".join(call)]
            for line in lines:
                words = line.replace('"', "").removeprefix("CMD ").split()
                if words and words[0] in {"airflow", "conn-etl", "celery"}:
                    yield words


def test_every_command_exists_in_airflow_or_conn_etl(compose: Any) -> None:
    found = list(commands(compose))
    calls = {tuple(words[1:]) for words in found if words[0] == "airflow"}
    assert {call[0] for call in calls} == {
        "db", "pools", "api-server", "scheduler", "dag-processor", "triggerer", "jobs", "celery",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PARSE, json.dumps(sorted(calls))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for words in found:
        if words[0] == "conn-etl":
            subprocess.run([str(BIN / "conn-etl"), *words[1:], "--help"], check=True, capture_output=True)
        if words[0] == "celery":
            assert (BIN / "celery").exists()
    for path in re.findall(r"/opt/conn-etl/(\S+\.json)", TEXT):
        assert (ROOT / path).exists()


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    for _ in range(2):
        subprocess.run(["sh", str(DEPLOY / "make-secrets.sh"), str(folder)], check=True)
    assert len({file.read_text() for file in folder.iterdir()}) == len(list(folder.iterdir())) == 9
    return folder


def entrypoint(secrets: Path, *command: str, **env: str) -> str:
    plain = {"PATH": f"{BIN}:{os.environ['PATH']}", "SECRETS": str(secrets), **env}
    call = ["sh", str(DEPLOY / "entrypoint.sh"), *command]
    return subprocess.run(call, env=plain, check=True, capture_output=True, text=True).stdout


def test_the_entrypoint_turns_files_into_settings_and_leaves_those_that_are_there(
    secrets: Path, tmp_path: Path
) -> None:
    file = tmp_path / "passwords.json"
    show = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    given = {
        "AIRFLOW__CORE__FERNET_KEY": "mine",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(file),
    }
    found = json.loads(entrypoint(secrets, *show, **given))
    url = make_url(found["CONN_ETL_DATABASE_URL"])
    password = (secrets / "conn_etl_db_password").read_text()
    assert (url.host, url.username, url.password) == ("postgres", "conn_etl", password)
    assert found["AIRFLOW_CONN_CONN_POSTGRES"] == found["CONN_ETL_DATABASE_URL"]
    assert (secrets / "airflow_db_password").read_text() in found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert found["AIRFLOW__API_AUTH__JWT_SECRET"] == (secrets / "jwt_secret").read_text()
    assert found["AIRFLOW__CORE__FERNET_KEY"] == "mine"
    assert json.loads(file.read_text()) == {"admin": (secrets / "admin_password").read_text()}
    assert file.stat().st_mode & 0o077 == 0


@pytest.fixture(params=["18", "15"])
def superuser(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a server of this test's own, as empty as the image's: the newest version, and the oldest that will do."""
    if request.param == "15" and not DEBIAN_BINARIES.is_dir():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    home = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    home.chmod(0o755)
    binaries = DEBIAN_BINARIES if request.param == "15" else None
    embedded.start(home, binaries=binaries, settings={"shared_buffers": "128MB", "fsync": "off"})
    url = embedded.url(home, "postgres")
    run_sql(url, f"DROP DATABASE {embedded.DATABASE}")
    yield url
    embedded.stop(home)
    shutil.rmtree(home)


def test_the_databases_and_roles_that_it_makes_are_enough_to_migrate_load_and_ask(
    secrets: Path, superuser: str, tmp_path: Path
) -> None:
    call = [
        str(packaged() / "psql"),
        "--no-psqlrc",
        "--quiet",
        "--file",
        str(DEPLOY / "databases.sql"),
        superuser,
    ]
    subprocess.run(call, env={**os.environ, "SECRETS": str(secrets)}, check=True)
    url = make_url(superuser).set(username="conn_etl", database="conn_etl")
    log = write(tmp_path / "conn.log", tsv(flows(30)))
    for verb in (["migrate"], ["ingest", str(log)], ["verify"], ["rollups"]):
        said = run_cli(url, *verb)
        assert said.returncode == 0, said.stdout + said.stderr
    assert run_sql(str(url.set(username="reader")), "SELECT count(*) FROM zeek.conn") == [(30,)]
    query = (
        "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname IN ('airflow', 'conn_etl')"
    )
    assert sorted(run_sql(superuser, query)) == [("airflow", "airflow"), ("conn_etl", "conn_owner")]
    rights = "SELECT pg_has_role('conn_etl', 'conn_owner', how) FROM unnest(ARRAY['USAGE', 'MEMBER']) AS how"
    assert run_sql(superuser, rights) == [(False,), (True,)]
    stored = (
        "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256%' ORDER BY 1"
    )
    assert run_sql(superuser, stored) == [("airflow",), ("conn_etl",), ("reader",)]


def run_cli(url: URL, *call: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CONN_ETL_DATABASE_URL": url.render_as_string(hide_password=False)}
    return subprocess.run(
        [str(BIN / "conn-etl"), *call], env=env, capture_output=True, text=True, check=False
    )


def run_sql(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
