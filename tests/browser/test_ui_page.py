"""The page in Airflow's own UI: behind its login, in its navigation, quiet, and deaf to markup from logs."""

from __future__ import annotations

import re
from typing import Any

from tests.browser.conftest import IMAGE, PASSWORD, SCRIPT, status_of


def test_the_page_of_the_plugin(open_page: Any, api_server: str) -> None:
    for path in ("", "report/1", "report/2", "docs", "openapi.json"):
        status, text = status_of(f"{api_server}/zeek-quality/{path}")
        assert status in {401, 404}, path
        assert status == 401 or path in {"docs", "openapi.json"}
        assert "img src" not in text
        assert "Zeek conn" not in text

    seen = open_page()
    page = seen.page
    page.goto(f"{api_server}/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="zeek-quality").click()
    frame = page.frame_locator("iframe")
    frame.locator("#reports a").first.wait_for()
    assert "bad" in frame.locator("#reports").inner_text()
    assert "enum.network_connection_state" in frame.locator("#rules").inner_text()
    assert "not_an_integer" in frame.locator("#quarantine").inner_text()
    seen.shoot("ui-page")

    frame.locator("#reports a").first.click()
    frame.locator("#verdict").wait_for()
    assert frame.locator("#services svg g[class*=mark-rect] path").count() > 0
    shown = frame.locator("body").inner_text()
    assert SCRIPT in shown
    assert IMAGE in shown
    assert frame.locator("script, img").count() == 0
    assert page.title() != "taken"
    seen.shoot("ui-report")

    hosts = {found[0] for url in seen.requests if (found := re.match(r"\w+://[^/]+", url))}
    assert hosts == {api_server}
    # before the login Airflow's own page asks for what it may not have
    noise = re.compile(r"401 \(Unauthorized\)|Download the React DevTools|^(verbose|debug|info|log|warning):")
    assert [said for said in seen.said if not noise.search(said)] == []
