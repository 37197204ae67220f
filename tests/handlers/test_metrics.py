"""The handler's metrics at TorchServe's metrics address: what Prometheus scrapes adds up."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
import requests

from tests.conftest import MODELS, Client

LINE = re.compile(r"^(Recommender\w+)\{(.*?)\} (\S+)$", re.MULTILINE)


def scraped(client: Client, model: str) -> Counter[tuple[str, str]]:
    """The handler's metrics of one model: by name and its last label."""
    text = requests.get(f"{client.server.settings['metrics_address']}/metrics", timeout=10).text
    found: Counter[tuple[str, str]] = Counter()
    for name, inside, value in LINE.findall(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', inside))
        if labels.pop("ModelName") == model:
            assert labels.pop("ModelVersion") == "1.0"
            extra = labels.keys() - {"Level", "Hostname"}
            found[name, labels[extra.pop()] if extra else ""] += float(value)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_every_request_is_counted(client: Client, model: str) -> None:
    before = scraped(client, model)
    for body in ({"user_id": 11, "movie_id": 103}, {"user_id": 999_999, "movie_id": 103}, {"user_id": 11}) * 5:
        client.ask(model, body)
    client.post(model, {"nonsense": 1})
    deadline = time.monotonic() + 10
    while True:
        after = scraped(client, model)
        after.subtract(before)
        if after["RecommenderRequests", ""] >= 16 or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert after["RecommenderRequests", ""] == 16
    assert after["RecommenderErrors", "400"] == 1
    assert after["RecommenderUnknownIds", ""] == 5
    assert after["RecommenderFallbacks", ""] == 5
    assert after["RecommenderScores", "+Inf"] == 10
    assert 0 < after["RecommenderBatches", ""] <= 16
    assert after["RecommenderForwardTime", ""] > 0
    assert scraped(client, model)["RecommenderDevice", "cpu"] == 1
