"""The gateway's metrics are at a port of their own."""

from __future__ import annotations

import httpx

from serving.ports import free_ports
from tests.web.conftest import PATIENCE
from web.metrics import Metrics


def test_each_gateway_shows_its_own_counts() -> None:
    mine, other = Metrics(), Metrics()
    mine.impressions_dropped.inc(3)
    (port,) = free_ports(1)
    with mine.served(port):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE).text
    assert "gateway_impressions_dropped_total 3.0" in text
    assert "gateway_events_stored_total 0.0" in text
    assert other.registry.get_sample_value("gateway_impressions_dropped_total") == 0
