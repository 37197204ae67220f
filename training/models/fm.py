"""Factorization machine of degree two: Rendle, Factorization Machines, ICDM 2010."""

import torch
from torch import Tensor

from .layers import TwoEncoder, item_encoding, user_encoding


class FM(TwoEncoder):
    """``score = mean + sum_a w_a x_a + sum_{a<b} <v_a, v_b> x_a x_b`` over the ids and side features of a pair."""

    @torch.jit.export
    def encode_users(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        vector, scalar = self.users.fm_half(embeddings, features, weights)
        return user_encoding(vector, scalar + self.mean)

    @torch.jit.export
    def encode_items(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        vector, scalar = self.items.fm_half(embeddings, features, weights)
        return item_encoding(vector, scalar)
