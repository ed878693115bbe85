"""The generator: the committed set is what it writes, and its rows hold the relations that real logs hold."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from samples.broken import KINDS
from samples.committed import FOLDER, HOURS, write_committed
from samples.flows import community_ids
from samples.generate import main
from samples.profiles import PROFILES
from samples.writing import write_conn_log

README = FOLDER.parent / "README.md"


def _lines(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


def _rows(path: Path) -> Iterator[dict[str, str | None]]:
    """An independent reading of a generated TSV: cells by the names in #fields."""
    names: list[str] = []
    for line in _lines(path):
        if line.startswith("#fields"):
            names = line.split("\t")[1:]
        elif not line.startswith("#"):
            yield {
                name: None if cell == "-" else cell
                for name, cell in zip(names, line.split("\t"), strict=True)
            }


@pytest.fixture(scope="module")
def tsv(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str | None]]:
    """Twenty thousand rows of one hour."""
    path = tmp_path_factory.mktemp("samples") / "conn.log"
    assert write_conn_log(path, 20_000, 3, community_id=True, link_layer=True) == 20_000
    return list(_rows(path))


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    made = {path.relative_to(tmp_path): path for path in write_committed(tmp_path)}
    committed = {path.relative_to(FOLDER): path for path in FOLDER.rglob("*") if path.is_file()}
    assert made.keys() == committed.keys()
    for name, path in made.items():
        assert path.read_bytes() == committed[name].read_bytes(), name


def test_the_committed_set_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.log*")) < 300_000


