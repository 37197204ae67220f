"""What the system knows of a visitor, in a real browser."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.web.static.conftest import held, known_of, settled, titles


def rate(page: Page, row: int, stars: int) -> str:
    """Gives a movie stars, and waits for the list; the movie's title."""
    question = page.locator(".questions li").nth(row)
    question.locator(".stars label").nth(stars - 1).click()
    settled(page)
    return question.locator(".card-title").inner_text()


def name(page: Page, called: str) -> None:
    page.get_by_text("Remember me", exact=True).first.click()
    page.get_by_label("Your name").fill(called)
    page.get_by_role("button", name="Remember me").click()
    expect(page.get_by_text(f"kept under the name “{called}”")).to_be_visible()
    settled(page)


def test_what_somebody_rates_is_known_in_another_browser_until_they_delete_it(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    settled(page)
    rated = {rate(page, 0, 5), rate(page, 1, 2)}
    name(page, "Anna")
    expect(page.get_by_text("2 ratings, kept under the name “Anna”")).to_be_visible()
    rated.add(rate(page, 2, 4))
    expect(page.get_by_text("3 ratings, kept under the name")).to_be_visible()
    mine = titles(page)

    elsewhere = open_page(f"{address}/known")
    expect(elsewhere.get_by_text("there is no password")).to_be_visible()
    elsewhere.get_by_label("Your name").fill("anna")
    elsewhere.get_by_role("button", name="Remember me").click()
    expect(elsewhere.get_by_text("Stored: 3 events, and ")).to_be_visible()
    settled(elsewhere)
    assert set(elsewhere.locator("main ol li a").all_inner_texts()) == rated
    expect(elsewhere.get_by_text("fm 1.0 has learnt nothing from you.", exact=True)).to_be_visible()
    elsewhere.get_by_role("link", name="For you").click()
    settled(elsewhere)
    expect(elsewhere.locator(".stars :checked")).to_have_count(3)
    assert titles(elsewhere) == mine

    elsewhere.get_by_role("link", name="See or delete it").click()
    elsewhere.get_by_role("button", name="Delete all of this").click()
    elsewhere.get_by_role("button", name="Keep it").click()
    elsewhere.get_by_role("button", name="Delete all of this").click()
    elsewhere.get_by_role("button", name="Yes, delete it").click()
    expect(elsewhere.get_by_role("heading", name="You are forgotten")).to_be_visible()
    expect(elsewhere.get_by_role("paragraph").filter(has_text="3 events and ")).to_be_visible()
    settled(elsewhere)
    known = known_of(address, "Anna")
    assert (known["events"], known["impressions"]) == ([], 0)
    page.reload()  # the other browser does not bring it back
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    settled(page)
    assert known_of(address, "Anna")["events"] == []
    elsewhere.get_by_role("button", name="Go on").click()
    expect(elsewhere.get_by_label("Your name")).to_be_visible()
    settled(elsewhere)
    assert elsewhere.evaluate("[localStorage.getItem('stars'), localStorage.getItem('visitor')]") == ["[]", None]


def test_a_browser_that_others_use_forgets_the_name_and_the_store_does_not(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    settled(page)
    name(page, "Berta")
    rate(page, 0, 3)
    page.goto(f"{address}/known")
    page.get_by_role("button", name="I am not “Berta”").click()
    expect(page.get_by_label("Your name")).to_be_visible()
    settled(page)
    page.goto(f"{address}/you")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    settled(page)
    assert len(known_of(address, "Berta")["events"]) == 1


def test_likes_are_remembered_and_taken_back(open_page: Any, likes_address: str) -> None:
    page = open_page(f"{likes_address}/you")
    settled(page)
    liked = page.locator(".questions .like")
    liked.nth(0).click()
    name(page, "Clara")
    expect(page.get_by_text("1 like, kept under the name “Clara”")).to_be_visible()
    settled(page)
    liked.nth(1).click()
    expect(page.get_by_text("2 likes, kept")).to_be_visible()
    settled(page)
    liked.nth(0).click()  # no longer
    expect(page.get_by_text("1 like, kept")).to_be_visible()
    settled(page)
    known = known_of(likes_address, "Clara")
    assert (known["user_id"], [event["type"] for event in known["events"]]) == ("visitor:clara", ["like"])
    page.reload()
    settled(page)
    expect(page.locator(".like :checked")).to_have_count(1)


def test_a_store_that_is_down_is_said_and_the_list_follows(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    settled(page)
    name(page, "Dora")
    down = '{"code": 503, "type": "StoreDown", "message": "The events were not stored: the store is down."}'
    page.route("**/api/feedback", lambda route: route.fulfill(status=503, content_type="application/json", body=down))
    rate(page, 0, 5)
    expect(page.get_by_role("alert")).to_contain_text("Nothing can be stored now")
    expect(page.locator(".cards .card")).to_have_count(12)
    page.unroute("**/api/feedback")
    page.get_by_role("button", name="Try again").click()  # what was not stored is stored now
    expect(page.get_by_role("alert")).to_have_count(0)
    settled(page)
    assert len(known_of(address, "Dora")["events"]) == 1


def test_what_somebody_says_arrives_in_the_order_in_which_they_said_it(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    settled(page)
    name(page, "Emil")
    calls = []
    for kind in ("request", "response"):
        page.on(kind, lambda call, kind=kind: "feedback" in call.url and calls.append(kind))
    stars = page.locator(".questions li").nth(0).locator(".stars label")
    with held(page, "**/api/feedback"):
        stars.nth(1).click()
        stars.nth(4).click()
    settled(page)
    assert calls == ["request", "response"] * 2
    assert [event["rating"] for event in known_of(address, "Emil")["events"]] == [2, 5]


def test_what_is_rated_while_a_name_is_entered_is_stored_too(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    settled(page)
    rate(page, 0, 3)
    page.get_by_text("Remember me", exact=True).first.click()
    page.get_by_label("Your name").fill("Flora")
    with held(page, "**/api/feedback"):
        with page.expect_request("**/api/feedback"):
            page.get_by_role("button", name="Remember me").click()
        page.locator(".questions li").nth(1).locator(".stars label").nth(4).click()
    expect(page.get_by_text("2 ratings, kept under the name “Flora”")).to_be_visible()
    settled(page)
    assert sorted(event["rating"] for event in known_of(address, "Flora")["events"]) == [3, 5]


def test_what_is_said_while_a_name_is_entered_counts_more_than_what_is_stored_under_it(
    open_page: Any, address: str
) -> None:
    page = open_page(f"{address}/you")
    settled(page)
    rate(page, 0, 2)
    name(page, "Gerda")
    elsewhere = open_page(f"{address}/you")
    settled(elsewhere)
    elsewhere.get_by_text("Remember me", exact=True).first.click()
    elsewhere.get_by_label("Your name").fill("Gerda")
    stars = elsewhere.locator(".questions li").nth(0).locator(".stars label")
    with held(elsewhere, "**/api/visitors"):
        with elsewhere.expect_request("**/api/visitors"):
            elsewhere.get_by_role("button", name="Remember me").click()
        stars.nth(4).click()
    expect(elsewhere.get_by_text("1 rating, kept under the name “Gerda”")).to_be_visible()
    settled(elsewhere)
    assert [event["rating"] for event in known_of(address, "Gerda")["events"]] == [2, 5]
    expect(stars.nth(4).locator("input")).to_be_checked()
