"""The page in a real browser: before a real TorchServe, and where it needs special movies before a stand-in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.web.conftest import PATIENCE
from web.app import VIEWS
from web.settings import Settings

# The addresses of every view; each view takes from its address what it shows.
ADDRESSES = ["/", *(f"/{view['route']}?movie={{movie}}&user={{user}}" for view in VIEWS)]
WITHOUT_TITLES = {"/map", "/known"}  # views that show no title before somebody points at a movie, or rates one


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
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        host = httpx.URL(url).netloc.decode()
        page.on("request", lambda request: host in request.url or troubles.append(request.url))
        page.goto(url)
        return page

    expect.set_options(timeout=1000 * PATIENCE)
    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def settled(page: Page) -> None:
    """Waits until the page has done all that was asked of it: it says from the click on that it is about something."""
    page.wait_for_selector("main > .view")
    expect(page.locator("[aria-busy]")).to_have_count(0)


def painted(page: Page) -> None:
    """Waits until all that was asked of the page can be seen, a map too."""
    expect.set_options(timeout=1000 * PATIENCE)
    settled(page)
    expect(page.locator("canvas:not([data-painted])")).to_have_count(0)
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")


@contextmanager
def held(page: Page, address: str) -> Iterator[None]:
    """What the page asks for at an address is not answered for the time of a block."""
    waiting: list[Route] = []
    over = False
    page.route(address, lambda route: route.continue_() if over else waiting.append(route))
    with page.expect_request(address):
        yield
    over = True
    for route in waiting:
        route.continue_()


def titles(page: Page) -> list[str]:
    """Of the list, as soon as it stands."""
    settled(page)
    return page.locator("main .cards .card-title").all_inner_texts()


def known_of(address: str, name: str) -> dict[str, Any]:
    """What the gateway knows of a visitor."""
    return httpx.post(f"{address}/api/visitors", json={"name": name}, timeout=PATIENCE).json()


def shortest(measured: Callable[[], float], limit: float) -> float:
    """The first time below a limit, or else the shortest of many: what else a machine does makes some of them long."""
    until = time.monotonic() + PATIENCE
    times = [measured()]
    while times[-1] >= limit and time.monotonic() < until:
        times.append(measured())
    return min(times)


@pytest.fixture(scope="module")
def likes_address(running: Any, of_likes: httpx.MockTransport) -> Iterator[str]:
    with running(Settings(models=("fm",)), of_likes) as address:
        yield address
