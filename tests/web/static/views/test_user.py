"""The view for a user, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import httpx
from playwright.sync_api import expect

from tests.web.static.conftest import settled, titles
from web.settings import Settings


def test_a_users_list_with_a_filter(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/user")
    page.get_by_label("User").fill(str(known["user"]))
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"User {known['user']}")
    expect(page.locator(".strip li").first).to_be_visible()
    unfiltered = titles(page)
    page.get_by_text("Genres: all").click()
    page.locator(".chips label", has_text="Horror").click()
    expect(page.get_by_text("Genres: Horror")).to_be_visible()
    expect(page).to_have_url(re.compile("genres=Horror"))
    settled(page)
    genres = page.locator(".cards .muted").all_inner_texts()
    assert genres
    assert all("Horror" in one for one in genres)
    page.reload()
    settled(page)
    assert page.locator(".cards .muted").all_inner_texts() == genres  # the link can be shared
    page.locator(".chips label", has_text="Horror").click()
    expect(page.get_by_text("Genres: all")).to_be_visible()
    assert titles(page) == unfiltered


def test_seen_movies_come_back_when_asked_for(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/user?user={known['user']}")
    settled(page)
    seen = set(page.locator(".strip-title").all_inner_texts())
    assert seen.isdisjoint(titles(page))
    page.get_by_label("Seen movies too").check()
    expect(page).to_have_url(re.compile("seen=1"))
    assert not seen.isdisjoint(titles(page))


def test_someone_at_random(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/user")
    page.get_by_role("button", name="Someone at random").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"User \d+"))
    expect(page.locator(".strip li").first).to_be_visible()


def test_an_unknown_user_is_said_to_be_one(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/user?user=987654321")
    expect(page.get_by_role("heading", name="Nobody has this id")).to_be_visible()
    expect(page.locator(".card").first).to_be_visible()


def test_an_id_with_a_leading_zero_is_a_text(open_page: Any, running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(40)
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/user?user=007")
        settled(page)
        page.goto(f"{address}/user?user=7")
        settled(page)
    asked = [one["user_id"] for one in stand_in.bodies() if one.get("history")]
    assert asked == ["007", 7]


def test_someone_at_random_whose_id_is_a_string(open_page: Any, likes_address: str) -> None:
    page = open_page(f"{likes_address}/user")
    page.get_by_role("button", name="Someone at random").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^User u-\d+$"))
    expect(page.get_by_text(re.compile(r"^\d+ movies$"))).to_be_visible()
    assert len(titles(page)) == 18


def test_someone_at_random_where_the_archive_names_nobody(open_page: Any, running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(40)
    card = stand_in.card() | {"some_users": []}
    stand_in.card = lambda: card
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/user")
        page.get_by_role("button", name="Someone at random").click()
        expect(page.get_by_role("alert")).to_contain_text("Nobody is named")
        expect(page.get_by_role("alert")).to_contain_text("Type an id")
