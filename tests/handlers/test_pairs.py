"""The lane for pairs answers what the general flow would, and counts what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from handlers.recommender.api.service import Service
from handlers.recommender.fast import pairs
from handlers.recommender.hosts.torchserve import metrics
from tests.conftest import MODELS

KNOWN = {"user_id": 11, "movie_id": 103}
PAIRS: list[Any] = [
    KNOWN,
    {"movie_id": 106, "user_id": 13},
    {"user_id": "11", "movie_id": "103"},
    {"user_id": 999_999, "movie_id": 103},
    {"user_id": 11, "movie_id": "nothing"},
    {"user_id": "nobody", "movie_id": -5},
    {"instances": [KNOWN, {"user_id": 13, "movie_id": 109}, {"user_id": 0, "movie_id": 106}]},
]
OTHERS: list[Any] = [
    {"user_id": 11, "movie_id": 103, "on_unknown": "error"},
    {"user_id": 11, "movie_id": 103, "unheard": 1},
    {"user_id": 11, "movie_id": True},
    {"user_id": 11, "history": True},
    {"instances": []},
    {"instances": [KNOWN, {"user_id": 11, "history": True}]},
    {"instances": [KNOWN], "user_id": 11},
    {"instances": [KNOWN] * 1001},
    [],
]


@pytest.fixture(params=MODELS)
def flow(request: pytest.FixtureRequest, recommenders: dict[str, Service]) -> Iterator[Service]:
    flow = recommenders[request.param]
    flow.tally.take()
    yield flow
    flow.tally.take()


def slot(body: Any) -> dict[str, bytes]:
    return {"body": json.dumps(body).encode()}


def in_general(flow: Service, slots: list[Any]) -> list[Any]:
    return [flow._answer_any([one], metrics.Batch())[0] for one in slots]


@pytest.mark.parametrize("body", PAIRS)
def test_the_lane_takes_pairs(flow: Service, body: Any) -> None:
    assert pairs.read(slot(body)) is not None


@pytest.mark.parametrize("body", OTHERS[:4] + OTHERS[5:7] + OTHERS[8:])
def test_the_lane_leaves_everything_else(body: Any) -> None:
    assert pairs.read(slot(body)) is None


@pytest.mark.parametrize("raw", [b"", b"{", b'{"user_id": 1, "movie_id": "\xff"}', b"[" * 100_000])
def test_the_lane_leaves_what_is_no_json(raw: bytes) -> None:
    assert pairs.read({"body": raw}) is None


def test_a_mixed_batch_is_answered_as_by_the_general_flow(flow: Service) -> None:
    slots = [slot(body) for two in zip(PAIRS + PAIRS[:2], OTHERS, strict=True) for body in two]
    slots += [{"user_id": b"11", "movie_id": b"103"}, {}]
    for answer, expected in zip(flow.answer(slots), in_general(flow, slots), strict=True):
        assert (answer.code, answer.phrase) == (expected.code, expected.phrase)
        found, reference = json.loads(answer.body), json.loads(expected.body)
        ours = found.get("predictions", [found])
        for one, other in zip(ours, reference.get("predictions", [reference]), strict=True):
            assert one.pop("score", 0) == pytest.approx(other.pop("score", 0), abs=1e-4)
            assert list(one.items()) == list(other.items())


def test_a_fault_in_the_lane_leaves_the_answer_to_the_general_flow(
    flow: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reference,) = flow.answer([slot(KNOWN)])

    def fail(*_: Any) -> None:
        raise RuntimeError("no memory on the device")

    monkeypatch.setattr(flow.pairs, "score", fail)
    (answer,) = flow.answer([slot(KNOWN)])
    found, expected = json.loads(answer.body), json.loads(reference.body)
    assert answer.code == 200
    assert found.pop("score") == pytest.approx(expected.pop("score"), abs=1e-4)
    assert found == expected


def test_what_a_batch_did_is_counted(flow: Service) -> None:
    flow.answer([slot(body) for body in (*PAIRS, OTHERS[0], OTHERS[1], {"user_id": 999_999, "k": 1})])
    flow.answer([slot(KNOWN)])
    counts = flow.tally.take()
    assert counts["RecommenderBatches", ""] == 2
    assert counts["RecommenderRequests", ""] == len(PAIRS) + 4
    assert counts["RecommenderInstances", ""] == len(PAIRS) + 2 + 4
    assert counts["RecommenderErrors", "400"] == 1
    assert counts["RecommenderUnknownIds", ""] == 6
    assert counts["RecommenderFallbacks", ""] == 5
    assert counts["RecommenderScores", "+Inf"] == 11
    assert all(counts[f"Recommender{phase}Time", ""] > 0 for phase in metrics.PHASES)
    assert not flow.tally.take()


def test_scores_are_counted_by_upper_bound() -> None:
    tally = metrics.Tally(0.0, 1.0)
    batch = metrics.Batch()
    batch.scores = [np.array([0.0, 0.1, 0.11]), np.array([0.95, 1.0])]
    tally.add(batch)
    counts = {label: count for (name, label), count in tally.take().items() if name == "RecommenderScores"}
    assert counts == {f"{i / 10:g}": 2 if i == 1 else 3 for i in range(1, 10)} | {"+Inf": 5}


def test_metrics_are_printed_once_a_report(caplog: pytest.LogCaptureFixture) -> None:
    from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

    caplog.set_level("INFO")
    cache = MetricsCacheYamlImpl.__new__(MetricsCacheYamlImpl)
    cache.cache, cache.model_name = {}, "mf"
    tally = metrics.Tally(1.0, 5.0)
    reporter = metrics.Reporter(tally, cache, "1.0", "cpu")
    for _ in range(1000):
        batch = metrics.Batch()
        batch.count("Requests", 3)
        batch.count("Errors", label="404")
        tally.add(batch)
    reporter.report()
    reporter.report()
    lines = [record.message.split("|#hostname")[0] for record in caplog.records]
    assert sorted(lines) == [
        "[METRICS]RecommenderErrors.Count:1000|#ModelName:mf,ModelVersion:1.0,Level:Model,Code:404|#type:COUNTER",
        "[METRICS]RecommenderRequests.Count:3000|#ModelName:mf,ModelVersion:1.0,Level:Model|#type:COUNTER",
    ]
