"""The report as a browser shows it: charts drawn, nothing asked of anybody, no text from a log taken for markup."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
import pytest
from PIL import Image

from etl import pipeline, report
from etl.database.store import Store
from tests.browser.conftest import IMAGE, SCRIPT
from tests.chromium import SCREENSHOTS, Seen

CHARTS = ("trend", "calendar", "volume-chart", "states", "services", "protocols", "nulls", "bytes")
ROOT = Path(__file__).parents[2]
CUT_OFF = """[...document.querySelectorAll('th, td, code, p, h2, .chart svg')].filter(
    e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.textContent)"""
"""What reaches beyond the right edge of the page."""


@pytest.fixture
def page_file(hostile: Store, tmp_path: Path) -> Path:
    with hostile.session() as connection:
        return report.build(connection).write(tmp_path / "out")[0]


def check(seen: Seen, page_file: Path) -> None:
    page = seen.page
    page.goto(page_file.as_uri())
    assert page.title().startswith("Zeek conn: Something was not loaded")
    for chart in CHARTS:
        marks = page.locator(f"#{chart} svg g[class*=mark-rect] path")
        assert marks.count() > 0, chart
        box = page.locator(f"#{chart} svg").bounding_box()
        assert box is not None, chart
        assert min(box["width"], box["height"]) > 30, chart
    assert seen.requests == [page_file.as_uri()]
    assert seen.said == []
    counted = {
        name: page.locator(name).count() for name in ("script", "img", "iframe", "object", "b:not(.tiles b)")
    }
    assert counted == dict.fromkeys(counted, 0)
    shown = page.locator("body").inner_text()
    assert SCRIPT in shown
    assert IMAGE in shown
    services = page.locator("#services").inner_text()
    assert "<script>" in services
    assert "<img src=x" in services


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_screen(open_page: Any, page_file: Path, scheme: str) -> None:
    seen = open_page(color_scheme=scheme)
    check(seen, page_file)
    assert seen.page.locator("#calendar").inner_text().count("missing") == 1
    paper = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = seen.page.evaluate("getComputedStyle(document.querySelector('.chart svg text')).fill")
    light = {"paper": "rgb(255, 255, 255)", "ink": "rgb(29, 36, 48)"}
    assert ({"paper": paper, "ink": ink} == light) == (scheme == "light")
    seen.shoot(f"report-{scheme}")


def test_on_a_phone(open_page: Any, page_file: Path) -> None:
    seen = open_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
    check(seen, page_file)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    seen.shoot("report-phone")


def test_on_paper(open_page: Any, page_file: Path, tmp_path: Path) -> None:
    seen = open_page(color_scheme="dark")
    seen.page.goto(page_file.as_uri())
    seen.page.emulate_media(media="print")
    seen.page.set_viewport_size({"width": 703, "height": 1000})  # A4 without its margins, in CSS pixels
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.page.evaluate(CUT_OFF) == []
    assert seen.page.locator("#rules details").evaluate("e => e.open") is False
    printed(seen, tmp_path / "report.pdf")


def printed(seen: Seen, path: Path, name: str | None = None) -> None:
    """Print to PDF, as its reader sees it: text within its page, each heading there. Pictures show the first pages."""
    seen.page.pdf(path=path, format="A4")
    with closing(pdfium.PdfDocument(path)) as document:
        pages, text = list(document), ""
        for page in pages:
            words = page.get_textpage()
            text += words.get_text_range()
            boxes = [words.get_rect(i) for i in range(words.count_rects())]
            assert boxes
            assert min(left for left, *_ in boxes) >= 0
            assert max(right for _, _, right, _ in boxes) <= page.get_width()
        for heading in seen.page.locator("h2").all_inner_texts():
            assert "".join(heading.split()) in "".join(text.split())
        if SCREENSHOTS and name:
            shots = [page.render(scale=1).to_pil() for page in pages[:3]]
            whole = Image.new("RGB", (sum(shot.width for shot in shots), shots[0].height), "white")
            for number, shot in enumerate(shots):
                whole.paste(shot, (sum(before.width for before in shots[:number]), 0))
            whole.save(Path(SCREENSHOTS) / f"{name}.png")


def test_the_network_half_of_the_samples(open_page: Any, store: Store, tmp_path: Path) -> None:
    folder = Path("/tmp/zeek") if SCREENSHOTS else tmp_path  # noqa: S108  a path that tells nothing
    shutil.copytree(ROOT / "samples" / "logs", folder / "samples", dirs_exist_ok=True)
    pipeline.ingest(store, [str(folder / "samples")])
    with store.session() as connection:
        path = report.build(connection).write(tmp_path / "out")[0]
    seen = open_page(viewport={"width": 1280, "height": 900})
    seen.page.goto(path.as_uri())
    assert seen.page.locator("#network .answer").count() == 7
    assert seen.page.locator("#top_talkers tr").count() == 11
    assert "conn-etl query top_talkers --since" in seen.page.locator("#top_talkers").inner_text()
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 1280
    seen.page.locator("#network").scroll_into_view_if_needed()
    seen.page.evaluate("document.querySelector('#network').scrollIntoView()")
    if SCREENSHOTS:
        seen.page.screenshot(path=Path(SCREENSHOTS) / "report-network.png")
        seen.page.evaluate("scrollTo(0, 0)")
        seen.page.screenshot(path=Path(SCREENSHOTS) / "report-samples.png")
        seen.page.evaluate("document.querySelector('#calendar').scrollIntoView()")
        seen.page.screenshot(path=Path(SCREENSHOTS) / "report-samples-charts.png")
    printed(seen, tmp_path / "report.pdf", "report-paper")


def test_the_json_says_the_same(page_file: Path) -> None:
    facts = json.loads(page_file.with_suffix(".json").read_text())
    assert facts["verdict"]["level"] == "bad"
    assert {row["state"] for row in facts["files"]} >= {"published", "refused"}
    assert {row["reason"] for row in facts["quarantine"]} >= {
        "not_an_integer",
        "enum.network_connection_state",
    }
    assert sum(row["rows"] for row in facts["volume"]) == facts["rows"]
    assert {row["name"] for row in facts["services"]} >= {SCRIPT, IMAGE, "ssl", "(unset)"}
    assert [row["state"] for row in facts["completeness"]].count("missing") == 1
    assert {"name": SCRIPT, "type": "number"} in [
        {key: row[key] for key in ("name", "type")} for row in facts["new_columns"]
    ]
