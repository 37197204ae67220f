"""Which places of a list go to exploration, and to what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from handlers.recommender.model.exploration import Exploration, mixed
from handlers.recommender.model.lists import ListMaker
from handlers.recommender.model.query import Selection

CPU = torch.device("cpu")


def exploration(counts: np.ndarray) -> Exploration:
    return Exploration(ListMaker(counts, None, CPU), counts, CPU)


def test_mixed_takes_the_next_of_either_list_and_repeats_nothing() -> None:
    plain, sampled = np.array([1, 2, 3, 4]), np.array([2, 9, 1, 8])
    assert mixed(plain, sampled, np.array([False, True, False, True])).tolist() == [1, 2, 3, 9]
    assert mixed(plain, sampled, np.zeros(4, bool)).tolist() == plain.tolist()
    assert mixed(plain, sampled, np.ones(4, bool)).tolist() == sampled.tolist()


def test_draws_have_the_mean_and_the_deviation_of_the_posterior() -> None:
    counts = np.array([0, 1, 3, 99])
    maker, generator = exploration(counts), torch.Generator().manual_seed(0)
    draws = np.array([maker._relative_rates(generator).numpy() for _ in range(20_000)])
    assert np.abs(draws.mean(axis=0) - 1).max() < 0.03
    assert np.abs(draws.std(axis=0) * np.sqrt(1 + counts) - 1).max() < 0.05


@pytest.mark.parametrize("count", [0, 1, 10, 1000])
def test_the_distribution_of_draws_is_close_to_the_gamma_distribution(count: int) -> None:
    maker, shape = exploration(np.full(100_000, count)), 1 + count
    draws = maker._relative_rates(torch.Generator().manual_seed(0)).numpy()
    assert draws.min() > 0
    assert stats.kstest(draws, stats.gamma(shape, scale=1 / shape).cdf).statistic < 0.02


def test_a_new_movie_is_explored_as_often_as_it_is_the_best_draw() -> None:
    """A new movie worth half of what a much rated one is worth: P(Exp(1) > 2) = 0.135."""
    counts, numbers = np.array([0, 10**6, 0]), torch.tensor([[-torch.inf, 1.0, 0.5]])
    maker = exploration(counts)
    first = [
        maker.make(numbers.clone(), [np.zeros(1, np.int64)], [Selection(1, explore=1.0, seed=seed)])[0][0][0]
        for seed in range(4000)
    ]
    assert abs(np.mean(np.array(first) == 2) - np.exp(-2)) < 0.02


def test_so_many_places_are_explored_as_asked_and_the_seed_fixes_them() -> None:
    rng = np.random.default_rng(0)
    counts, numbers = rng.integers(0, 50, 400), torch.from_numpy(rng.random((1, 400), np.float32))
    maker, left_out = exploration(counts), np.array([0, 5, 17])

    def made(seed: int | None, k: int = 20) -> tuple[list[int], list[bool]]:
        selection = Selection(k, explore=0.1, seed=seed)
        (rows,), (explored,) = maker.make(numbers.clone(), [left_out], [selection])
        return rows.tolist(), explored.tolist()

    share = np.mean([made(seed)[1] for seed in range(300)])
    assert abs(share - 0.1) < 0.015
    assert made(7) == made(7)
    assert made(7, k=10) == tuple(part[:10] for part in made(7))
    assert len({tuple(made(None)[0]) for _ in range(30)}) > 1
    for seed in range(20):
        rows, _ = made(seed)
        assert len(set(rows)) == 20
        assert not set(rows) & set(left_out.tolist())


def test_without_explore_nothing_changes_and_neighbours_keep_their_lists() -> None:
    rng = np.random.default_rng(1)
    counts, numbers = rng.integers(0, 50, 100), torch.from_numpy(rng.random((2, 100), np.float32))
    out = [np.zeros(1, np.int64)] * 2
    lists, explored = exploration(counts).make(numbers.clone(), out, [Selection(9), Selection(9, explore=1.0, seed=0)])
    assert (
        lists[0].tolist() == ListMaker(counts, None, CPU).make(numbers[:1].clone(), out[:1], [Selection(9)])[0].tolist()
    )
    assert explored[0] is None
    assert explored[1].all()


def test_a_better_new_movie_is_found_only_by_exploring() -> None:
    """Planted: of a hundred new movies one is chosen by everybody who sees it. The numbers alone never show it."""
    movies, good, rounds = 120, 77, 400
    worth = np.full(movies, 0.02)
    worth[1:20], worth[good] = 0.3, 0.9
    found = {}
    for explore in (0.0, 0.3):
        rng, shown, chosen = np.random.default_rng(0), np.zeros(movies), np.zeros(movies)
        shown[1:20], chosen[1:20] = 1000, 300
        for seed in range(rounds):
            estimate = torch.from_numpy(((chosen + 0.1) / (shown + 1)).astype(np.float32))[None]
            selection = Selection(5, explore=explore, seed=seed)
            (rows,), _ = exploration(chosen.astype(np.int64)).make(estimate, [np.zeros(1, np.int64)], [selection])
            shown[rows] += 1
            chosen[rows] += rng.random(5) < worth[rows]
        found[explore] = chosen[good]
    assert found[0.0] == 0
    assert found[0.3] > 100
