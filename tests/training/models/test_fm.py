"""FM against its definition."""

from __future__ import annotations

import torch

from tests.training.models.networks import MOVIE_FIELDS, MOVIES, USER_FIELDS, USERS, active_of, inputs, make, naive_fm


def test_fm_equals_the_naive_double_loop_over_all_features_of_a_pair() -> None:
    network = make("fm")
    users, items = inputs(6, USERS, USER_FIELDS), inputs(6, MOVIES, MOVIE_FIELDS)
    scores = network.score_pairs(
        network.encode_users(network.user_embeddings(users[0]), *users[1:]),
        network.encode_items(network.item_embeddings(items[0]), *items[1:]),
    )
    for pair in range(6):
        active = active_of(network, network.users, *(part[pair] for part in users))
        active += active_of(network, network.items, *(part[pair] for part in items))
        torch.testing.assert_close(scores[pair], network.mean + naive_fm(active))
