"""The view that compares models, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import httpx
from playwright.sync_api import expect

from serving.config import MODELS
from tests.web.static.conftest import settled
from web.settings import Settings


def test_compare_shows_all_models_their_cards_and_where_they_agree(
    open_page: Any, address: str, known: dict[str, Any]
) -> None:
    page = open_page(f"{address}/compare?movie={known['movie']}")
    columns = page.locator(".column")
    expect(columns).to_have_count(len(MODELS))
    settled(page)
    lists = []
    for column, name in zip(columns.all(), MODELS):
        expect(column).to_contain_text(f"{name}version 1.0")
        expect(column.locator(".latency")).to_contain_text(re.compile(r"[\d.]+ ms in the model server, \d+ ms in all"))
        expect(column.locator(".about")).to_contain_text("AUC")
        expect(column.locator(".about")).to_contain_text("ratings of")
        lists.append(column.locator(".ranked-title").all_inner_texts())
    assert all(len(one) == 10 for one in lists)
    for column, own in zip(columns.all(), lists):
        for title, row in zip(own, column.locator(".ranked li").all()):
            assert row.get_attribute("data-lists") == str(sum(title in one for one in lists))
    everywhere = set.intersection(*map(set, lists))
    expect(page.get_by_text(f"{len(everywhere)} of 10 movies are in every list.")).to_be_visible()


def test_a_model_without_a_card_is_asked_with_stars(open_page: Any, running: Any, make_stand_in: Any) -> None:
    """It is not taken for a model of likes because nobody said what its scale is."""
    stand_in = make_stand_in(40)
    with running(Settings(models=("fm",), fresh=0.0), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/compare?movie=1")
        settled(page)
        page.evaluate("localStorage.setItem('stars', JSON.stringify([[2, 5], [3, 1]]))")
        stand_in.failures = [httpx.Response(400, json={"code": 400, "type": "Other", "message": "no card"})]
        page.goto(f"{address}/compare?you=1")
        expect(page.locator(".ranked li")).to_have_count(3)
        expect(page.locator(".about")).to_have_count(0)  # there was no card
    (asked,) = [one["ratings"] for one in stand_in.bodies() if "ratings" in one]
    assert asked == [{"movie_id": 2, "rating": 5}, {"movie_id": 3, "rating": 1}]
