"""Names for addresses: imported from CSV and from MaxMind's format, found by address, joined to answers."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.query import lookup
from tests.integration.conftest import Ask, Command
from tests.logs import flows, tsv, write

CSV = """cidr,name,kind,valid_from
10.0.0.0/8,campus,,
10.0.0.0/24,servers,site,
10.0.0.0/24,laboratory,site,2026-06-01
192.0.2.0/24,Documentation,country,
2001:db8::/32,prefix six,,
"""


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    """A CSV and two tiny files in MaxMind's format, written by a library."""
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    country, asn = (
        MMDBWriter(ip_version=6, ipv4_compatible=True),
        MMDBWriter(ip_version=6, ipv4_compatible=True),
    )
    country.insert_network(
        IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "DE", "names": {"en": "Germany"}}}
    )
    country.insert_network(IPSet(["198.51.100.0/24"]), {"registered_country": {"iso_code": "FR"}})
    country.insert_network(
        IPSet(["2001:db8:1::/48"]), {"country": {"iso_code": "SE", "names": {"en": "Sweden"}}}
    )
    asn.insert_network(
        IPSet(["203.0.113.0/25"]),
        {"autonomous_system_number": 64496, "autonomous_system_organization": "Example"},
    )
    found = {
        "networks": tmp_path / "networks.csv",
        "country": tmp_path / "country.mmdb",
        "asn": tmp_path / "asn.mmdb",
    }
    found["networks"].write_text(CSV, encoding="utf-8")
    country.to_db_file(str(found["country"]))
    asn.to_db_file(str(found["asn"]))
    return found


def imported(command: Command, path: Path, *more: str) -> int:
    done = command("lookup", "import", path, *more, "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["networks"])


def test_names_are_imported_and_found_by_the_smallest_network(
    command: Command, ask: Ask, tables: dict[str, Path]
) -> None:
    assert [imported(command, path) for path in tables.values()] == [5, 3, 1]
    names = {
        address: ask("SELECT zeek.network_of(CAST(:address AS inet), NULL, '2026-03-01')", address=address)[
            0
        ][0]
        for address in (
            "10.0.0.5",
            "10.9.9.9",
            "203.0.113.9",
            "203.0.113.200",
            "198.51.100.1",
            "2001:db8:1::1",
            "8.8.8.8",
        )
    }
    assert names == {
        "10.0.0.5": "servers",
        "10.9.9.9": "campus",
        "203.0.113.9": "AS64496 Example, DE Germany",
        "203.0.113.200": "DE Germany",
        "198.51.100.1": "FR",
        "2001:db8:1::1": "prefix six, SE Sweden",
        "8.8.8.8": None,
    }
    assert ask(
        "SELECT zeek.network_of('10.0.0.5', 'site', '2026-06-02'), zeek.network_of('203.0.113.9', 'asn')"
    ) == [("laboratory", "AS64496 Example")]


def test_an_import_replaces_what_its_source_had(command: Command, ask: Ask, tables: dict[str, Path]) -> None:
    imported(command, tables["networks"])
    imported(command, tables["asn"])
    tables["networks"].write_text("cidr,name\n10.0.0.0/8,all\n", encoding="utf-8")
    assert imported(command, tables["networks"]) == 1
    assert ask("SELECT source, count(*) FROM zeek.network GROUP BY source ORDER BY source") == [
        ("asn.mmdb", 1),
        ("networks.csv", 1),
    ]
    assert imported(command, tables["networks"], "--source", "other") == 1
    assert json.loads(command("lookup", "remove", "other", "--json").stdout) == {
        "source": "other",
        "removed": 1,
    }
    assert "networks.csv" in command("lookup", "list").stdout


WRONG = {
    "no header": ("10.0.0.0/8,all\n", "no columns cidr and name"),
    "host bits": ("cidr,name\n10.0.0.1/8,all\n", "networks.csv:2: 10.0.0.1/8 has host bits set"),
    "no name": ("cidr,name\n10.0.0.0/8,\n", "networks.csv:2: 10.0.0.0/8 has no name"),
    "twice": ("cidr,name\n10.0.0.0/8,a\n10.0.0.0/8,b\n", "networks.csv:3: 10.0.0.0/8 is named twice as site"),
    "no time": ("cidr,name,valid_from\n10.0.0.0/8,a,soon\n", "networks.csv:2: "),
    "no text": ("cidr,name\n10.0.0.0/8,\xff\n", "is no CSV"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_changes_nothing_and_says_where(
    command: Command, ask: Ask, tables: dict[str, Path], kind: str
) -> None:
    imported(command, tables["networks"])
    text, said = WRONG[kind]
    tables["networks"].write_bytes(text.encode("latin-1"))
    done = command("lookup", "import", tables["networks"])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert said in done.stderr
    assert ask("SELECT count(*) FROM zeek.network") == [(5,)]


def test_what_is_no_mmdb_is_said(command: Command, tmp_path: Path) -> None:
    (tmp_path / "broken.mmdb").write_bytes(b"x" * 100)
    done = command("lookup", "import", tmp_path / "broken.mmdb")
    assert done.returncode == 2
    assert "is no MaxMind database" in done.stderr


def test_answers_have_names_once_networks_are_imported(
    store: Store, command: Command, tables: dict[str, Path], tmp_path: Path
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(20))))])
    asked = (
        "query",
        "top_talkers",
        "--since",
        "2026-03-01",
        "--until",
        "2026-03-02",
        "--json",
        "--param",
        "most=1",
    )
    before = json.loads(command(*asked).stdout)
    assert "src_ip_addr_name" not in before["columns"]
    imported(command, tables["networks"])
    after = json.loads(command(*asked).stdout)
    assert after["columns"] == [*before["columns"], "src_ip_addr_name"]
    assert after["rows"] == [{**before["rows"][0], "src_ip_addr_name": "servers"}]


def test_a_thousand_addresses_are_named_in_no_time(store: Store, ask: Ask) -> None:
    networks = (
        lookup.Network(cidr=f"{n >> 8 & 255}.{n & 255}.{low}.0/24", name=f"N{n}", kind=kind)
        for n in range(10_000)
        for low, kind in ((0, "asn"), (0, "country"))
    )
    with store.loading() as connection, connection.begin():
        assert lookup.load(connection, "many", networks) == 20_000
    ask("ANALYZE zeek.network")
    began = time.perf_counter()
    ((named,),) = ask(
        "SELECT count(zeek.network_of(CAST((n >> 8) || '.' || (n & 255) || '.0.7' AS inet)))"
        " FROM generate_series(0, 999) AS n"
    )
    assert named == 1_000
    print(f"1,000 addresses named in {1_000 * (time.perf_counter() - began):.0f} ms")
    assert time.perf_counter() - began < 5


def test_valid_from_is_kept(ask: Ask, command: Command, tables: dict[str, Path]) -> None:
    imported(command, tables["networks"])
    assert ask("SELECT valid_from FROM zeek.network WHERE name = 'laboratory'") == [
        (datetime(2026, 6, 1, tzinfo=UTC),)
    ]
