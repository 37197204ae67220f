"""The page in a real browser: before a real TorchServe, and where it needs special movies before a stand-in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.conftest import server_on_free_ports
from web.settings import Settings

VIEWS = ["/", "/similar?movie={movie}", "/user?user={user}", "/you", "/compare?movie={movie}", "/map?movie={movie}"]
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


# --- similar


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


def test_going_on_from_a_similar_movie_and_back(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/similar?movie={known['movie']}")
    first = page.locator(".card").first
    next_title = first.locator(".card-title").inner_text()
    before = page.get_by_role("heading", level=1).inner_text()
    first.locator("a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(next_title)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(before)


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


# --- for a user


def test_a_users_list_with_a_filter(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/user")
    page.get_by_label("User").fill(str(known["user"]))
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"User {known['user']}")
    expect(page.locator(".strip li").first).to_be_visible()
    unfiltered = titles(page)
    page.get_by_text("Genres: all").click()
    page.locator(".chips label", has_text="Horror").click()
    expect(page.get_by_text("Genres: Horror")).to_be_visible()
    assert "genres=Horror" in page.url
    settled(page)
    genres = page.locator(".cards .muted").all_inner_texts()
    assert genres
    assert all("Horror" in one for one in genres)
    page.reload()
    settled(page)
    assert page.locator(".cards .muted").all_inner_texts() == genres  # the link can be shared
    page.locator(".chips label", has_text="Horror").click()
    expect(page.get_by_text("Genres: all")).to_be_visible()
    settled(page)
    assert titles(page) == unfiltered


def test_seen_movies_come_back_when_asked_for(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/user?user={known['user']}")
    settled(page)
    seen = set(page.locator(".strip-title").all_inner_texts())
    assert seen.isdisjoint(titles(page))
    page.get_by_label("Seen movies too").check()
    assert "seen=1" in page.url
    settled(page)
    assert not seen.isdisjoint(titles(page))


def test_someone_at_random(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/user")
    page.get_by_role("button", name="Someone at random").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"User \d+"))
    expect(page.locator(".strip li").first).to_be_visible()


def test_an_unknown_user_is_said_to_be_one(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/user?user=987654321")
    expect(page.get_by_role("heading", name="Nobody has this id")).to_be_visible()
    expect(page.locator(".card").first).to_be_visible()


def test_an_unknown_movie_is_said_to_be_one(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/similar?movie=987654321")
    expect(page.get_by_role("alert")).to_contain_text("Not known to this model")
    expect(page.get_by_role("alert")).to_contain_text("987654321")


# --- for you


def test_rating_five_movies_changes_the_list_and_clearing_forgets(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    seen: list[list[str]] = []
    for number, stars in enumerate([5, 1, 4, 2, 5]):
        row = page.locator(".questions li").nth(number)
        row.locator(".stars label").nth(stars - 1).click()
        expect(page.get_by_text(f"{number + 1} rating", exact=False)).to_be_visible()
        settled(page)
        seen.append(titles(page))
    assert all(len(one) == 12 for one in seen)
    assert len({tuple(one) for one in seen}) >= 4
    rated = set(page.locator(".questions li:has(:checked) .card-title").all_inner_texts())
    assert rated.isdisjoint(seen[-1])
    page.reload()
    settled(page)
    assert titles(page) == seen[-1]  # kept in the browser
    page.get_by_role("button", name="Clear my ratings").click()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    assert page.evaluate("localStorage.getItem('stars')") == "[]"


def test_a_movie_not_seen_makes_room_for_another(open_page: Any, address: str) -> None:
    page = open_page(f"{address}/you")
    rows = page.locator(".questions li")
    expect(rows).to_have_count(6)
    before = rows.nth(1).inner_text()
    rows.nth(1).get_by_role("button", name=re.compile("Not seen")).click()
    expect(rows).to_have_count(6)
    assert rows.nth(1).inner_text() != before


@pytest.fixture(scope="module")
def likes_address(running: Any, of_likes: httpx.MockTransport) -> Iterator[str]:
    with running(Settings(models=("fm",)), of_likes) as address:
        yield address


def test_likes_stand_in_the_place_of_stars_where_a_model_knows_no_others(open_page: Any, likes_address: str) -> None:
    page = open_page(f"{likes_address}/you")
    expect(page.get_by_role("heading", level=1)).to_have_text("Like a few. The list follows.")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    expect(page.locator(".stars")).to_have_count(0)
    liked = page.locator(".questions .like")
    seen = []
    for number in range(3):
        liked.nth(number).click()
        expect(page.get_by_text(f"{number + 1} like", exact=False)).to_be_visible()
        settled(page)
        seen.append(titles(page))
    assert all(len(one) == 12 for one in seen)
    assert len({tuple(one) for one in seen}) > 1
    expect(page.locator(".card").first).to_contain_text(re.compile(r"Listed because of .* Film \d+\s\d+\s%"))
    page.goto(f"{likes_address}/compare?you=1")
    expect(page.get_by_text("For you, from 3 likes")).to_be_visible()
    expect(page.locator(".ranked li")).to_have_count(10)
    page.goto(f"{likes_address}/you")
    liked.nth(0).click()  # no longer
    expect(page.get_by_text("2 likes")).to_be_visible()
    settled(page)
    assert titles(page) != seen[-1]
    page.get_by_role("button", name="Clear my likes").click()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    page.goto(f"{likes_address}/compare?you=1")
    expect(page.get_by_role("alert")).to_contain_text("Nothing yet")


def test_an_id_with_a_leading_zero_is_a_text(open_page: Any, running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(40)
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/user?user=007")
        settled(page)
        page.goto(f"{address}/user?user=7")
        settled(page)
    asked = [one["user_id"] for one in stand_in.bodies() if one.get("history")]
    assert asked == ["007", 7]


def test_what_has_four_stars_is_liked(open_page: Any, likes_address: str) -> None:
    page = open_page(f"{likes_address}/you")
    page.evaluate("localStorage.setItem('stars', JSON.stringify([['m-1', 5], ['m-2', 3], ['m-3', 4]]))")
    page.reload()
    expect(page.get_by_text("2 likes, kept in this browser only")).to_be_visible()
    settled(page)
    assert len(titles(page)) == 12
    expect(page.locator(".like :checked")).to_have_count(2)


def test_what_an_earlier_page_kept_is_not_taken_for_stars(open_page: Any, address: str, known: dict[str, Any]) -> None:
    """That page kept ratings on the scale of the log it had before it, which need not be stars."""
    page = open_page(f"{address}/you")
    page.evaluate("(movie) => localStorage.setItem('ratings', JSON.stringify([[movie, 4]]))", known["movie"])
    page.reload()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    expect(page.locator(".stars :checked")).to_have_count(0)
    assert page.evaluate("localStorage.getItem('ratings')") is None


def test_someone_at_random_whose_id_is_a_string(open_page: Any, likes_address: str) -> None:
    page = open_page(f"{likes_address}/user")
    page.get_by_role("button", name="Someone at random").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^User u-\d+$"))
    expect(page.get_by_text(re.compile(r"^\d+ likes$"))).to_be_visible()
    settled(page)
    assert len(titles(page)) == 18


def test_someone_at_random_where_the_archive_names_nobody(open_page: Any, running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(40)
    card = stand_in.card() | {"some_users": []}
    stand_in.card = lambda: card
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/user")
        page.get_by_role("button", name="Someone at random").click()
        expect(page.get_by_role("alert")).to_contain_text("Nobody is named")
        expect(page.get_by_role("alert")).to_contain_text("Type an id")


@pytest.mark.parametrize(("scale", "sent"), [([0.5, 5], 2), ([1, 10], 4), ([4, 10], 5.5)])
def test_two_stars_are_on_the_scale_of_the_log(
    open_page: Any, running: Any, make_stand_in: Any, scale: list[float], sent: float
) -> None:
    stand_in = make_stand_in(40)
    card = stand_in.card() | {"scale": scale}
    stand_in.card = lambda: card
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/you")
        page.locator(".questions li").first.locator(".stars label").nth(1).click()
        expect(page.get_by_text("1 rating,")).to_be_visible()
        settled(page)
    assert [one["ratings"][0]["rating"] for one in stand_in.bodies() if "ratings" in one] == [sent]


# --- compare


def test_compare_shows_all_models_their_cards_and_where_they_agree(
    open_page: Any, address: str, known: dict[str, Any]
) -> None:
    page = open_page(f"{address}/compare?movie={known['movie']}")
    columns = page.locator(".column")
    expect(columns).to_have_count(3)
    lists = []
    for column, name in zip(columns.all(), ("mf", "fm", "deepfm")):
        expect(column).to_contain_text(f"{name}version 1.0")
        expect(column.locator(".latency")).to_contain_text(re.compile(r"[\d.]+ ms in the model server, \d+ ms in all"))
        expect(column.locator(".about")).to_contain_text("AUC")
        expect(column.locator(".about")).to_contain_text("ratings of")
        lists.append(column.locator(".ranked-title").all_inner_texts())
    assert all(len(one) == 10 for one in lists)
    for column, own in zip(columns.all(), lists):
        for title, row in zip(own, column.locator(".ranked li").all()):
            assert row.get_attribute("data-lists") == str(sum(title in one for one in lists))
    everywhere = set.intersection(*map(set, lists))
    expect(page.get_by_text(f"{len(everywhere)} of 10 movies are in every list.")).to_be_visible()


def test_a_model_without_a_card_is_asked_with_stars(open_page: Any, running: Any, make_stand_in: Any) -> None:
    """It is not taken for a model of likes because nobody said what its scale is."""
    stand_in = make_stand_in(40)
    with running(Settings(models=("fm",), fresh=0.0), httpx.MockTransport(stand_in)) as address:
        page = open_page(f"{address}/compare?movie=1")
        settled(page)
        page.evaluate("localStorage.setItem('stars', JSON.stringify([[2, 5], [3, 1]]))")
        stand_in.failures = [httpx.Response(400, json={"code": 400, "type": "Other", "message": "no card"})]
        page.goto(f"{address}/compare?you=1")
        expect(page.locator(".ranked li")).to_have_count(3)
        expect(page.locator(".about")).to_have_count(0)  # there was no card
    (asked,) = [one["ratings"] for one in stand_in.bodies() if "ratings" in one]
    assert asked == [{"movie_id": 2, "rating": 5}, {"movie_id": 3, "rating": 1}]


# --- the map


def test_the_map_highlights_the_list_and_follows_a_click(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(f"{address}/map?movie={known['movie']}")
    expect(page.locator(".plain li")).to_have_count(15)
    canvas = page.locator("canvas")
    box = canvas.bounding_box()
    page.get_by_role("button", name="Zoom in").click()
    found = None
    for x in range(10, int(box["width"]), 12):
        for y in (0.3, 0.5, 0.7):
            page.mouse.move(box["x"] + x, box["y"] + y * box["height"])
            if page.locator(".tip").is_visible():
                found = page.locator(".tip b").inner_text()
                break
        if found:
            break
    assert found
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("heading", level=2)).to_have_text(f"Like {found}")


def test_ten_thousand_points_stay_smooth(open_page: Any, running: Any, make_stand_in: Any) -> None:
    with running(Settings(), httpx.MockTransport(make_stand_in(10_000))) as address:
        page = open_page(f"{address}/map")
        page.wait_for_selector("canvas[data-painted]")
        frames = page.evaluate(
            """() => new Promise((resolve) => {
              const canvas = document.querySelector("canvas");
              const times = [];
              const frame = (time) => {
                times.push(time);
                const deltaY = times.length % 20 < 10 ? -20 : 20;
                canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, cancelable: true }));
                if (times.length < 61) requestAnimationFrame(frame);
                else resolve(times.slice(1).map((time, place) => time - times[place]));
              };
              requestAnimationFrame(frame);
            })"""
        )
        median = sorted(frames)[len(frames) // 2]
        print(
            f"zooming 10,000 points, without a graphics card: a frame every {median:.0f} ms, longest {max(frames):.0f}"
        )
        assert median < 25  # a screen shows one every 17


# --- text is text, reasons are shown


def test_titles_with_markup_are_shown_as_text(
    open_page: Any, running: Any, make_stand_in: Any, known: dict[str, Any]
) -> None:
    stand_in = make_stand_in(40)
    markup = stand_in.movies[0]["title"]
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        page = open_page(address)
        for view in VIEWS:
            page.goto(address + view.format(movie=1, user=1))
            settled(page)
            if not view.startswith("/map"):
                expect(page.get_by_text(markup).first).to_be_visible()
            assert page.locator("main img, main b:text-is('Bold')").count() == 0
        page.goto(address)
        page.get_by_role("combobox").press_sequentially("bold")
        expect(page.get_by_role("option").first).to_contain_text(markup)
        assert page.title() != "1"


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
        points = [one.inner_text().split() for one in moved.all()]
        assert [one[-1] for one in points] == ["+0.60", "\N{MINUS SIGN}0.40", "+0.30", "+0.30", "+0.80"]
        expect(moved.nth(1)).to_contain_text("Against it")
        expect(moved.nth(3)).to_contain_text("all else")
    assert any(one.get("explain") for one in stand_in.bodies())


# --- trouble


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


def test_a_page_opened_while_the_server_is_away_is_not_blank(open_page: Any, running: Any) -> None:
    with running(Settings(torchserve_url="http://127.0.0.1:9")) as address:
        page = open_page(address)
        expect(page.get_by_role("alert")).to_contain_text("The model server is not running")
        expect(page.get_by_role("combobox")).to_be_visible()


# --- for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(open_page: Any, address: str, known: dict[str, Any], scheme: str) -> None:
    page = open_page(address, color_scheme=scheme)
    faults = []
    for view in VIEWS:
        page.goto(address + view.format(**known))
        settled(page)
        if view == "/":
            page.get_by_role("combobox").press_sequentially("film")
            expect(page.get_by_role("option").first).to_be_visible()
        found = Axe().run(page).response
        assert len(found["passes"]) > 10
        for one in found["violations"]:
            if one["impact"] in ("serious", "critical"):
                faults.append((view, one["id"], [node["html"][:120] for node in one["nodes"]][:3]))
    assert faults == []


def test_a_narrow_window_needs_no_sideways_scrolling(open_page: Any, address: str, known: dict[str, Any]) -> None:
    page = open_page(address, viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    for view in VIEWS:
        page.goto(address + view.format(**known))
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 320, view
    page.goto(f"{address}/similar?movie={known['movie']}")
    page.locator(".card a").first.tap()
    expect(page.locator(".card").first).to_be_visible()
