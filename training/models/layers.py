"""What the networks share: one side's embeddings, the two encodings, and the form of a two-encoder network."""

import torch
from torch import Tensor, nn


def mix(features: Tensor, weights: Tensor, table: Tensor, dense: int = 1 << 20) -> Tensor:
    """Weighted sums of rows: ``features`` [B, C] of ``table`` [V, D] by ``weights`` [B, C] to [B, D].

    As a product with a matrix where that has up to ``dense`` numbers: the gradient of looking rows up adds them one
    by one. A program of ``torch.export`` cannot choose by the number of rows; it has no gradient of the table, either.
    """
    exporting = False
    if not torch.jit.is_scripting():
        exporting = torch.compiler.is_exporting()
    if features.size(1) > 0 and (exporting or features.size(0) * table.size(0) > dense):
        return torch.nn.functional.embedding_bag(features, table, mode="sum", per_sample_weights=weights)
    mixing = torch.zeros(features.size(0), table.size(0), dtype=weights.dtype, device=weights.device)
    return torch.matmul(mixing.scatter_add_(1, features, weights), table)


class Side(nn.Module):
    """The parameters of one side (users or movies): one embedding an id and one a side-feature value.

    An embedding has ``n_factors + 1`` columns: a vector, and last a bias. Id row 0 is the unknown id.
    ``values_of_fields`` says how many feature values each field has, in the order of their rows.
    """

    values_of_fields: list[int]

    def __init__(self, rows: int, values_of_fields: list[int], n_factors: int) -> None:
        super().__init__()
        self.n_factors = n_factors
        self.values_of_fields = values_of_fields
        self.embeddings = nn.Embedding(rows, n_factors + 1)
        self.features = nn.Embedding(max(1, sum(values_of_fields)), n_factors + 1)
        for table in (self.embeddings, self.features):
            nn.init.normal_(table.weight, std=0.1 / n_factors**0.5)
            nn.init.zeros_(table.weight[:, n_factors])

    def rows(self, rows: Tensor) -> Tensor:
        """The ids' own embeddings: rows [B] to [B, n_factors + 1]."""
        return self.embeddings.weight.index_select(0, rows)  # its gradient is many times faster than an Embedding's

    def fm_half(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """This side of a factorization machine: a vector [B, n_factors] and a scalar [B].

        Rendle's identity (ICDM 2010, lemma 3.1) applied within the side: its pairs are
        ``(|sum v|^2 - sum |v|^2) / 2``, a scalar; the pairs across the two sides are the dot product of the two sums.
        """
        # Split, not sliced: the gradient of a slice is as large as what it was taken from.
        vector, bias = (embeddings + mix(features, weights, self.features.weight)).split([self.n_factors, 1], dim=1)
        values, _ = self.features.weight.split([self.n_factors, 1], dim=1)
        id_vectors, _ = embeddings.split([self.n_factors, 1], dim=1)
        squares = mix(features, weights.square(), values.square().sum(dim=1, keepdim=True)).squeeze(1)
        squares = squares + id_vectors.square().sum(dim=1)
        return vector, bias.squeeze(1) + 0.5 * (vector.square().sum(dim=1) - squares)

    @torch.jit.ignore
    def fields(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        """One vector a field, the id's first, side by side: [B, (1 + fields) * n_factors]."""
        vectors = [embeddings[:, : self.n_factors]]
        if self.values_of_fields:
            values = self.features.weight[:, : self.n_factors].split(self.values_of_fields)
            vectors.append(mix(features, weights, torch.block_diag(*values)))
        return torch.cat(vectors, dim=1)

    def by_fields(self, embeddings: Tensor, features: Tensor, weights: Tensor, layer: Tensor) -> Tensor:
        """A linear layer over one vector a field, the id's first, side by side: [B, outputs].

        ``layer`` [outputs, (1 + fields) * n_factors] is applied once per feature value; then its outputs are mixed. A
        side has fewer feature values than a batch has rows.
        """
        parts = layer.split(self.n_factors, dim=1)
        id_vectors, _ = embeddings.split([self.n_factors, 1], dim=1)
        outputs = torch.matmul(id_vectors, parts[0].t())
        if len(self.values_of_fields) > 0:
            values, _ = self.features.weight.split([self.n_factors, 1], dim=1)
            applied: list[Tensor] = []
            for field, vectors in enumerate(values.split(self.values_of_fields)):
                applied.append(torch.matmul(vectors, parts[1 + field].t()))
            outputs = outputs + mix(features, weights, torch.cat(applied))
        return outputs


def user_encoding(vector: Tensor, scalar: Tensor) -> Tensor:
    """[B, n_factors], [B] to [B, n_factors + 2], so that the dot product with an item encoding adds all parts."""
    return torch.cat([vector, scalar.unsqueeze(1), torch.ones_like(scalar).unsqueeze(1)], dim=1)


def item_encoding(vector: Tensor, scalar: Tensor) -> Tensor:
    """[N, n_factors], [N] to [N, n_factors + 2]: the counterpart of ``user_encoding``."""
    return torch.cat([vector, torch.ones_like(scalar).unsqueeze(1), scalar.unsqueeze(1)], dim=1)


class TwoEncoder(nn.Module):
    """``score(u, i) = combine(encode_users(u), encode_items(i))``; here the combiner is a dot product.

    ``embeddings`` [B, n_factors + 1] are those of ids (``user_embeddings(rows)``), or were solved for new users.
    ``features`` [B, C] int64 and ``weights`` [B, C] float32 are side features in the layout of
    ``handlers.recommender.model.features``. Scores are unclipped ratings, or logits where the target is "like".
    """

    uses_features = True

    def __init__(self, users: Side, items: Side, mean: float) -> None:
        super().__init__()
        self.users = users
        self.items = items
        self.register_buffer("mean", torch.tensor(mean))

    @torch.jit.export
    def user_embeddings(self, rows: Tensor) -> Tensor:
        """The users' own embeddings: rows [B] to [B, n_factors + 1]."""
        return self.users.rows(rows)

    @torch.jit.export
    def item_embeddings(self, rows: Tensor) -> Tensor:
        """The movies' own embeddings: rows [N] to [N, n_factors + 1]."""
        return self.items.rows(rows)

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
