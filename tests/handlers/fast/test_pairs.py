"""The lane for pairs answers what the general service would, and counts what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from handlers.recommender.api import metrics
from handlers.recommender.api.decode import Form
from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.fast import pairs
from handlers.recommender.model.model import Model
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


PHASES = (metrics.DECODE_TIME, metrics.LOOKUP_TIME, metrics.FORWARD_TIME, metrics.ENCODE_TIME)


@pytest.fixture(params=MODELS)
def service(request: pytest.FixtureRequest, services: dict[str, Service]) -> Iterator[Service]:
    service = services[request.param]
    service.tally.take()
    yield service
    service.tally.take()


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.fixture
def plain(service: Service, build: Path) -> Service:
    """The service of the same model without anything of fast/."""
    return Service(Model.load(build / service.model.metadata.model, torch.device("cpu")), Limits())


@pytest.fixture(params=["movie", "item"])
def read(request: pytest.FixtureRequest) -> pairs.Read:
    """The reader of a log of movies, and that of a log of items."""
    return pairs.reader_of(request.param)


@pytest.mark.parametrize("word", ["movie_id", "item_id"])
@pytest.mark.parametrize("body", PAIRS)
def test_the_shortcut_takes_pairs(read: pairs.Read, word: str, body: Any) -> None:
    assert read(encoded(body).replace(b"movie_id", word.encode())) is not None


@pytest.mark.parametrize("body", OTHERS[:4] + OTHERS[5:7] + OTHERS[8:])
def test_the_shortcut_leaves_everything_else(read: pairs.Read, body: Any) -> None:
    assert read(encoded(body)) is None


@pytest.mark.parametrize("raw", [b"", b"{", b'{"user_id": 1, "movie_id": "\xff"}', b"[" * 100_000])
def test_the_shortcut_leaves_what_is_no_json(read: pairs.Read, raw: bytes) -> None:
    assert read(raw) is None


def test_a_mixed_batch_is_answered_as_without_the_shortcut(service: Service, plain: Service) -> None:
    bodies = [encoded(body) for two in zip(PAIRS + PAIRS[:2], OTHERS, strict=True) for body in two]
    bodies += [Form({"user_id": b"11", "movie_id": b"103"}), Form({})]
    for answer, expected in zip(service.answer(bodies), plain.answer(bodies), strict=True):
        assert (answer.code, answer.phrase) == (expected.code, expected.phrase)
        found, reference = json.loads(answer.body), json.loads(expected.body)
        ours = found.get("predictions", [found])
        for one, other in zip(ours, reference.get("predictions", [reference]), strict=True):
            assert one.pop("score", 0) == pytest.approx(other.pop("score", 0), abs=1e-4)
            assert list(one.items()) == list(other.items())


def test_a_fault_in_the_shortcut_leaves_the_answer_to_the_service(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reference,) = service.answer([encoded(KNOWN)])

    def fail(*_: Any) -> None:
        raise RuntimeError("no memory on the device")

    monkeypatch.setattr(pairs.PairScorer, "score", fail)
    (answer,) = service.answer([encoded(KNOWN)])
    found, expected = json.loads(answer.body), json.loads(reference.body)
    assert answer.code == 200
    assert found.pop("score") == pytest.approx(expected.pop("score"), abs=1e-4)
    assert found == expected


def test_what_a_batch_did_is_counted(service: Service) -> None:
    service.answer([encoded(body) for body in (*PAIRS, OTHERS[0], OTHERS[1], {"user_id": 999_999, "k": 1})])
    service.answer([encoded(KNOWN)])
    counts = service.tally.take()
    assert counts[metrics.BATCHES, ""] == 2
    assert counts[metrics.REQUESTS, ""] == len(PAIRS) + 4
    assert counts[metrics.INSTANCES, ""] == len(PAIRS) + 2 + 4
    assert counts[metrics.ERRORS, "400"] == 1
    assert counts[metrics.UNKNOWN_IDS, ""] == 6
    assert counts[metrics.FALLBACKS, ""] == 5
    assert counts[metrics.SCORES, "+Inf"] == 11
    assert all(counts[phase, ""] > 0 for phase in PHASES)
    assert not service.tally.take()
