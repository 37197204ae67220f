"""The promises that every network keeps, and an oracle beside each formula."""

from __future__ import annotations

import itertools

import pytest
import torch

from training.models import NETWORKS, DeepFM, Side
from training.models.layers import mix

USERS, MOVIES, WIDTH = 12, 15, 6
# The feature values and columns of each side's fields.
USER_FIELDS, MOVIE_FIELDS = ((4, 1), (3, 1)), ((6, 3), (3, 1))


def make(name: str, **settings):
    torch.manual_seed(3)
    users = Side(USERS, [values for values, _ in USER_FIELDS], WIDTH)
    items = Side(MOVIES, [values for values, _ in MOVIE_FIELDS], WIDTH)
    network = NETWORKS[name](users, items, 0.7, **settings).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.5)
    return network


def inputs(count: int, rows: int, fields: tuple[tuple[int, int], ...]) -> tuple[torch.Tensor, ...]:
    """Rows, and features and weights: of each field as many different values as it has columns."""
    generator = torch.Generator().manual_seed(count + rows)
    features, start = [], 0
    for values, columns in fields:
        drawn = [torch.randperm(values, generator=generator)[:columns] for _ in range(count)]
        features.append(start + torch.stack(drawn))
        start += values
    indices = torch.cat(features, dim=1)
    weights = torch.rand(indices.shape, generator=generator)
    return torch.randint(0, rows, (count,), generator=generator), indices, weights


def users_of(network, count: int = 5) -> torch.Tensor:
    rows, features, weights = inputs(count, USERS, USER_FIELDS)
    return network.encode_users(network.own_users(rows), features, weights)


def items_of(network, count: int = MOVIES) -> torch.Tensor:
    rows, features, weights = inputs(count, MOVIES, MOVIE_FIELDS)
    return network.encode_items(network.own_items(rows), features, weights)


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


def naive_fm(active: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Linear terms plus every pair once: Rendle's equation 1, written as it stands."""
    linear = sum(weight for _, weight in active)
    return linear + sum(torch.dot(first, second) for (first, _), (second, _) in itertools.combinations(active, 2))


def active_of(network, side: Side, row: int, features: torch.Tensor, weights: torch.Tensor) -> list:
    rows = [side.own.weight[row]] + [
        side.features.weight[feature] * weight for feature, weight in zip(features, weights, strict=True)
    ]
    return [(embedding[:WIDTH], embedding[WIDTH]) for embedding in rows]


def test_fm_equals_the_naive_double_loop_over_all_features_of_a_pair() -> None:
    network = make("fm")
    users, items = inputs(6, USERS, USER_FIELDS), inputs(6, MOVIES, MOVIE_FIELDS)
    scores = network.score_pairs(
        network.encode_users(network.own_users(users[0]), *users[1:]),
        network.encode_items(network.own_items(items[0]), *items[1:]),
    )
    for pair in range(6):
        active = active_of(network, network.users, *(part[pair] for part in users))
        active += active_of(network, network.items, *(part[pair] for part in items))
        torch.testing.assert_close(scores[pair], network.mean + naive_fm(active))


def test_deepfm_equals_fm_plus_a_plain_perceptron_over_the_concatenated_fields() -> None:
    network = make("deepfm", hidden=(10, 5))
    users, items = inputs(6, USERS, USER_FIELDS), inputs(6, MOVIES, MOVIE_FIELDS)
    scores = network.score_pairs(
        network.encode_users(network.own_users(users[0]), *users[1:]),
        network.encode_items(network.own_items(items[0]), *items[1:]),
    )
    first = torch.cat([network.first_users.weight, network.first_items.weight], dim=1)
    for pair in range(6):
        user = active_of(network, network.users, *(part[pair] for part in users))
        item = active_of(network, network.items, *(part[pair] for part in items))
        vectors = [vector for vector, _ in user + item]
        fields = [*vectors[:3], vectors[3], vectors[4] + vectors[5] + vectors[6], vectors[7]]
        hidden = first @ torch.cat(fields) + network.first_items.bias
        expected = network.mean + naive_fm(user + item) + network.rest(hidden).squeeze()
        torch.testing.assert_close(scores[pair], expected)


def test_mf_is_the_dot_product_of_the_ids_and_their_biases() -> None:
    network = make("mf")
    users, items = inputs(4, USERS, USER_FIELDS), inputs(4, MOVIES, MOVIE_FIELDS)
    scores = network.score_pairs(
        network.encode_users(network.own_users(users[0]), *users[1:]),
        network.encode_items(network.own_items(items[0]), *items[1:]),
    )
    user, item = network.users.own.weight[users[0]], network.items.own.weight[items[0]]
    expected = network.mean + user[:, -1] + item[:, -1] + (user[:, :-1] * item[:, :-1]).sum(1)
    torch.testing.assert_close(scores, expected)


def test_deepfm_without_its_fm_part_is_the_perceptron_and_without_the_perceptron_the_fm() -> None:
    whole, fm, mlp = (
        make("deepfm"), make("deepfm", use_mlp=False), make("deepfm", use_fm=False)
    )  # fmt: skip
    scores = [network.score_all(users_of(network), items_of(network)) - 0.7 for network in (whole, fm, mlp)]
    torch.testing.assert_close(scores[0], scores[1] + scores[2])
    assert isinstance(whole, DeepFM)
