"""A headless Chromium for all tests that look at a page: one a run, since one process cannot have two."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = os.environ.get("CONN_ETL_SCREENSHOTS")
"""A folder: where the tests leave pictures of what they saw."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass(kw_only=True, slots=True)
class Seen:
    """What a page did: requests, messages on its console, errors, dialogs."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @classmethod
    def watch(cls, context: BrowserContext) -> Seen:
        seen = cls(page=context.new_page())
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
        seen.page.on("pageerror", lambda error: seen.said.append(f"error: {error}"))
        seen.page.on("dialog", lambda dialog: seen.said.append(f"dialog: {dialog.message}"))
        return seen

    def shoot(self, name: str) -> None:
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            size = self.page.evaluate("[innerWidth, Math.min(document.documentElement.scrollHeight, 2600)]")
            clip = {"x": 0, "y": 0, "width": size[0], "height": size[1]}
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True, clip=clip)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Any]:
    """Make a watched page; keyword arguments are those of a browser context."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> Seen:
        contexts.append(browser.new_context(**{"viewport": {"width": 1_100, "height": 800}, **options}))
        return Seen.watch(contexts[-1])

    yield make
    for context in contexts:
        context.close()
