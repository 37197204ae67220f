"""The page of a shop, in a real browser: products and their attributes instead of movies and genres."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.web.conftest import PATIENCE
from tests.web.static.conftest import settled
from web.app import VIEWS
from web.settings import Settings


@pytest.fixture(scope="module")
def shop(running: Any, of_shop: httpx.MockTransport) -> Iterator[str]:
    with running(Settings(models=("mf",)), of_shop) as address:
        yield address


def some_item(shop: str) -> str:
    return httpx.get(f"{shop}/api/movies/mf", timeout=PATIENCE).json()["movies"][3]["item_id"]


def some_user(shop: str) -> str:
    return httpx.get(f"{shop}/api/users/mf/random", timeout=PATIENCE).json()["user_id"]


def addresses(shop: str) -> Iterator[tuple[str, str]]:
    """The route and the address of each view, empty and of some item and user."""
    item, user = some_item(shop), some_user(shop)
    for view in VIEWS:
        for asked in ("", f"?movie={item}&user={user}"):
            yield view["route"], f"{shop}/{view['route']}{asked}"


def test_the_page_speaks_of_products(open_page: Any, shop: str) -> None:
    page = open_page(shop)
    for _, address in addresses(shop):
        page.goto(address)
        settled(page)
        assert not re.search("movie|genre|watch|seen", page.locator("body").inner_text(), re.IGNORECASE), address
        assert "movie" not in page.title()


def test_the_page_of_purchases_speaks_of_no_ratings(open_page: Any, running: Any, of_purchases: Any) -> None:
    """Nor do its lists when somebody says what they like."""
    with running(Settings(models=("mf",)), of_purchases) as shop:
        for view, address in addresses(shop):
            page = open_page(address)
            settled(page)
            if view == "you":
                page.locator(".like").first.click()
                expect(page.get_by_text("1 like, kept")).to_be_visible()
                settled(page)
            said = page.locator("body").inner_text() + page.locator("main").inner_html()
            assert not re.search(r"[^-]\b(rat(e|ed|ing)s?|stars?|watch|seen)\b|★", said, re.IGNORECASE), address
        page = open_page(f"{shop}/similar?movie={some_item(shop)}")
        expect(page.get_by_text(re.compile(r"^Chosen by \d+ users\.$"))).to_be_visible()


def test_what_is_next_is_a_product(open_page: Any, shop: str) -> None:
    page = open_page(f"{shop}/user")
    expect(page.get_by_role("heading", level=1)).to_have_text("Which product would somebody choose next?")


def test_lists_are_narrowed_by_the_first_category(open_page: Any, shop: str) -> None:
    page = open_page(f"{shop}/user?user={some_user(shop)}&seen=1")
    page.get_by_text("Category: all").click()
    page.locator(".chips label", has_text="Bikes").click()
    expect(page.get_by_text("Category: Bikes")).to_be_visible()
    settled(page)
    said = page.locator(".cards .muted").all_inner_texts()
    assert said
    assert all("Bikes" in one for one in said)
    assert any("price" in one for one in said)
