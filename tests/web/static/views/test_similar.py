"""The view of similar movies, and its search box, in a real browser."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.web.static.conftest import settled


def test_going_on_from_a_similar_movie_and_back(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/similar?movie={known['movie']}")
    settled(page)
    first = page.locator(".card").first
    next_title = first.locator(".card-title").inner_text()
    before = page.get_by_role("heading", level=1).inner_text()
    first.locator("a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(next_title)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(before)


def test_an_unknown_movie_is_said_to_be_one(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/similar?movie=987654321")
    expect(page.get_by_role("alert")).to_contain_text("Not known to this model")
    expect(page.get_by_role("alert")).to_contain_text("987654321")
