"""What the docs name is there: links, headings, make targets, verbs with their options, settings, files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from etl.cli.app import app
from etl.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("samples/*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
OTHERS = {"CONN_ETL_TEST_SERVER", "CONN_ETL_TEST_CITUS_URL", "CONN_ETL_SCREENSHOTS"}
"""Environment of ours that is no setting."""


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def headings(page: Path) -> set[str]:
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def commands(page: Path) -> list[str]:
    """What stands behind a prompt, and what is quoted in the text."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:console|sh|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    typed = [
        line.removeprefix("$ ").partition("  #")[0]
        for block in blocks
        for line in re.sub(r"\\\n\s*", "", block).splitlines()
    ]
    quoted = re.findall(
        r"`((?:\.venv/bin/)?conn-etl [^`\n]*|make [a-z-]+)`",
        re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL),
    )
    return [command.strip() for command in [*typed, *quoted]]


@pytest.fixture(scope="module")
def verbs() -> Any:
    return typer.main.get_command(app)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not anchor or anchor in headings(there), target


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_are_there_with_their_options(page: Path, verbs: Any) -> None:
    for command in commands(page):
        first = command.split("|")[0].split(">")[0].split(" && ")[0].strip()
        found = re.match(r"(?:[A-Z_]+=\S* )*(?:\.venv/bin/)?(conn-etl|make) ?(.*)", first)
        if found is None:
            continue
        if found[1] == "make":
            assert found[2].split(" ")[0] in TARGETS, command
        else:
            unquoted = re.sub(r"'[^']*'?|\"[^\"]*\"?", "…", found[2])
            require_options(verbs, unquoted.split(), command)


def require_options(verbs: Any, words: list[str], command: str) -> None:
    """Every verb and option exists; what else stands there may be a placeholder."""
    at = verbs
    for word in words:
        if hasattr(at, "commands") and not word.startswith("-"):
            alternatives = word.split("|")
            assert set(alternatives) <= set(at.commands), command
            at = at.commands[alternatives[0]]
        elif word.startswith("--"):
            names = {name for parameter in at.params for name in parameter.opts} | {"--help"}
            assert word.partition("=")[0].rstrip("…]") in names, command


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_settings_are_there(page: Path) -> None:
    known = {f"CONN_ETL_{name.upper()}" for name in Settings.model_fields} | OTHERS
    named = set(re.findall(r"CONN_ETL_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_tests_and_measures_that_a_page_names_are_there(page: Path) -> None:
    for path in re.findall(r"`((?:tests|benchmarks)/[\w/.-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path


def test_each_promise_names_what_shows_it() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    promises = re.findall(r"^\| (\d+) \|(.*)\|$", text, re.MULTILINE)
    assert [int(number) for number, _ in promises] == list(range(1, len(promises) + 1))
    assert [number for number, row in promises if not re.search(r"`(?:tests/|make )", row)] == []
