"""The map, in a real browser."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.web.static.conftest import settled


def test_the_map_highlights_the_list_and_follows_a_click(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/map?movie={known['movie']}")
    expect(page.locator(".plain li")).to_have_count(15)
    settled(page)
    page.get_by_role("button", name="Zoom in").click()
    canvas = page.locator("canvas[data-painted]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    found = None
    for x in range(10, int(box["width"]), 12):
        for y in (0.3, 0.5, 0.7):
            page.mouse.move(box["x"] + x, box["y"] + y * box["height"])
            page.evaluate("() => new Promise(requestAnimationFrame)")  # the page has seen the pointer there
            if page.locator(".tip").is_visible():
                found = page.locator(".tip b").inner_text()
                break
        if found:
            break
    assert found
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("heading", level=2)).to_have_text(f"Like {found}")
