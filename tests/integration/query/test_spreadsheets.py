"""``--safe``: text of a log that a spreadsheet would run as a formula is only text there."""

from __future__ import annotations

import csv
import io

import pytest

from tests.integration.conftest import Command

EVIL = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", " =1+1", "\uff1d1+1")
SQL = 'SELECT * FROM (VALUES ({}, -5, -0.5::float8, NULL::text)) AS x ("=name", whole, part, none)'


@pytest.mark.parametrize("evil", EVIL)
def test_a_formula_becomes_text_and_numbers_stay(command: Command, evil: str) -> None:
    sql = SQL.format(":evil")
    safe = command("query", sql, "--param", f"evil={evil}", "--format", "csv", "--safe")
    lines = list(csv.reader(io.StringIO(safe.stdout, newline="")))
    assert lines == [["'=name", "whole", "part", "none"], [f"'{evil}", "-5", "-0.5", ""]]


def test_without_it_text_is_as_it_was(command: Command) -> None:
    plain = command("query", SQL.format("'=1+1'"), "--format", "csv")
    assert plain.stdout == "=name,whole,part,none\n=1+1,-5,-0.5,\n"


def test_it_is_for_csv_and_tsv(command: Command) -> None:
    refused = command("query", "SELECT 1", "--safe")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "add --format csv" in refused.stderr
