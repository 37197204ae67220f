"""The pictures of the README: each view on MovieLens 100K, from the archives that ``make train archive`` makes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from archives.pack import archive
from tests.conftest import MODELS, server_on_free_ports
from tests.web.conftest import PATIENCE
from tests.web.static.conftest import painted
from web.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build"))
IMAGES = ROOT / "docs" / "images"
WINDOW = {"width": 1200, "height": 800}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for model in MODELS:
        metrics = BUILD / model / "metrics.json"
        if not metrics.is_file() or json.loads(metrics.read_text())["data"]["name"] != "ml-100k":
            pytest.skip(f"{BUILD / model} holds no model trained on MovieLens 100K: make train")
    store = tmp_path_factory.mktemp("store")
    for model in MODELS:
        archive(model, "1.0", BUILD, store)
    server = server_on_free_ports(store, tmp_path_factory.mktemp("torchserve"))
    server.start()
    with running(Settings(torchserve_url=server.inference)) as address:
        yield address
    server.stop()


def rate_three(page: Page) -> None:
    for row, stars in enumerate([5, 2, 4]):
        page.locator(".questions li").nth(row).locator(".stars label").nth(stars - 1).click()


def type_with_a_typo(page: Page) -> None:
    page.get_by_role("combobox").press_sequentially("termni")
    page.wait_for_selector("[role=option]")


PICTURES = {
    "similar": ("/similar?movie=50", None, {}),
    "search": ("/", type_with_a_typo, {}),
    "user": ("/user?user=196", None, {"viewport": {"width": 1200, "height": 1060}}),
    "you": ("/you", rate_three, {}),
    "compare": ("/compare?movie=50", None, {"viewport": {"width": 1200, "height": 1160}}),
    "map": ("/map?movie=50", None, {"color_scheme": "dark"}),
    "phone": ("/similar?movie=50", None, {"viewport": {"width": 390, "height": 800}, "device_scale_factor": 2}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture(browser: Browser, address: str, name: str) -> None:
    view, prepare, options = PICTURES[name]
    with browser.new_context(**{"viewport": WINDOW} | options) as context:
        context.set_default_timeout(1000 * PATIENCE)
        page = context.new_page()
        page.goto(address + view)
        painted(page)
        if prepare:
            prepare(page)
            painted(page)
        page.mouse.move(0, 0)
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png")
        assert page.locator("[role=alert]").count() == 0
