"""The page in a real browser: before a real TorchServe, and where it needs special movies before a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from web.app import VIEWS
from web.settings import Settings

# The addresses of every view; each view takes from its address what it shows.
ADDRESSES = ["/", *(f"/{view['route']}?movie={{movie}}&user={{user}}" for view in VIEWS)]
WITHOUT_TITLES = {"/map", "/known"}  # views that show no title before somebody points at a movie, or rates one
PATIENCE = 15_000  # milliseconds: the machines of CI have two cores for TorchServe, Chromium and this


@pytest.fixture(scope="module")
def address(running: Any, server: Any) -> Iterator[str]:
    with running(Settings(torchserve_url=server.inference)) as address:
        yield address


@pytest.fixture(scope="module")
def known(client: Any) -> dict[str, Any]:
    """A movie and a user of the planted log."""
    movies = client.ask("mf", {"catalogue": True, "k": 1000})["catalogue"]
    return {"movie": max(movies, key=lambda one: one["ratings"])["movie_id"], "user": 11}


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address in a browser of its own; at the end nothing must have gone wrong in any of them."""
    troubles: list[str] = []
    contexts = []

    def opened(url: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}} | options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        host = httpx.URL(url).netloc.decode()
        page.on("request", lambda request: host in request.url or troubles.append(request.url))
        page.goto(url)
        return page

    expect.set_options(timeout=PATIENCE)
    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def titles(page: Page, within: str = "main") -> list[str]:
    return page.locator(f"{within} .cards .card-title").all_inner_texts()


def settled(page: Page) -> None:
    page.wait_for_selector("main > .view")
    expect(page.locator("[aria-busy]")).to_have_count(0)


@pytest.fixture(scope="module")
def likes_address(running: Any, of_likes: httpx.MockTransport) -> Iterator[str]:
    with running(Settings(models=("fm",)), of_likes) as address:
        yield address
