"""The page of fields in the docs is the one that the code would write today; the README's table has the same fields."""

import re
from pathlib import Path

from etl.fields import FIELDS
from etl.mapping import dictionary

ROOT = Path(__file__).parents[3]


def test_the_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "fields.md"
    assert page.read_text(encoding="utf-8") == dictionary.markdown(), (
        "run: python -m etl.mapping.dictionary > docs/fields.md"
    )


def test_the_readme_has_all_fields() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| `(\S+)` \| ([a-z ]+) \|$", readme, re.MULTILINE)
    assert rows == [(field.zeek, field.standard, field.pg_type) for field in FIELDS]
