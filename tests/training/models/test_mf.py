"""MF against its definition."""

from __future__ import annotations

import torch

from tests.training.models.networks import MOVIE_FIELDS, MOVIES, USER_FIELDS, USERS, inputs, make


def test_mf_is_the_dot_product_of_the_ids_and_their_biases() -> None:
    network = make("mf")
    users, items = inputs(4, USERS, USER_FIELDS), inputs(4, MOVIES, MOVIE_FIELDS)
    scores = network.score_pairs(
        network.encode_users(network.user_embeddings(users[0]), *users[1:]),
        network.encode_items(network.item_embeddings(items[0]), *items[1:]),
    )
    user, item = network.users.embeddings.weight[users[0]], network.items.embeddings.weight[items[0]]
    expected = network.mean + user[:, -1] + item[:, -1] + (user[:, :-1] * item[:, :-1]).sum(1)
    torch.testing.assert_close(scores, expected)
