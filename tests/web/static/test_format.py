"""What the page says of the shares in an explanation (format.js), in a real browser: it can be read, and it adds up."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from web.settings import Settings

PLAIN = str.maketrans({"\N{MINUS SIGN}": "-", "\N{NO-BREAK SPACE}": " "})


@pytest.fixture(scope="module")
def in_words(browser: Browser, running: Any, make_stand_in: Any) -> Iterator[Callable[[str, list[Any]], list[Any]]]:
    """What a function of format.js says of each of some entries."""
    with running(Settings(), httpx.MockTransport(make_stand_in(1))) as address:
        page = browser.new_page()
        page.goto(f"{address}/static/icon.svg")
        script = "async ([name, entries]) => entries.map((await import('/static/format.js'))[name])"
        yield lambda name, entries: page.evaluate(script, [name, entries])
        page.close()


def entry(total: float, *shares: float) -> dict[str, Any]:
    """An entry whose number is a sum of these shares of movies and a remainder."""
    reasons = [{"movie_id": place, "title": f"Film {place}", "share": one} for place, one in enumerate(shares)]
    reasons.append({"remainder": True, "share": total - sum(shares)})
    return {"rank_score": total, "rank_because": reasons, "personal": total, "because": reasons}


def text(parts: list[dict[str, Any]]) -> str:
    return ", ".join(f"{part['label']} {part['amount']}" for part in parts).translate(PLAIN)


def numbers(parts: list[dict[str, Any]]) -> list[Decimal]:
    return [Decimal(part["amount"].translate(PLAIN).removesuffix(" %")) for part in parts]


PERCENTAGES = [
    (entry(1.0, 0.335, 0.335, 0.33), "Film 0 34 %, Film 1 33 %, Film 2 33 %"),
    (entry(1.0, 0.3, 0.004, -0.1), "Film 0 30 %, all else 70 %"),
    (entry(0.0003, 0.0001, 0.0001), "Film 0 34 %, Film 1 33 %, all else 33 %"),
    (entry(1.0, 0.500001, 0.500001), "Film 0 50 %, Film 1 50 %"),
]
POINTS = [
    (entry(0.02, 0.3), "Film 0 +0.30, all else -0.28, in all +0.02"),
    (entry(1.0, 0.5, 0.4, 0.3), "Film 0 +0.50, Film 1 +0.40, Film 2 +0.30, all else -0.20, in all +1.00"),
    (entry(-0.3, 0.1, -0.25), "Film 1 -0.25, Film 0 +0.10, all else -0.15, in all -0.30"),
    (entry(0.0, 0.25), "Film 0 +0.25, all else -0.25, in all +0.00"),
    (entry(-0.0004, 0.0003), "Film 0 +0.00030, all else -0.00070, in all -0.00040"),
]
# Movies that nobody has rated, a remainder alone, and a list that was not explained.
NOTHING = [entry(0.0, 0.0), entry(0.0), entry(1.0), {"movie_id": 1, "title": "Unexplained"}]


@pytest.mark.parametrize(("listed", "said"), PERCENTAGES)
def test_shares_that_fit_into_the_number_are_percentages_of_it(in_words: Any, listed: Any, said: str) -> None:
    (found,) = in_words("listedFor", [listed])
    assert (found["lead"], text(found["parts"])) == ("Listed because of", said)


@pytest.mark.parametrize(("listed", "said"), POINTS)
def test_other_shares_are_signed_points(in_words: Any, listed: Any, said: str) -> None:
    (found,) = in_words("listedFor", [listed])
    assert (found["lead"], text(found["parts"])) == ("Its place in the list:", said)


def test_where_no_part_has_a_name_nothing_is_said(in_words: Any) -> None:
    assert in_words("listedFor", NOTHING) == [None] * len(NOTHING)
    assert in_words("movedBy", NOTHING) == [[]] * len(NOTHING)


def test_thirds_of_a_point_add_up(in_words: Any) -> None:
    (parts,) = in_words("movedBy", [entry(1.0, 0.335, 0.335, 0.33)])
    assert text(parts) == "Film 0 +0.34, Film 1 +0.33, Film 2 +0.33, in all +1.00"


def test_what_is_said_adds_up_whatever_the_numbers(in_words: Any) -> None:
    draw = random.Random(3)
    entries = []
    for _ in range(2000):
        size = 10 ** draw.uniform(-4, 1)
        shares = [round(size * draw.gauss(draw.choice((0, 1)), 1), 6) for _ in range(draw.randrange(1, 7))]
        entries.append(entry(round(sum(shares) + size * draw.choice((0, draw.gauss(0, 1))), 6), *shares))
    counts = {"Listed because of": 0, "Its place in the list:": 0}
    for one, found in zip(entries, in_words("listedFor", entries)):
        if found is None:
            continue
        counts[found["lead"]] += 1
        if found["lead"] == "Listed because of":
            percentages = numbers(found["parts"])
            assert sum(percentages) == 100
            assert all(0 < share <= 100 for share in percentages)
        else:
            check_points(found["parts"], one["rank_score"])
    assert min(counts.values()) > 200
    assert sum(counts.values()) > 1900
    for one, parts in zip(entries, in_words("movedBy", entries)):
        if parts:
            check_points(parts, one["personal"])


def check_points(parts: list[dict[str, Any]], total: float) -> None:
    *some, last = numbers(parts)
    assert parts[-1]["label"] == "in all"
    assert sum(some) == last
    assert 0 not in some
    assert abs(float(last) - total) < 0.00501  # half of the last digit, which is no coarser than a hundredth
