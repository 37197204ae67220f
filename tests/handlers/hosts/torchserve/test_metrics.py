"""The handler's metrics at TorchServe's metrics address: what Prometheus scrapes adds up."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
import requests

from handlers.recommender.api.metrics import ERRORS, REQUESTS, BatchCounts, Tally
from handlers.recommender.hosts.torchserve.metrics import Reporter
from tests.conftest import MODELS, Client
from tests.ray_serve import MANAGED
from tests.waiting import wait

LINE = re.compile(r"^(Recommender\w+)\{(.*?)\} (\S+)$", re.MULTILINE)


def scraped(client: Client, model: str) -> Counter[tuple[str, str]]:
    """The handler's metrics of version 1.0 of a model: by name and its last label."""
    text = requests.get(f"{client.server.settings['metrics_address']}/metrics", timeout=60).text
    found: Counter[tuple[str, str]] = Counter()
    for name, inside, value in LINE.findall(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', inside))
        if (labels.pop("ModelName"), labels.pop("ModelVersion")) == (model, "1.0"):
            extra = labels.keys() - {"Level", "Hostname"}
            found[name, labels[extra.pop()] if extra else ""] += float(value)
    return found


def settled(client: Client, model: str) -> Counter[tuple[str, str]]:
    """The metrics when the requests of other tests are in them: a worker reports once a second, in its own time.

    So a request comes after theirs that counts like no other, and its report is waited for, and the rest of it.
    """
    before, pairs = scraped(client, model), [{"user_id": 11, "movie_id": 103}] * 1000
    client.ask(model, {"instances": pairs})
    wait(lambda: scraped(client, model)["RecommenderScores", "+Inf"] >= before["RecommenderScores", "+Inf"] + 1000)
    found = scraped(client, model)
    while True:
        time.sleep(1.5)
        before, found = found, scraped(client, model)
        if found == before:
            return found


@pytest.mark.parametrize("host", MANAGED, indirect=True, scope="session")
@pytest.mark.parametrize("model", MODELS)
def test_every_request_is_counted(client: Client, model: str) -> None:
    before = settled(client, model)
    for body in ({"user_id": 11, "movie_id": 103}, {"user_id": 999_999, "movie_id": 103}, {"user_id": 11}) * 5:
        client.ask(model, body)
    client.post(model, {"nonsense": 1})
    expected = {
        ("RecommenderRequests", ""): 16,
        ("RecommenderErrors", "400"): 1,
        ("RecommenderUnknownIds", ""): 5,
        ("RecommenderFallbacks", ""): 5,
        ("RecommenderScores", "+Inf"): 10,
    }

    deadline = time.monotonic() + 60
    while True:
        after = scraped(client, model)
        after.subtract(before)
        counted = {name: after[name] for name in expected}
        batches, seconds = after["RecommenderBatches", ""], after["RecommenderForwardTime", ""]
        if (counted == expected and batches and seconds) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert counted == expected
    assert 0 < batches <= 16
    assert seconds > 0
    assert scraped(client, model)["RecommenderDevice", "cpu"] == 1


def test_metrics_are_printed_once_a_report(caplog: pytest.LogCaptureFixture) -> None:
    from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

    caplog.set_level("INFO")
    cache = MetricsCacheYamlImpl.__new__(MetricsCacheYamlImpl)
    cache.cache, cache.model_name = {}, "mf"
    tally = Tally(1.0, 5.0)
    reporter = Reporter(tally, cache, "1.0", "cpu")
    for _ in range(1000):
        batch = BatchCounts()
        batch.add(REQUESTS, 3)
        batch.add(ERRORS, label="404")
        tally.add(batch)
    reporter.report()
    reporter.report()
    lines = [record.message.split("|#hostname")[0] for record in caplog.records]
    assert sorted(lines) == [
        "[METRICS]RecommenderErrors.Count:1000|#ModelName:mf,ModelVersion:1.0,Level:Model,Code:404|#type:COUNTER",
        "[METRICS]RecommenderRequests.Count:3000|#ModelName:mf,ModelVersion:1.0,Level:Model|#type:COUNTER",
    ]
