"""The arithmetic of a few pairs in numpy: what the network says, for every model, or nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from handlers.recommender.api.service import Service
from handlers.recommender.fast import kernel
from handlers.recommender.fast.pairs import PairScorer
from handlers.recommender.model.link import Link, Logistic, Ordinal, Regression
from training.models import DeepFM, Side

MODELS = ("mf", "fm", "deepfm")  # those with an architecture that the kernel knows


@pytest.mark.parametrize("model", MODELS)
class TestEveryModel:
    def test_a_few_pairs_have_the_scores_of_the_network(self, model: str, services: dict[str, Service]) -> None:
        archive = services[model].model
        users, items = archive.arrays["user_encodings"], archive.arrays["item_encodings"]
        found = kernel.matching(archive.network, users, items)
        assert found is not None
        rng = np.random.default_rng(0)
        for count in (1, 7, found.block_size, 3 * found.block_size + 1):
            rows = np.stack([rng.integers(len(users), size=count), rng.integers(len(items), size=count)])
            expected = archive.network.score_pairs(users[rows[0]], items[rows[1]])
            torch.testing.assert_close(torch.from_numpy(found.score_rows(rows)), expected, rtol=1e-5, atol=1e-5)

    def test_without_it_the_network_gives_the_same_answers(
        self, model: str, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scorer = PairScorer(services[model].model)
        rows = np.arange(400).reshape(2, -1) % min(len(scorer.kernel.users), len(scorer.kernel.items))
        by_kernel = scorer.score_rows(rows)
        monkeypatch.setattr(scorer, "kernel", None)
        np.testing.assert_allclose(scorer.score_rows(rows), by_kernel, atol=1e-5)

    def test_a_score_does_not_depend_on_what_comes_with_it(self, model: str, services: dict[str, Service]) -> None:
        """Alone, among a thousand, beside a bad instance (the general service), in a list: to the last digit.

        Of a probability that digit may differ by one: OpenBLAS adds up the products of one row in another order.
        """
        service = services[model]
        users, movies = service.model.users.ids[1:], service.model.movies.ids[1:]
        pairs = [{"user_id": users[n % len(users)], "movie_id": movies[n * 7 % len(movies)]} for n in range(1000)]

        def scores(instances: list[dict[str, Any]]) -> list[float]:
            (answer,) = service.answer([json.dumps({"instances": instances}).encode()])
            return [one["score"] for one in json.loads(answer.body)["predictions"] if "score" in one]

        alone = [json.loads(service.answer([json.dumps(one).encode()])[0].body)["score"] for one in pairs]
        away = 0 if model != "deepfm" else 1.01e-6
        np.testing.assert_allclose(scores(pairs), alone, rtol=0, atol=away)
        np.testing.assert_allclose(scores([*pairs[:999], {}]), alone[:999], rtol=0, atol=away)
        for user in users[:20]:
            (listed,) = service.answer([json.dumps({"user_id": user, "k": 10}).encode()])
            for entry in json.loads(listed.body)["recommendations"]:
                pair = {"user_id": user, "movie_id": entry["movie_id"]}
                (answer,) = service.answer([json.dumps(pair).encode()])
                assert abs(entry["score"] - json.loads(answer.body)["score"]) <= away


def test_wide_layers_are_left_to_torch(services: dict[str, Service], monkeypatch: pytest.MonkeyPatch) -> None:
    archive = services["deepfm"].model
    assert PairScorer(archive).kernel is not None
    monkeypatch.setattr(kernel, "MATRIX_LIMIT", 1 << 12)
    assert PairScorer(archive).kernel is None


@pytest.mark.parametrize(
    "link",
    [Regression(1, 5, 0.8), Logistic(3.0), Ordinal((1.0, 2.0, 3.0, 4.0, 5.0), (1.5, 2.5, 3.5, 4.5), 0.7)],
    ids=lambda link: type(link).__name__,
)
def test_scores_on_the_scale_are_to_the_last_digit_those_of_the_archive(
    link: Link, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = services["mf"].model
    monkeypatch.setitem(archive.__dict__, "link", link)
    raw = torch.linspace(-30, 30, 1001)
    np.testing.assert_array_equal(kernel.inverse_link_of(link)(raw.numpy()), archive.inverse_link(raw).numpy())


def deepfm(hidden: tuple[int, ...], **parts: bool) -> tuple[torch.jit.ScriptModule, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    network = torch.jit.script(DeepFM(Side(4, [], 8), Side(4, [], 8), 3.5, hidden, **parts).eval())
    return network, torch.randn(50, 10 + hidden[0]), torch.randn(60, 10 + hidden[0])


@pytest.mark.parametrize("parts", [{"use_mlp": False}, {"use_fm": False}, {}])
@pytest.mark.parametrize("hidden", [(16,), (32, 16, 8)])
def test_a_network_without_one_of_its_parts(hidden: tuple[int, ...], parts: dict[str, bool]) -> None:
    network, users, items = deepfm(hidden, **parts)
    found = kernel.matching(network, users, items)
    assert found is not None
    rows = np.stack([np.arange(50), np.arange(50)])
    expected = network.score_pairs(users, items[:50]).detach()
    torch.testing.assert_close(torch.from_numpy(found.score_rows(rows)), expected, rtol=1e-4, atol=1e-4)


def test_a_wide_layer_takes_fewer_pairs() -> None:
    assert kernel.matching(*deepfm((256, 128))).block_size == 8
    assert kernel.matching(*deepfm((16, 256))).block_size == 36


class Other(torch.nn.Module):
    """A combiner of another kind."""

    @torch.jit.export
    def score_pairs(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return (users - items).square().sum(dim=1)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return self.score_pairs(users, items)


def test_another_combiner_stays_with_torch() -> None:
    assert kernel.matching(torch.jit.script(Other()), torch.randn(9, 4), torch.randn(9, 4)) is None
