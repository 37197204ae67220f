"""The points of the map, in a real browser."""

from __future__ import annotations

from typing import Any

import httpx

from tests.web.static.conftest import shortest
from web.settings import Settings

# The times of 60 frames while somebody zooms.
FRAMES = """() => new Promise((resolve) => {
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
# What a map shows that was asked to zoom and to move, and is not part of the page.
EARLY = """async () => {
  const { Plot } = await import("/static/plot.js");
  const view = {};
  const { signal } = new AbortController();
  const plot = new Plot(document.createElement("canvas"), [{ x: 0, y: 0 }, { x: 2, y: 4 }], { signal, view });
  plot.zoom(1.5);
  plot.pan(10, 10);
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))); // it has been told its size
  return view;
}"""


def test_ten_thousand_points_stay_smooth(open_page: Any, running: Any, make_stand_in: Any) -> None:
    with running(Settings(), httpx.MockTransport(make_stand_in(10_000))) as address:
        page = open_page(f"{address}/map")
        page.wait_for_selector("canvas[data-painted]")

        def median() -> float:
            frames = sorted(page.evaluate(FRAMES))
            middle = frames[len(frames) // 2]
            print(f"zooming 10,000 points: a frame every {middle:.0f} ms, longest {frames[-1]:.0f} ms")
            return middle

        assert shortest(median, 25) < 25  # a screen shows one every 17


def test_a_map_that_is_not_in_the_page_stays_where_it_is(open_page: Any, running: Any, make_stand_in: Any) -> None:
    with running(Settings(), httpx.MockTransport(make_stand_in(3))) as address:
        page = open_page(address)
        assert page.evaluate(EARLY) == {"x": 1, "y": 2, "zoom": 1}
