"""The dictionary is OSSEM's: names, types and order are facts to hold it against."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from etl import fields
from etl.fields import FIELDS

NAMES = Path(__file__).parents[2] / "data" / "ossem_names.tsv"


def test_fields_are_those_of_the_seed_in_its_order() -> None:
    with NAMES.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))[1:]
    assert [[f.zeek, f.standard, f.standard_type] for f in FIELDS] == [row[:3] for row in rows]
    assert len(FIELDS) == 25


def test_database_types_follow_the_seed_types() -> None:
    expected = {
        "date_time": {"timestamptz"},
        "ip": {"inet"},
        "integer": {"bigint", "integer"},
        "float": {"double precision"},
        "boolean": {"boolean"},
        "string": {"text"},
    }
    assert all(f.pg_type in expected[f.standard_type] for f in FIELDS)
    narrow = {f.zeek for f in FIELDS if f.pg_type == "integer"}
    assert narrow == {"id.orig_p", "id.resp_p", "vlan", "inner_vlan"}


def test_required_are_exactly_the_seven() -> None:
    required = {f.zeek for f in fields.REQUIRED}
    assert required == {"ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto"}


def test_names_are_unique_and_copy_order_is_the_dictionary_then_the_origin() -> None:
    assert len(fields.BY_ZEEK) == len(set(fields.STANDARD_NAMES)) == 25
    assert fields.COPY_COLUMNS[25:] == ("etl_file_id", "etl_line", "extra")
    assert tuple(c for c in fields.COPY_COLUMNS if c != "etl_file_id") == fields.FRAME_COLUMNS


def test_states_are_the_thirteen_of_the_seed() -> None:
    expected = ["S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"]
    assert expected == list(fields.CONN_STATE_CODES)


def test_history_letters_are_the_seeds_and_the_later_two() -> None:
    listed = {flag.letter for flag in fields.HISTORY_FLAGS if flag.since == "dictionary"}
    later = {flag.letter for flag in fields.HISTORY_FLAGS if flag.since == "later"}
    assert (listed, later) == (set("shadfrctwiq^"), set("gx"))
    assert set("^hADdGgXx") <= set(fields.HISTORY_LETTERS)


def test_every_text_is_there() -> None:
    assert all(f.doc.endswith(".") for f in FIELDS)
    assert all(state.meaning for state in fields.CONN_STATES)
    assert all(flag.meaning for flag in fields.HISTORY_FLAGS)


def test_importing_fields_loads_nothing_heavy() -> None:
    code = (
        "import sys, etl.fields; sys.exit(any(m in sys.modules for m in ('polars', 'pandas', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
