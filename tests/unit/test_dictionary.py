"""The page of fields in the docs is the one that the code would write today."""

from pathlib import Path

from etl import dictionary


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "fields.md"
    assert page.read_text(encoding="utf-8") == dictionary.markdown(), (
        "run: python -m etl.dictionary > docs/fields.md"
    )
