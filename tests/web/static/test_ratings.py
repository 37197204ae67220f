"""The visitor's ratings, kept in a real browser."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.web.static.conftest import settled
from web.settings import Settings


def test_what_has_four_stars_is_liked(open_page: Any, likes_address: str) -> None:
    page = open_page(f"{likes_address}/you")
    page.evaluate("localStorage.setItem('stars', JSON.stringify([['m-1', 5], ['m-2', 3], ['m-3', 4]]))")
    page.reload()
    expect(page.get_by_text("2 likes, kept in this browser only")).to_be_visible()
    expect(page.locator(".cards .card")).to_have_count(12)
    expect(page.locator(".like :checked")).to_have_count(2)


def test_what_an_earlier_page_kept_is_not_taken_for_stars(open_page: Any, address: str, known: dict[str, Any]) -> None:
    """That page kept ratings on the scale of the log it had before it, which need not be stars."""
    page = open_page(f"{address}/you")
    page.evaluate("(movie) => localStorage.setItem('ratings', JSON.stringify([[movie, 4]]))", known["movie"])
    page.reload()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    settled(page)
    expect(page.locator(".stars :checked")).to_have_count(0)
    assert page.evaluate("localStorage.getItem('ratings')") is None


@pytest.mark.parametrize(("scale", "sent"), [([0.5, 5], 2), ([1, 10], 4), ([4, 10], 5.5)])
def test_two_stars_are_on_the_scale_of_the_log(
    open_page: Any, running: Any, make_stand_in: Any, scale: list[float], sent: float
) -> None:
    stand_in = make_stand_in(40)
    card = stand_in.card() | {"scale": scale}
    stand_in.card = lambda: card
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/you")
        page.locator(".questions li").first.locator(".stars label").nth(1).click()
        expect(page.get_by_text("1 rating,")).to_be_visible()
        settled(page)
    assert [one["ratings"][0]["rating"] for one in stand_in.bodies() if "ratings" in one] == [sent]
