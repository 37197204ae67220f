"""The search box in a real browser."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

from tests.web.static.conftest import settled, titles


def test_search_with_a_typo_and_the_keyboard_alone(open_page: Any, address: str) -> None:
    page = open_page(address)
    expect(page.locator(".cards .card")).to_have_count(12)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "combobox":
            break
    with page.expect_response(re.compile(r"q=hooror\+flm$")) as last:  # whose suggestions replace the earlier ones
        page.keyboard.type("hooror flm")
    last.value.finished()
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("Horror Film")
    box = page.get_by_role("combobox")
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("[role=option][aria-selected=true]")
    expect(chosen).to_have_count(1)
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id") != options.first.get_attribute("id")
    title = chosen.locator("span").first.inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert re.search(r"/similar\?movie=\d+$", page.url)
    expect(page.locator(".card")).to_have_count(18)
    assert title not in titles(page)


def test_escape_closes_the_suggestions(open_page: Any, address: str) -> None:
    page = open_page(address)
    box = page.get_by_role("combobox")
    box.press_sequentially("film")
    expect(page.get_by_role("listbox")).to_be_visible()
    box.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box).to_have_value("film")
    box.press("Escape")
    expect(box).to_have_value("")


def test_no_result_is_said(open_page: Any, address: str) -> None:
    page = open_page(address)
    page.get_by_role("combobox").press_sequentially("zzzzqqqq")
    expect(page.get_by_role("listbox")).to_contain_text("No movie found for “zzzzqqqq”")


def test_a_key_press_is_answered_within_100_ms(open_page: Any, address: str) -> None:
    page = open_page(address)
    settled(page)
    page.evaluate(
        """() => {
          window.times = [];
          const box = document.querySelector("[role=combobox]");
          const list = document.querySelector("[role=listbox]");
          let pressed;
          addEventListener("keydown", () => (pressed = performance.now()), true);
          const painted = () => requestAnimationFrame(() => setTimeout(() => {
            if (pressed) window.times.push(performance.now() - pressed);
            pressed = undefined;
          }));
          new MutationObserver(painted).observe(list, { childList: true });
          box.focus();
        }"""
    )
    for number, key in enumerate("comedy film"):
        page.keyboard.press(key)
        page.evaluate(
            """(number) => new Promise((resolve) => {
              const look = () => (window.times.length > number ? resolve() : setTimeout(look, 5));
              look();
            })""",
            number,
        )
    times = sorted(page.evaluate("window.times"))
    print(f"from key press to suggestions on the screen: {times[len(times) // 2]:.0f} ms (longest {times[-1]:.0f} ms)")
    assert times[len(times) // 2] < 100
