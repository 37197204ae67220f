"""Which places of a list go to exploration, and to what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from handlers.recommender.model.exploration import (
    LARGEST,
    Exploration,
    _streams,
    mixed,
    most_bits,
    random_bits,
    relative_rates,
)
from handlers.recommender.model.lists import ListMaker
from handlers.recommender.model.query import Selection
from handlers.recommender.model.topk import NOTHING

CPU = torch.device("cpu")


def exploration(counts: np.ndarray, vectors: torch.Tensor | None = None) -> Exploration:
    return Exploration(ListMaker(counts, vectors, CPU), counts)


def test_mixed_takes_the_next_of_either_list_and_repeats_nothing() -> None:
    plain, sampled = np.array([1, 2, 3, 4]), np.array([2, 9, 1, 8])
    assert mixed(plain, sampled, np.array([False, True, False, True])).tolist() == [1, 2, 3, 9]
    assert mixed(plain, sampled, np.zeros(4, bool)).tolist() == plain.tolist()
    assert mixed(plain, sampled, np.ones(4, bool)).tolist() == sampled.tolist()


def test_draws_have_the_mean_and_the_deviation_of_the_posterior() -> None:
    counts = np.array([0, 1, 3, 99])
    stream = np.random.SFC64(0)
    draws = np.array([relative_rates(random_bits(stream, 4), counts) for _ in range(20_000)])
    assert np.abs(draws.mean(axis=0) - 1).max() < 0.03
    assert np.abs(draws.std(axis=0) * np.sqrt(1 + counts) - 1).max() < 0.05


@pytest.mark.parametrize("count", [0, 1, 10, 1000])
def test_the_distribution_of_draws_is_close_to_the_gamma_distribution(count: int) -> None:
    shape = 1 + count
    draws = relative_rates(random_bits(np.random.SFC64(0), 100_000), np.full(100_000, count))
    assert draws.min() > 0
    assert stats.kstest(draws, stats.gamma(shape, scale=1 / shape).cdf).statistic < 0.02


def test_no_draw_is_above_the_largest_and_all_are_numbers() -> None:
    extremes = np.array([0, 1 << 8, 2 << 8, 2**32 - 257, 2**32 - 1], np.uint32)
    for count in (0, 1, 2, 10, 1000, 10**7):
        draws = relative_rates(extremes, np.full(5, count))
        assert (np.diff(draws) <= 0).all()
        assert 0 < draws[-1] <= draws[0] <= LARGEST
    assert relative_rates(extremes[:1], np.zeros(1, int))[0] == LARGEST


@pytest.mark.parametrize("rate", [0.1, 1.3, 1.5, 3.0, 8.0, 19.0])
def test_large_draws_come_from_small_bits(rate: float) -> None:
    bits = np.arange(0, 2**32, 2**32 // 100_000).astype(np.uint32)
    large = [bits[relative_rates(bits, np.full(len(bits), count)) >= rate] for count in (0, 1, 2, 5, 30, 1000)]
    most, found = most_bits(rate), max(some.max() for some in large if len(some))
    assert found <= most
    assert most < 1.02 * found + 2**16 or rate < 1.5


ASKED = {
    "plain": {},
    "damped": {"popularity_damping": 0.4},
    "diverse": {"diversity": 0.3},
    "longer than what there is": {"k": 3000},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
@pytest.mark.parametrize("kind", ["of both signs", "below zero", "with a long tail", "all the same"])
def test_the_list_is_that_of_draws_for_all_movies(asked: dict, kind: str) -> None:
    """Though few movies get a normal variable: an oracle that draws for all, with every place explored."""
    rng = np.random.default_rng(0)
    counts, vectors = (3 * rng.pareto(1.0, 2000)).astype(np.int64), torch.from_numpy(rng.random((2000, 3), np.float32))
    made = {
        "of both signs": rng.normal(0, 1, 2000),
        "below zero": rng.normal(-5, 1, 2000),
        "all the same": np.ones(2000),
    }
    numbers = torch.from_numpy(made.get(kind, counts).astype(np.float32))[None]
    out, maker = rng.choice(2000, 300, replace=False), ListMaker(counts, vectors, CPU)
    for seed in range(10):
        selection = Selection(**{"k": 10} | asked, explore=1.0, seed=seed)
        (found,), _ = exploration(counts, vectors).make(numbers.clone(), [out], [selection], [6])
        rates = torch.from_numpy(relative_rates(random_bits(_streams(seed, 6)[1], 2000), counts))
        expected = maker.make(numbers * torch.where(numbers < 0, 1 / rates, rates), [out], [selection])[0]
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("worth", [(1.0, 0.5), (-1.0, -2.0)])
def test_a_new_movie_is_explored_as_often_as_it_is_the_best_draw(worth: tuple[float, float]) -> None:
    """A new movie worth half of what a much rated one is worth: P(Exp(1) > 2) = 0.135."""
    counts, numbers = np.array([0, 10**6, 0]), torch.tensor([[-torch.inf, *worth]])
    maker = exploration(counts)
    first = [
        maker.make(numbers.clone(), [np.zeros(1, np.int64)], [Selection(1, explore=1.0, seed=seed)], [0])[0][0][0]
        for seed in range(4000)
    ]
    assert abs(np.mean(np.array(first) == 2) - np.exp(-2)) < 0.02


def test_so_many_places_are_explored_as_asked_and_the_seed_fixes_them() -> None:
    rng = np.random.default_rng(0)
    counts, numbers = rng.integers(0, 50, 400), torch.from_numpy(rng.random((1, 400), np.float32))
    maker, left_out = exploration(counts), np.array([0, 5, 17])

    def made(seed: int | None, k: int = 20, user: int = 3) -> tuple[list[int], list[bool]]:
        selection = Selection(k, explore=0.1, seed=seed)
        (rows,), (explored,) = maker.make(numbers.clone(), [left_out], [selection], [user])
        return rows.tolist(), explored.tolist()

    share = np.mean([made(seed)[1] for seed in range(300)])
    assert abs(share - 0.1) < 0.015
    assert made(7) == made(7)
    assert made(7, k=10) == tuple(part[:10] for part in made(7))
    assert len({tuple(made(None)[0]) for _ in range(30)}) > 1
    assert len({tuple(made(7, user=user)[0]) for user in range(30)}) > 1
    for seed in range(20):
        rows, _ = made(seed)
        assert len(set(rows)) == 20
        assert not set(rows) & set(left_out.tolist())


def test_without_explore_nothing_changes_and_neighbours_keep_their_lists() -> None:
    rng = np.random.default_rng(1)
    counts, numbers = rng.integers(0, 50, 100), torch.from_numpy(rng.random((2, 100), np.float32))
    out = [np.zeros(1, np.int64)] * 2
    asked = [Selection(9), Selection(9, explore=1.0, seed=0)]
    lists, explored = exploration(counts).make(numbers.clone(), out, asked, [1, 2])
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
            (rows,), _ = exploration(chosen.astype(np.int64)).make(estimate, [NOTHING], [selection], [0])
            shown[rows] += 1
            chosen[rows] += rng.random(5) < worth[rows]
        found[explore] = chosen[good]
    assert found[0.0] == 0
    assert found[0.3] > 100
