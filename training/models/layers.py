"""What the three networks share: one side's embeddings, the two encodings, and the form of a two-encoder network."""

import torch
from torch import Tensor, nn


class Side(nn.Module):
    """The parameters of one side (users or movies): one embedding an id and one a side-feature value.

    An embedding has ``width + 1`` columns: a vector that meets the other side's vectors, and last a bias.
    Id row 0 is the unknown id. ``columns_of_fields`` says how many feature columns each field occupies.
    """

    def __init__(self, rows: int, feature_values: int, columns_of_fields: list[int], width: int) -> None:
        super().__init__()
        self.width = width
        self.own = nn.Embedding(rows, width + 1)
        self.features = nn.Embedding(feature_values, width + 1)
        for table in (self.own, self.features):
            nn.init.normal_(table.weight, std=0.1 / width**0.5)
            nn.init.zeros_(table.weight[:, width])
        pool = torch.zeros(len(columns_of_fields), sum(columns_of_fields))
        start = 0
        for field, columns in enumerate(columns_of_fields):
            pool[field, start : start + columns] = 1.0
            start += columns
        self.register_buffer("pool", pool)  # [fields, columns]: sums the columns of each field

    def active(self, own: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        """Embeddings of all that is active, the id's first: [B, 1 + C, width + 1]."""
        return torch.cat([own.unsqueeze(1), self.features(features) * weights.unsqueeze(2)], dim=1)

    def by_field(self, active: Tensor) -> Tensor:
        """One vector a field, the id's first, side by side: [B, 1 + C, width + 1] to [B, (1 + fields) * width]."""
        fields = torch.matmul(self.pool, active[:, 1:, : self.width])
        return torch.cat([active[:, :1, : self.width], fields], dim=1).flatten(1)


def user_encoding(vector: Tensor, scalar: Tensor) -> Tensor:
    """[B, width], [B] to [B, width + 2], laid out so that a dot product with an item encoding adds all parts."""
    return torch.cat([vector, scalar.unsqueeze(1), torch.ones_like(scalar).unsqueeze(1)], dim=1)


def item_encoding(vector: Tensor, scalar: Tensor) -> Tensor:
    """[N, width], [N] to [N, width + 2]: the counterpart of ``user_encoding``."""
    return torch.cat([vector, torch.ones_like(scalar).unsqueeze(1), scalar.unsqueeze(1)], dim=1)


def fm_half(active: Tensor) -> tuple[Tensor, Tensor]:
    """One side of a factorization machine: active embeddings [B, F, width + 1] to a vector [B, width] and a scalar [B].

    Rendle's identity (ICDM 2010, lemma 3.1) applied within the side: its pairs are ``(|sum v|^2 - sum |v|^2) / 2``,
    a scalar; the pairs across the two sides are the dot product of the two sums.
    """
    vectors = active[:, :, :-1]
    total = vectors.sum(dim=1)
    inside = 0.5 * (total.square().sum(dim=1) - vectors.square().sum(dim=2).sum(dim=1))
    return total, active[:, :, -1].sum(dim=1) + inside


class TwoEncoder(nn.Module):
    """``score(u, i) = combine(encode_users(u), encode_items(i))``; here the combiner is a dot product.

    ``own`` [B, width + 1] is the embedding of an id (``own_users(rows)``, or one solved for somebody new),
    ``features`` [B, C] int64 and ``weights`` [B, C] float32 are the side features as ``handlers.recommender.features``
    lays them out. Scores are unclipped ratings, or logits where the target is "like".
    """

    uses_features = True

    def __init__(self, users: Side, items: Side, mean: float) -> None:
        super().__init__()
        self.users = users
        self.items = items
        self.register_buffer("mean", torch.tensor(mean))

    @torch.jit.export
    def own_users(self, rows: Tensor) -> Tensor:
        """The users' own embeddings: rows [B] to [B, width + 1]."""
        return self.users.own(rows)

    @torch.jit.export
    def own_items(self, rows: Tensor) -> Tensor:
        """The movies' own embeddings: rows [N] to [N, width + 1]."""
        return self.items.own(rows)

    @torch.jit.export
    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of aligned encodings: [B, D] and [B, D] to [B]."""
        return (users * items).sum(dim=1)

    @torch.jit.export
    def score_all(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of every pair: [B, D] and [N, D] to [B, N]."""
        return torch.matmul(users, items.t())

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        return self.score_pairs(users, items)
