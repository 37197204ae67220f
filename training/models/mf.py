"""Matrix factorization with biases: Koren, Bell and Volinsky, Computer 42(8), 2009."""

import torch
from torch import Tensor

from .layers import TwoEncoder, item_encoding, user_encoding


class MF(TwoEncoder):
    """``score(u, i) = mean + b_u + b_i + <p_u, q_i>``: ids only, side features are ignored."""

    uses_features = False

    @torch.jit.export
    def encode_users(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        return user_encoding(embeddings[:, :-1], embeddings[:, -1] + self.mean)

    @torch.jit.export
    def encode_items(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        return item_encoding(embeddings[:, :-1], embeddings[:, -1])
