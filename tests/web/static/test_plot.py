"""The points of the map, in a real browser."""

from __future__ import annotations

from typing import Any

import httpx

from web.settings import Settings


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
