"""Cards of movies, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import httpx
from playwright.sync_api import expect

from web.settings import Settings


def test_the_reasons_are_shown_where_the_model_gives_them(open_page: Any, running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(40)
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/user?user=1")
        card = page.locator(".card").first
        expect(card.locator("p.because")).to_contain_text(
            re.compile(r"^Listed because of .*\s50\s%, Alike\s25\s%, what everybody watches\s13\s%, all else\s12\s%$")
        )
        card.get_by_text("Why ★ 4.5").click()
        moved = card.locator("details.because div")
        expect(moved.locator("dd")).to_have_text(["+0.60", "\N{MINUS SIGN}0.40", "+0.30", "+0.30", "+0.80"])
        expect(moved.nth(1)).to_contain_text("Against it")
        expect(moved.nth(3)).to_contain_text("all else")
    assert any(one.get("explain") for one in stand_in.bodies())
