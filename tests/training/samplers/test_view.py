"""Ratings in blocks of equal length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.samplers import view as module
from training.samplers.gibbs import design_table
from training.samplers.shares import Shares
from training.samplers.view import View

USERS, MOVIES = 90, 400


@pytest.fixture(params=[1 << 15, 256], ids=["large blocks", "users in several blocks"])
def made(request, monkeypatch) -> tuple[View, np.ndarray, np.ndarray]:
    """A view, and the ratings [USERS, MOVIES] that it holds, NaN for none; user 0 and some movies have none."""
    monkeypatch.setitem(module.SLOTS_AT_A_TIME, "cpu", request.param)
    monkeypatch.setattr(module, "PIECE", 64)
    monkeypatch.setattr(module, "RATINGS_AT_A_TIME", 1000)
    rng = np.random.default_rng(0)
    rated = rng.random((USERS, MOVIES)) < np.linspace(0, 0.95, USERS)[:, None] ** 3
    ratings = np.where(rated, rng.normal(size=(USERS, MOVIES)), np.nan)
    users, movies = rated.nonzero()
    order = rng.permutation(len(users))
    users, movies = users[order], movies[order]
    rows, others = (torch.from_numpy(each.astype(np.int32)) for each in (users, movies))
    values = torch.from_numpy(ratings[users, movies]).float()
    return View(rows, others, values, Shares(rows.bincount(minlength=USERS)), MOVIES, 4), ratings


def test_each_rating_has_one_slot(made) -> None:
    view, ratings = made
    found = np.full((USERS, MOVIES + 1), np.nan)
    for block in view.blocks:
        rows = view.entities[block.entities].repeat_interleave(block.length)
        found[rows, view.others[block.slots]] = view.values[block.slots]
    np.testing.assert_allclose(found[:, :-1], ratings.astype(np.float32))
    assert (view.others < view.empty).sum() == np.isfinite(ratings).sum()
    assert view.rated.tolist() == np.isfinite(ratings).any(axis=1).nonzero()[0].tolist()


def test_batches_have_all_blocks_of_an_entity(made) -> None:
    view, _ = made
    firsts = [(batch[0].first, batch[-1].entities.stop) for batch in view.batches()]
    assert [first for first, _ in firsts] == [0, *(stop for _, stop in firsts[:-1])]


def test_moments_are_those_of_a_double_loop(made) -> None:
    view, ratings = made
    rng = np.random.default_rng(1)
    movies, weights = rng.normal(size=(MOVIES, 3)).astype(np.float32), rng.uniform(0.5, 2, MOVIES).astype(np.float32)
    table = design_table(torch.from_numpy(movies), torch.from_numpy(weights))
    found = torch.zeros(len(view.entities), 4, 4)
    for block in view.blocks:
        found[block.entities] += view.moments(block, table, view.values)
    for position, user in enumerate(view.entities.tolist()):
        rated = np.isfinite(ratings[user])
        design = np.column_stack([movies[:, :2], np.ones(MOVIES), ratings[user] - movies[:, 2]]) * weights[:, None]
        expected = design[rated].T @ design[rated]
        np.testing.assert_allclose(found[position], expected, rtol=1e-4, atol=1e-3)


def test_sums_are_those_of_a_product_with_a_matrix(made) -> None:
    view, ratings = made
    vectors = np.random.default_rng(2).normal(size=(MOVIES, 5)).astype(np.float32)
    found = view.sums(torch.from_numpy(vectors))
    np.testing.assert_allclose(found, np.isfinite(ratings) @ vectors, rtol=1e-4, atol=1e-4)


def test_scores_are_products_of_embeddings(made) -> None:
    view, _ = made
    rng = np.random.default_rng(3)
    users, movies = (rng.normal(size=(rows, 3)).astype(np.float32) for rows in (USERS, MOVIES + 1))
    every = users[:, :2] @ movies[:, :2].T + users[:, 2:] + movies[:, 2]
    for block in view.blocks:
        rows = view.entities[block.entities]
        scores = view.scores(block, torch.from_numpy(users)[view.entities], torch.from_numpy(movies))
        others = view.others[block.slots].view(block.count, -1)
        np.testing.assert_allclose(scores, every[rows[:, None], others], rtol=1e-4, atol=1e-4)
