"""DeepFM: Guo, Tang, Ye, Li and He, IJCAI 2017 (arXiv:1703.04247)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from .layers import Side, TwoEncoder, item_encoding, user_encoding


class DeepFM(TwoEncoder):
    """A factorization machine plus a multilayer perceptron over the same field embeddings.

    The perceptron's first layer is linear in the concatenated fields, so it splits into a user half and a movie
    half: ``W [e_u; e_i] + b = W_u e_u + (W_i e_i + b)``. An encoding is the factorization machine's followed by the
    side's half of that layer; the combiner adds the dot product of the first to the rest of the perceptron.
    ``use_fm`` and ``use_mlp`` switch a part off (for ablation).
    """

    def __init__(
        self,
        users: Side,
        items: Side,
        mean: float,
        hidden: tuple[int, ...] = (64, 32),
        dropout: float = 0.0,
        use_fm: bool = True,
        use_mlp: bool = True,
    ) -> None:
        super().__init__(users, items, mean)
        self.split = users.n_factors + 2
        self.first_users = nn.Linear((1 + len(users.values_of_fields)) * users.n_factors, hidden[0], bias=False)
        self.first_items = nn.Linear((1 + len(items.values_of_fields)) * items.n_factors, hidden[0])
        # In place: fresh pages for every activation cost the catalogue pass more than its arithmetic.
        rest: list[nn.Module] = [nn.ReLU(inplace=True), nn.Dropout(dropout)]
        for inputs, outputs in pairwise(hidden):
            rest += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.rest = nn.Sequential(*rest, nn.Linear(hidden[-1], 1, bias=False))
        self.block = 2048  # pairs at once in the catalogue pass: 512 KiB of first activations, which stay in cache
        self.use_fm = use_fm
        self.use_mlp = use_mlp

    @torch.jit.export
    def encode_users(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        first = self.users.by_fields(embeddings, features, weights, self.first_users.weight)
        return torch.cat([self.fm_of_users(embeddings, features, weights), first], dim=1)

    @torch.jit.export
    def encode_items(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        first = self.items.by_fields(embeddings, features, weights, self.first_items.weight) + self.first_items.bias
        return torch.cat([self.fm_of_items(embeddings, features, weights), first], dim=1)

    def fm_of_users(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        """The factorization machine's part of user encodings: [B, n_factors + 2]."""
        vector, scalar = self.users.fm_half(embeddings, features, weights)
        if not self.use_fm:
            vector, scalar = torch.zeros_like(vector), torch.zeros_like(scalar)
        return user_encoding(vector, scalar + self.mean)

    def fm_of_items(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        """The factorization machine's part of item encodings: [N, n_factors + 2]."""
        vector, scalar = self.items.fm_half(embeddings, features, weights)
        if not self.use_fm:
            vector, scalar = torch.zeros_like(vector), torch.zeros_like(scalar)
        return item_encoding(vector, scalar)

    @torch.jit.export
    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of aligned encodings: [B, D] and [B, D] to [B]."""
        # Split, not sliced: the gradient of a slice is as large as what it was taken from.
        user_vector, user_half = users.split([self.split, users.size(1) - self.split], dim=1)
        item_vector, item_half = items.split([self.split, items.size(1) - self.split], dim=1)
        score = (user_vector * item_vector).sum(dim=1)
        if self.use_mlp:
            score = score + self.rest(user_half + item_half).squeeze(1)
        return score

    @torch.jit.export
    def score_all(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of every pair: [B, D] and [N, D] to [B, N]."""
        scores = torch.matmul(users[:, : self.split], items[:, : self.split].t())
        if self.use_mlp:
            user_half, item_half = users[:, self.split :], items[:, self.split :]
            rows: list[Tensor] = []
            for user in range(users.size(0)):
                blocks: list[Tensor] = []
                for start in range(0, items.size(0), self.block):
                    blocks.append(self.rest(item_half[start : start + self.block] + user_half[user]).squeeze(1))
                rows.append(torch.cat(blocks))
            scores = scores + torch.stack(rows)
        return scores
