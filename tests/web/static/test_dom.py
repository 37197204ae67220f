"""What the page says while it is about something, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.static.conftest import held, settled
from tests.web.static.views.test_known import name


def press(button: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=button).click()


def give_a_name(page: Page) -> None:
    page.get_by_text("Remember me", exact=True).first.click()
    page.get_by_label("Your name").fill("Emil")
    page.get_by_role("button", name="Remember me").click()


def rate(page: Page) -> None:
    page.locator(".questions .stars label").first.click()


def search(page: Page) -> None:
    page.get_by_role("combobox").press_sequentially("f")


# What a visitor does at an address, the request that follows first, and the part of the page that is made anew.
ACTIONS: dict[str, tuple[str, str, Callable[[Page], None], str]] = {
    "a rating": ("/you", "**/api/feedback", rate, "[aria-label='Your list'] .results"),
    "a name": ("/you", "**/api/visitors", give_a_name, "form + p + div"),
    "someone at random": ("/user", "**/api/users/**", press("Someone at random"), ".results"),
    "another try": ("/similar?movie=987654321", "**/api/models", press("Try again"), "main"),
    "a search": ("/", "**/api/search/**", search, "[role=listbox]"),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_made_anew_is_busy_before_the_first_answer(open_page: Any, address: str, action: str) -> None:
    view, asked, act, part = ACTIONS[action]
    page = open_page(address + view)
    settled(page)
    if action == "a rating":
        name(page, "Frieda")  # whose ratings are stored before the list follows
    with held(page, asked):
        act(page)
        expect(page.locator(f"{part}[aria-busy=true]")).to_have_count(1)
    settled(page)
