"""Settings: units, misspelt names, the page in the docs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from etl.cli import settings as verb
from etl.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("3h", timedelta(hours=3)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("PT3H", timedelta(hours=3)),
        ("7200", timedelta(hours=2)),
    ],
)
def test_a_duration_takes_units(text: str, duration: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONN_ETL_MAX_LAG", text)
    assert Settings().max_lag == duration


@pytest.mark.parametrize("text", ["3x", "h", "3h and more", "", "1.5h"])
def test_a_duration_without_a_known_unit_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONN_ETL_MAX_LAG", text)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize(
    ("text", "size"), [("100GB", 100 * 10**9), ("5GiB", 5 << 30), ("1024", 1024), ("1.5 MB", 1_500_000)]
)
def test_a_size_takes_units(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONN_ETL_KEEP_BYTES", text)
    assert Settings().keep_bytes == size


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("CONN_ETL_KEEP_DAY", "CONN_ETL_KEEP_DAYS"), ("CONN_ETL_DATABASE_URI", "CONN_ETL_DATABASE_URL")],
)
def test_a_misspelt_setting_is_an_error_that_names_the_nearest(
    wrong: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(wrong, "7")
    with pytest.raises(ValidationError, match=f"{wrong} is not a setting; did you mean {near}"):
        Settings()


def test_the_page_of_settings_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == verb.page()


def test_every_setting_says_what_it_does() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