def test_the_readme_has_the_counts() -> None:
    table = dict(
        re.findall(r"^\| `([^`]+)` \|.*\| (\d+) \| \d+ \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    )
    counted = {
        path.name: sum(not line.startswith("#") for line in _lines(path)) for path in FOLDER.rglob("*.log*")
    }
    assert {name: int(rows) for name, rows in table.items()} == counted
    rows = sum(hour.rows for hour in HOURS)
    broken = sum(len(hour.broken) for hour in HOURS)
    assert f"{rows:,} rows read, {rows - broken:,} loaded, {broken} quarantined" in README.read_text(
        encoding="utf-8"
    )


def test_live_connections_have_the_uids_of_later_rows() -> None:
    day = FOLDER / "2026-03-01"
    later = {row["uid"] for row in _rows(day / "conn.01.00.00-02.00.00.log.gz")}
    alive = [row["uid"] for row in _rows(day / "open_conn.00.00.00-01.00.00.log.gz")]
    assert alive
    assert set(alive) <= later


def test_uids_are_unique_and_rows_are_in_the_order_of_their_ends(tsv: list[dict[str, str | None]]) -> None:
    assert len({row["uid"] for row in tsv}) == len(tsv)
    ends = [float(row["ts"] or 0) + float(row["duration"] or 0) for row in tsv]
    assert ends == pytest.approx(sorted(ends))


def test_seventy_percent_have_no_service(tsv: list[dict[str, str | None]]) -> None:
    assert 0.67 < sum(row["service"] is None for row in tsv) / len(tsv) < 0.73


def test_every_kind_is_drawn(tsv: list[dict[str, str | None]]) -> None:
    kinds = {(row["proto"], row["service"], row["conn_state"], row["history"]) for row in tsv}
    assert kinds == {(profile.proto, profile.service, profile.state, profile.history) for profile in PROFILES}


def test_relations_of_real_logs_hold(tsv: list[dict[str, str | None]]) -> None:
    states = {"udp": {"S0", "SF", "SHR", "OTH"}, "icmp": {"OTH"}, "unknown_transport": {"OTH"}}
    for row in tsv:
        assert len({row[name] is None for name in ("duration", "orig_bytes", "resp_bytes")}) == 1, row
        assert row["duration"] is None or float(row["duration"]) > 0, row
        assert row["conn_state"] in states.get(row["proto"] or "", {row["conn_state"]}), row
        assert row["conn_state"] != "S0" or row["resp_pkts"] == "0", row
        assert row["proto"] != "unknown_transport" or row["id.orig_p"] == row["id.resp_p"] == "0", row
        assert (row["proto"] in {"icmp", "unknown_transport"}) == (row["history"] is None), row


def test_long_connections_began_hours_before_the_log(tsv: list[dict[str, str | None]]) -> None:
    assert min(float(row["ts"] or 0) for row in tsv) < 1_772_323_200 - 10 * 3600


def test_tunnels_have_inner_connections(tsv: list[dict[str, str | None]]) -> None:
    tunnels = {row["uid"] for row in tsv if row["service"] == "vxlan"}
    parents = [row["tunnel_parents"].split(",") for row in tsv if row["tunnel_parents"]]
    assert {len(both) for both in parents} == {1, 2}
    assert {uid for both in parents for uid in both} <= tunnels


def test_json_and_tsv_of_one_seed_are_the_same_rows(tmp_path: Path) -> None:
    write_conn_log(tmp_path / "conn.log", 3_000, 5, "tsv", link_layer=True)
    write_conn_log(tmp_path / "conn.json.gz", 3_000, 5, "json", link_layer=True)
    flags = {True: "T", False: "F"}
    for row, line in zip(_rows(tmp_path / "conn.log"), _lines(tmp_path / "conn.json.gz"), strict=True):
        found = json.loads(line)
        for name, cell in row.items():
            value = found.get(name)
            if value is None:
                assert cell is None
            elif name in {"ts", "duration"}:
                assert f"{value:.6f}" == cell
            elif name == "tunnel_parents":
                assert ",".join(value) == cell
            else:
                assert flags.get(value, str(value)) if isinstance(value, bool) else str(value) == cell


def test_json_times_have_no_more_than_six_decimals(tmp_path: Path) -> None:
    write_conn_log(tmp_path / "conn.log", 3_000, 5, "json")
    for line in _lines(tmp_path / "conn.log"):
        assert re.match(r'\{"ts":\d{10}\.\d{1,6},', line), line


@pytest.mark.parametrize("fmt", ["tsv", "json"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_line_is_the_only_difference(tmp_path: Path, fmt: str, kind: str) -> None:
    assert fmt in {"tsv", "json"}
    write_conn_log(tmp_path / "good.log", 40, 9, "tsv" if fmt == "tsv" else "json")
    write_conn_log(tmp_path / "bad.log", 40, 9, "tsv" if fmt == "tsv" else "json", broken={23: kind})
    header = 8 if fmt == "tsv" else 0
    differ = [
        number
        for number, (a, b) in enumerate(
            zip(_lines(tmp_path / "good.log"), _lines(tmp_path / "bad.log"), strict=True)
        )
        if a != b
    ]
    assert differ == [23 + header]


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (("128.232.110.120", "66.35.250.204", 34855, 80, 6), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (("66.35.250.204", "128.232.110.120", 80, 34855, 6), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    ],
)
def test_community_ids_are_those_of_the_specification(
    flow: tuple[str, str, int, int, int], expected: str
) -> None:
    names = ["id.orig_h", "id.resp_h", "id.orig_p", "id.resp_p", "ip_proto"]
    assert community_ids(pl.DataFrame([flow], schema=names, orient="row")) == [expected]


def test_the_command_writes_a_file_for_each_hour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            "--out",
            str(tmp_path),
            "--hours",
            "3",
            "--rows",
            "20",
            "--format",
            "mixed",
            "--gzip",
            "--start",
            "2026-03-01T23:00:00",
        ]
    )
    written = [Path(line).relative_to(tmp_path).as_posix() for line in capsys.readouterr().out.splitlines()]
    assert written == [
        "2026-03-01/conn.23.00.00-00.00.00.log.gz",
        "2026-03-02/conn.00.00.00-01.00.00.log.gz",
        "2026-03-02/conn.01.00.00-02.00.00.log.gz",
    ]
    assert [_lines(tmp_path / name)[0][:1] for name in written] == ["#", "{", "#"]
