"""The pages of docs/examples, run as they stand with a server and the page, and their pictures."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.web.conftest import PATIENCE
from tests.web.static.conftest import painted
from tools.pages import PAGES, ROOT, checkout, steps

PICTURES = {
    "music": "/similar?movie=t-001",
    "news": "/user?user=reader-042",
    "shop": "/user?user=ann0000%40example.com",
}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", PICTURES)
def test_a_page_does_what_it_says(browser: Browser, name: str) -> None:
    path = PAGES / f"{name}.md"
    *most, last = steps(path)
    with checkout() as made:
        for step in most:
            output = made.run(step.commands)
            assert not step.kind or step.agrees(output), f"{step.commands}{output}\npython -m tools.pages {name}"
        with browser.new_context(viewport={"width": 1200, "height": 800}) as context:
            context.set_default_timeout(1000 * PATIENCE)
            page = context.new_page()
            page.goto(made.here(f"http://localhost:8000{PICTURES[name]}"))
            painted(page)
            page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png")
            assert page.locator("[role=alert]").count() == 0
        made.run(last.commands)
