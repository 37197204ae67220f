"""Maximal marginal relevance: the lists of a plain loop over the whole catalogue."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.recommender.model import diversity as module
from handlers.recommender.model.diversity import NOTHING, diversified
from handlers.recommender.model.topk import top


def by_definition(numbers: np.ndarray, vectors: np.ndarray, length: int, diversity: float) -> list[int]:
    """Carbonell and Goldstein's loop: each step compares each movie with each one of the list."""
    allowed = np.flatnonzero(np.isfinite(numbers)).tolist()
    if not allowed:
        return []
    best = numbers[allowed].max()
    relevance = np.log(np.maximum(numbers / best, 1e-6)) if best > 0 else np.zeros(len(numbers))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(lengths > 0, lengths, 1)
    listed: list[int] = []
    while len(listed) < min(length, len(allowed)):
        left = [movie for movie in allowed if movie not in listed]
        worth = {
            movie: (1 - diversity) * relevance[movie]
            - diversity * max([0.0, *(vectors[movie] @ vectors[other] for other in listed)])
            for movie in left
        }
        listed.append(max(left, key=lambda movie: (worth[movie], numbers[movie], -movie)))
    return listed


def made(numbers: np.ndarray, vectors: np.ndarray, length: int, diversity: float) -> list[int]:
    order, table = torch.from_numpy(numbers.astype(np.float32)), torch.from_numpy(vectors.astype(np.float32))
    (pool,) = top(order.unsqueeze(0), [NOTHING], [module.first_pool(length, diversity)])
    return diversified(order, pool, table, length, diversity).tolist()


@pytest.fixture(params=["a block", "many blocks"])
def _sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many blocks":
        monkeypatch.setattr(module, "BLOCK", 8)
        monkeypatch.setattr(module, "GROWTH", 2)
        monkeypatch.setattr(module, "MAX_SIMILARITIES", 100)
        monkeypatch.setattr(module, "first_pool", lambda length, _: length + 1)


@pytest.mark.usefixtures("_sizes")
@pytest.mark.parametrize("diversity", [0.05, 0.2, 0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_lists_are_those_of_the_definition(seed: int, diversity: float) -> None:
    rng = np.random.default_rng(seed)
    movies, length = int(rng.integers(1, 150)), int(rng.integers(1, 30))
    vectors = rng.standard_normal((movies, 4)) * rng.random((movies, 1)) / 2
    numbers = rng.standard_normal(movies)
    numbers[rng.random(movies) < 0.2] = -np.inf
    assert made(numbers, vectors, length, diversity) == by_definition(numbers, vectors, length, diversity)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.25, 0.5, 0.75]))
def test_movies_that_are_worth_the_same_come_by_relevance_and_by_row(seed: int, diversity: float) -> None:
    """Few different numbers, and cosines of 0 and 1; so ties abound."""
    rng = np.random.default_rng(seed)
    numbers, vectors = rng.integers(-2, 4, 40).astype(float), np.eye(4)[rng.integers(0, 4, 40)] * rng.integers(0, 2)
    assert made(numbers, vectors, 12, diversity) == by_definition(numbers, vectors, 12, diversity)


def test_a_shorter_list_is_the_beginning_of_a_longer_one() -> None:
    rng = np.random.default_rng(1)
    numbers, vectors = rng.random(500), rng.random((500, 8))
    longest = made(numbers, vectors, 100, 0.5)
    for length in (1, 10, 50):
        assert made(numbers, vectors, length, 0.5) == longest[:length]


@pytest.mark.parametrize("length", [5, 20, 30])
def test_of_a_large_catalogue_the_most_relevant_movies_are_looked_at(length: int, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_POOL", 20)
    rng = np.random.default_rng(3)
    numbers, vectors = rng.random(200), rng.standard_normal((200, 8))
    near = numbers.copy()
    near[np.argsort(-numbers)[max(20, length) :]] = -np.inf
    for diversity in (0.1, 0.5, 1.0):
        assert made(numbers, vectors, length, diversity) == by_definition(near, vectors, length, diversity)
    assert made(numbers, vectors, 5, 1.0) != by_definition(numbers, vectors, 5, 1.0)


def test_of_movies_that_are_alike_one_is_taken() -> None:
    """Three kinds of movies, those of a kind alike; a movie of another kind may have 1 / 1.1 or 1 / e of the number."""
    kinds = np.repeat(np.arange(3), 20)
    numbers, vectors = 1 - 0.2 * kinds - 0.001 * np.arange(60), np.eye(3)[kinds]
    assert set(kinds[made(numbers, vectors, 3, 0.1)]) == {0}
    assert kinds[made(numbers, vectors, 3, 0.5)].tolist() == [0, 1, 2]
    assert set(kinds[made(numbers - 0.25 * kinds, vectors, 3, 0.5)]) == {0, 1}


@pytest.mark.parametrize("numbers", [[], [-np.inf, -np.inf], [-1.0, -np.inf], [0.0, 0.0, 0.0]])
def test_lists_with_little_or_nothing_to_choose_from(numbers: list[float]) -> None:
    found = made(np.array(numbers), np.ones((len(numbers), 2)), 5, 0.5)
    assert found == np.flatnonzero(np.isfinite(numbers)).tolist()


def test_few_movies_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that fall as those of real lists do: the pool does not grow, and no movie outside it is touched."""
    numbers, pool = 1 / np.arange(1, 20_001), module.first_pool(10, 0.2)
    vectors = np.full((20_000, 4), np.nan)
    vectors[:pool] = np.random.default_rng(2).random((pool, 4))
    monkeypatch.setattr(module, "top", lambda *_: pytest.fail("the pool grew"))
    assert len(made(numbers, vectors, 10, 0.2)) == 10
