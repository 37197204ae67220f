"""Every view of the list in a real browser: text stays text, everybody can read it, and it fits on a phone."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.web.static.conftest import ADDRESSES, WITHOUT_TITLES, settled
from web.app import VIEWS
from web.settings import Settings


def test_each_view_of_the_list_is_in_the_navigation_and_has_its_title(open_page: Any, address: str) -> None:
    page = open_page(address)
    links = page.get_by_role("navigation", name="Views").get_by_role("link")
    expect(links).to_have_text([view["nav"] for view in VIEWS])
    for link, view in zip(links.all(), VIEWS):
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        expect(page).to_have_url(re.compile(re.escape(f"{address}/{view['route']}")))
        expect(page).to_have_title(f"{view['title']} · Recommender")


def test_titles_with_markup_are_shown_as_text(
    open_page: Any, running: Any, make_stand_in: Any, known: dict[str, Any]
) -> None:
    stand_in = make_stand_in(40)
    markup = stand_in.movies[0]["title"]
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(address)
        for view in ADDRESSES:
            page.goto(address + view.format(movie=1, user=1))
            settled(page)
            if view.partition("?")[0] not in WITHOUT_TITLES:
                expect(page.get_by_text(markup).first).to_be_visible()
            assert page.locator("main img, main b:text-is('Bold')").count() == 0
        page.goto(address)
        page.get_by_role("combobox").press_sequentially("bold")
        expect(page.get_by_role("option").first).to_contain_text(markup)
        settled(page)
        assert page.title() != "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(open_page: Any, address: str, known: dict[str, Any], scheme: str) -> None:
    page = open_page(address, color_scheme=scheme)
    faults = []
    for view in ADDRESSES:
        page.goto(address + view.format(**known))
        settled(page)
        if view == "/":
            page.get_by_role("combobox").press_sequentially("film")
            expect(page.get_by_role("option").first).to_be_visible()
            settled(page)
        found = Axe().run(page).response
        assert len(found["passes"]) > 10
        for one in found["violations"]:
            if one["impact"] in ("serious", "critical"):
                faults.append((view, one["id"], [node["html"][:120] for node in one["nodes"]][:3]))
    assert faults == []


def test_a_narrow_window_needs_no_sideways_scrolling(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(address, viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    for view in ADDRESSES:
        page.goto(address + view.format(**known))
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 320, view
    page.goto(f"{address}/similar?movie={known['movie']}")
    page.locator(".card a").first.tap()
    expect(page.locator(".card").first).to_be_visible()
