"""DeepFM against its definition."""

from __future__ import annotations

import torch

from tests.training.models.networks import (
    MOVIE_FIELDS,
    MOVIES,
    USER_FIELDS,
    USERS,
    active_of,
    inputs,
    items_of,
    make,
    naive_fm,
    users_of,
)


def test_deepfm_equals_fm_plus_a_plain_perceptron_over_the_concatenated_fields() -> None:
    network = make("deepfm", hidden=(10, 5))
    users, items = inputs(6, USERS, USER_FIELDS), inputs(6, MOVIES, MOVIE_FIELDS)
    scores = network.score_pairs(
        network.encode_users(network.user_embeddings(users[0]), *users[1:]),
        network.encode_items(network.item_embeddings(items[0]), *items[1:]),
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


def test_deepfm_without_its_fm_part_is_the_perceptron_and_without_the_perceptron_the_fm() -> None:
    whole, fm, mlp = (
        make("deepfm"), make("deepfm", use_mlp=False), make("deepfm", use_fm=False)
    )  # fmt: skip
    scores = [network.score_all(users_of(network), items_of(network)) - 0.7 for network in (whole, fm, mlp)]
    torch.testing.assert_close(scores[0], scores[1] + scores[2])
