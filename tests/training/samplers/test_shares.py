"""Which process holds which ratings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training import distributed
from training.samplers import shares as module
from training.samplers.shares import Ratings, Shares, deal, dealt, held

USERS, MOVIES, COUNT = 300, 200, 6000


@pytest.fixture(params=[1, 2, 3, 5])
def size(request, monkeypatch) -> int:
    monkeypatch.setattr(distributed, "size", lambda: request.param)
    monkeypatch.setattr(module, "RATINGS_AT_A_TIME", 1000)
    return request.param


@pytest.fixture
def ratings() -> Ratings:
    """Of active users and well-known movies, and of others; the value of a rating is its place in the log."""
    rng = np.random.default_rng(0)
    users, movies = (torch.from_numpy((count * rng.beta(1, 2, COUNT)).astype(np.int32)) for count in (USERS, MOVIES))
    return Ratings(users, movies, torch.arange(COUNT).float())


def test_a_process_holds_the_ratings_of_its_users_and_of_its_movies_in_the_order_of_the_log(size, ratings) -> None:
    sides = Shares(ratings.users.bincount(minlength=USERS)), Shares(ratings.movies.bincount(minlength=MOVIES))
    for rank in range(size):
        parts = list(held(ratings, *sides, rank))
        found = Ratings(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
        mine = np.isin(ratings.users, sides[0].by_rank[rank]) | np.isin(ratings.movies, sides[1].by_rank[rank])
        assert found.values.tolist() == mine.nonzero()[0].tolist()
        places = found.values.long()
        assert torch.equal(found.users, ratings.users[places])
        assert torch.equal(found.movies, ratings.movies[places])
        assert len(places) / COUNT == pytest.approx(2 / size - 1 / size**2, abs=0.05)


@pytest.mark.parametrize("rated", [COUNT, 3001, 2, 0])
def test_a_process_takes_what_the_first_one_sends_to_it_and_no_more(rated: int, size, ratings, monkeypatch) -> None:
    """Also where it has none of the ratings, or none of their last part."""
    sent: dict[int, list[torch.Tensor]] = {rank: [] for rank in range(1, size)}
    monkeypatch.setattr(distributed, "send", lambda values, to: sent[to].append(values))
    ratings = Ratings(*(column[:rated] for column in ratings))
    sides = Shares(ratings.users.bincount(minlength=USERS)), Shares(ratings.movies.bincount(minlength=MOVIES))
    deal(ratings, *sides)
    for rank, queue in sent.items():
        monkeypatch.setattr(distributed, "received", lambda values, queue=queue: values.copy_(queue.pop(0)))
        found = dealt(torch.float32, torch.device("cpu"))
        mine = np.isin(ratings.users, sides[0].by_rank[rank]) | np.isin(ratings.movies, sides[1].by_rank[rank])
        assert found.values.tolist() == mine.nonzero()[0].tolist()
        assert torch.equal(found.users, ratings.users[mine])
        assert not queue


def test_every_entity_with_ratings_is_of_one_process_and_all_have_about_as_many_ratings(size, ratings) -> None:
    side = Shares(ratings.users.bincount(minlength=USERS))
    assert torch.cat(side.by_rank).sort().values.tolist() == ratings.users.unique().tolist()
    assert side.rated.tolist() == ratings.users.unique().tolist()
    assert side.counts.tolist() == np.bincount(ratings.users, minlength=USERS).tolist()
    numbers = [int(side.counts[entities].sum()) for entities in side.by_rank]
    assert sum(numbers) == COUNT
    assert max(numbers) - min(numbers) <= side.counts.max()
