"""The promises that every network keeps, and the weighted sums of feature embeddings."""

from __future__ import annotations

import pytest
import torch

from tests.training.models.networks import MOVIE_FIELDS, MOVIES, NETWORKS, inputs, items_of, make, users_of
from training.models.layers import mix


@pytest.mark.parametrize("name", list(NETWORKS))
class TestEveryNetwork:
    def test_scores_all_pairs_as_it_scores_each(self, name: str) -> None:
        network = make(name)
        users, items = users_of(network), items_of(network)
        expected = torch.stack([network.score_pairs(user.expand_as(items), items) for user in users])
        torch.testing.assert_close(network.score_all(users, items), expected)

    def test_scores_a_catalogue_longer_than_a_block(self, name: str) -> None:
        network = make(name)
        users, items = users_of(network, 2), items_of(network, 600)
        expected = torch.stack([network.score_pairs(user.expand_as(items), items) for user in users])
        torch.testing.assert_close(network.score_all(users, items), expected)

    def test_a_batch_of_one_keeps_its_shape(self, name: str) -> None:
        network = make(name)
        users, items = users_of(network, 1), items_of(network, 1)
        assert network.score_pairs(users, items).shape == (1,)
        assert network.score_all(users, items).shape == (1, 1)

    def test_scripted_equals_eager(self, name: str) -> None:
        network = make(name)
        scripted = torch.jit.script(network)
        torch.testing.assert_close(
            scripted.score_all(users_of(scripted), items_of(scripted)),
            network.score_all(users_of(network), items_of(network)),
        )

    def test_every_parameter_that_it_uses_gets_a_gradient(self, name: str) -> None:
        network = make(name)
        network.score_all(users_of(network, 40), items_of(network)).square().sum().backward()
        unused = {n for n, p in network.named_parameters() if p.grad is None}
        assert unused == ({"users.features.weight", "items.features.weight"} if name == "mf" else set())


@pytest.mark.parametrize("dense", [0, 1 << 20])
def test_a_mix_is_the_weighted_sum_of_rows_either_way(dense: int) -> None:
    _, features, weights = inputs(20, MOVIES, MOVIE_FIELDS)
    table = torch.randn(9, 5, dtype=torch.double, requires_grad=True)
    weights = weights.double()
    expected = (table[features] * weights.unsqueeze(2)).sum(1)
    torch.testing.assert_close(mix(features, weights, table, dense), expected)
    assert torch.autograd.gradcheck(lambda rows: mix(features, weights, rows, dense), table)


@pytest.mark.parametrize("dense", [0, 1 << 20])
def test_a_mix_adds_what_comes_twice_and_leaves_out_what_weighs_nothing(dense: int) -> None:
    table = torch.randn(4, 3)
    features, weights = torch.tensor([[2, 2, 1], [0, 0, 0]]), torch.tensor([[1.0, 0.5, 0.0], [0.25, 0.0, 0.0]])
    expected = torch.stack([1.5 * table[2], 0.25 * table[0]])
    torch.testing.assert_close(mix(features, weights, table, dense), expected)


@pytest.mark.parametrize("dense", [0, 1 << 20])
def test_a_mix_of_no_columns_is_zero(dense: int) -> None:
    mixed = mix(torch.zeros(5, 0, dtype=torch.int64), torch.zeros(5, 0), torch.randn(1, 3), dense)
    assert torch.equal(mixed, torch.zeros(5, 3))
