"""What the page says while models or the server are missing, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.conftest import server_on_free_ports
from web.settings import Settings


@pytest.fixture(scope="module")
def lone(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A TorchServe with mf alone, to be stopped and started."""
    alone = tmp_path_factory.mktemp("mf_alone")
    shutil.copy(store / "mf.mar", alone)
    server = server_on_free_ports(alone, tmp_path_factory.mktemp("lone"), load_models="mf=mf.mar")
    server.start()
    yield server
    server.stop()


def test_a_model_that_is_not_registered_and_a_server_that_goes_and_comes_back(
    open_page: Any, running: Any, lone: Any, known: dict[str, Any]
) -> None:
    with running(Settings(torchserve_url=lone.inference)) as address:
        page = open_page(f"{address}/similar?movie={known['movie']}&model=fm")
        expect(page.get_by_role("alert")).to_contain_text("This model is not registered")
        expect(page.get_by_role("alert")).to_contain_text("make archive register MODEL=… VERSION=…")
        page.get_by_text("mf", exact=True).click()
        expect(page.locator(".card").first).to_be_visible()
        page.goto(f"{address}/compare?movie={known['movie']}")
        expect(page.locator(".column .ranked")).to_have_count(1)
        expect(page.get_by_role("alert")).to_have_count(2)

        page.goto(f"{address}/similar?movie={known['movie']}")
        expect(page.locator(".card")).to_have_count(18)
        lone.stop()
        page.locator(".card a").first.click()
        expect(page.get_by_role("alert")).to_contain_text("The model server is not running")
        box = page.get_by_role("combobox")
        box.press_sequentially("comedy")
        expect(page.get_by_role("option").first).to_contain_text("Comedy")  # titles are known from before
        box.press("Escape")
        lone.start()
        expect(page.locator(".card")).to_have_count(18)  # by itself
        expect(page.get_by_role("alert")).to_have_count(0)


def test_a_page_opened_while_the_only_model_is_loading_goes_on_by_itself(
    open_page: Any, running: Any, make_stand_in: Any
) -> None:
    stand_in, loading = make_stand_in(40), [True]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path not in ("/ping", "/predictions/mf"):
            return httpx.Response(404, json={"type": "ModelNotFoundException"})
        if loading and request.url.path != "/ping":
            return httpx.Response(503, json={"type": "ServiceUnavailableException"})
        return stand_in(request)

    with running(Settings(), httpx.MockTransport(answer)) as address:
        page = open_page(f"{address}/similar?movie=1")
        expect(page.get_by_role("alert")).to_contain_text("The model server is busy")
        loading.clear()
        expect(page.locator(".card")).to_have_count(3)


def test_a_page_opened_while_the_server_is_away_is_not_blank(open_page: Any, running: Any) -> None:
    with running(Settings(torchserve_url="http://127.0.0.1:9")) as address:
        page = open_page(address)
        expect(page.get_by_role("alert")).to_contain_text("The model server is not running")
        expect(page.get_by_role("combobox")).to_be_visible()
