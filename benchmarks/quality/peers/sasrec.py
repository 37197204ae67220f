"""SASRec (Kang and McAuley, Self-attentive sequential recommendation, ICDM 2018), written here in torch.

RecBole 1.2.1 has one, but it learns from each row with its own copy of the history, and one pass over MovieLens 100K
took more than five minutes on one core. Here, as in the paper, all rows of a sequence are learnt from at once. The loss
is RecBole's default, the cross entropy over all movies: better than the paper's with one negative (Klenitskiy and
Vasilev, Turning dross into gold loss, RecSys 2023).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from training.estimators import Recommender
from training.interactions import Interactions

BATCH = 64  # sequences


class Network(nn.Module):
    """Causal self-attention over movie rows [B, L], 0 for padding: float32 [B, L, movies], what comes next."""

    def __init__(self, movies: int, n_factors: int, length: int, dropout: float) -> None:
        super().__init__()
        self.movies, self.places = nn.Embedding(movies, n_factors, padding_idx=0), nn.Embedding(length, n_factors)
        layer = nn.TransformerEncoderLayer(
            n_factors, 1, n_factors, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(n_factors), enable_nested_tensor=False)
        self.dropout = nn.Dropout(dropout)
        for table in (self.movies, self.places):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, sequences: Tensor) -> Tensor:
        length = sequences.size(1)
        inputs = self.dropout(self.movies(sequences) + self.places.weight[:length])
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        return self.layers(inputs, mask=mask, is_causal=True) @ self.movies.weight.t()


class SASRec(Recommender):
    """``train`` has timestamps, and every row is a positive. ``length``: how many of a user's last rows are read.

    Longer histories are learnt from in pieces of this length.
    """

    uses_features = False

    def __init__(
        self,
        n_factors: int = 64,
        length: int = 100,
        dropout: float = 0.3,
        learning_rate: float = 0.001,
        epochs: int = 20,
        seed: int = 0,
    ) -> None:
        self.n_factors, self.length, self.dropout = n_factors, length, dropout
        self.learning_rate, self.epochs, self.seed = learning_rate, epochs, seed

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        torch.manual_seed(self.seed)
        order = np.lexsort((train.timestamps, train.user_rows))  # rows of one second keep their order
        ends = np.cumsum(np.bincount(train.user_rows, minlength=train.shape[0]))
        self.sequences = [torch.from_numpy(part).long() for part in np.split(train.movie_rows[order], ends[:-1])]
        whole = self.length + 1  # inputs, and what comes next
        pieces = [piece for each in self.sequences for piece in each.flip(0).split(whole) if len(piece) > 1]
        table = nn.utils.rnn.pad_sequence([piece.flip(0) for piece in pieces], batch_first=True)
        self.network = Network(train.shape[1], self.n_factors, self.length, self.dropout)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(table)).split(BATCH):
                inputs, targets = table[rows, :-1], table[rows, 1:]
                loss = nn.functional.cross_entropy(
                    self.network(inputs).flatten(0, 1), targets.flatten(), ignore_index=0
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.network.eval()

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """What orders the lists, no ratings: float32 [n]."""
        return self.order(users)[np.arange(len(users)), movies].numpy()

    @torch.no_grad()
    def order(self, users: np.ndarray) -> torch.Tensor:
        histories = [self.sequences[user][-self.length :] for user in users]
        lengths = torch.tensor([max(len(history), 1) for history in histories])
        padded = nn.utils.rnn.pad_sequence([*histories, torch.zeros(1, dtype=torch.int64)], batch_first=True)[:-1]
        return self.network(padded)[torch.arange(len(users)), lengths - 1]
