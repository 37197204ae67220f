"""The view for the visitor, in a real browser."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

from tests.web.static.conftest import settled, titles


def test_rating_five_movies_changes_the_list_and_clearing_forgets(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    seen: list[list[str]] = []
    for number, stars in enumerate([5, 1, 4, 2, 5]):
        row = page.locator(".questions li").nth(number)
        row.locator(".stars label").nth(stars - 1).click()
        expect(page.get_by_text(f"{number + 1} rating", exact=False)).to_be_visible()
        seen.append(titles(page))
    assert all(len(one) == 12 for one in seen)
    assert len({tuple(one) for one in seen}) >= 4
    rated = set(page.locator(".questions li:has(:checked) .card-title").all_inner_texts())
    assert rated.isdisjoint(seen[-1])
    page.reload()
    assert titles(page) == seen[-1]  # kept in the browser
    page.get_by_role("button", name="Clear my ratings").click()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    settled(page)
    assert page.evaluate("localStorage.getItem('stars')") == "[]"


def test_a_movie_not_seen_makes_room_for_another(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    rows = page.locator(".questions li")
    expect(rows).to_have_count(6)
    before = rows.nth(1).locator(".card-title").inner_text()
    rows.nth(1).get_by_role("button", name=re.compile("Not seen")).click()
    expect(rows.nth(1).locator(".card-title")).not_to_have_text(before)
    expect(rows).to_have_count(6)


def test_likes_stand_in_the_place_of_stars_where_a_model_knows_no_others(open_page: Any, likes_address: str) -> None:
    page = open_page(f"{likes_address}/you")
    expect(page.get_by_role("heading", level=1)).to_have_text("Like a few. The list follows.")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    expect(page.locator(".stars")).to_have_count(0)
    liked = page.locator(".questions .like")
    seen = []
    for number in range(3):
        liked.nth(number).click()
        expect(page.get_by_text(f"{number + 1} like", exact=False)).to_be_visible()
        seen.append(titles(page))
    assert all(len(one) == 12 for one in seen)
    assert len({tuple(one) for one in seen}) > 1
    expect(page.locator(".card").first).to_contain_text(re.compile(r"Listed because of .* Film \d+\s\d+\s%"))
    page.goto(f"{likes_address}/compare?you=1")
    expect(page.get_by_text("For you, from 3 likes")).to_be_visible()
    expect(page.locator(".ranked li")).to_have_count(10)
    page.goto(f"{likes_address}/you")
    liked.nth(0).click()  # no longer
    expect(page.get_by_text("2 likes")).to_be_visible()
    assert titles(page) != seen[-1]
    page.get_by_role("button", name="Clear my likes").click()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    page.goto(f"{likes_address}/compare?you=1")
    expect(page.get_by_role("alert")).to_contain_text("Nothing yet")
