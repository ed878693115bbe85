"""Plain English: words that a reader would have to learn, or that sound translated, stay out of what people read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "etl", "conn_etl", "sql", "local", "dags", "samples", "deploy", "expectations")
PAGES = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
TEXTS = sorted(p for p in PAGES if p.suffix in {".md", ".py", ".sql", ".j2", ".yml", ".sh"} and p.is_file())
INSTEAD = {
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix, correct",
    r"whoever": "the user, the role, the process that …",
    r"heed(s|ed|ing)?": "follow, use",
    r"telling|untold|was told|were told|is told|are told": "alerts, pending, notified",
    r"turned down": "refused, skipped",
    r"nobody is late": "no file is expected",
    r"(is|are) no (hole|error|gap|time|day|suite|log)s?": "is not a …",
    r"parcels?|outbox": "copy buffer",
    r"fates?": "outcome",
    r"head ?start": "speculative publish",
    r"surroundings": "environment",
    r"forgiven": "not counted",
    r"(is|are|was) learnt": "is inferred",
}
"""Idiom → the plain word."""


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_idiom_stands_where_a_plain_word_would_do(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = [
        f"line {text[: match.start()].count(chr(10)) + 1}: {match[0]!r}: say {plain}"
        for idiom, plain in INSTEAD.items()
        for match in re.finditer(rf"\b(?:{idiom})\b", text, re.IGNORECASE)
    ]
    assert found == []


def test_every_file_that_people_read_is_looked_at() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    pages = {line for line in listed.stdout.splitlines() if not line.startswith("tests/")}
    assert pages <= {str(path.relative_to(ROOT)) for path in TEXTS}
