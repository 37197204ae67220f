"""LightGCN (He et al., SIGIR 2020) as PyTorch Geometric has it, fitted as its example fits it: BPR loss and Adam."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch_geometric.nn import LightGCN as Network

from training.estimators import Recommender
from training.interactions import Interactions

BATCH = 8192  # a step passes messages along all rows, so small batches would take hours without a GPU


class LightGCN(Recommender):
    """``n_factors``, ``layers``: of the network; ``penalty``: of squared embeddings. Negatives are drawn at random."""

    uses_features = False

    def __init__(
        self,
        n_factors: int = 64,
        layers: int = 3,
        learning_rate: float = 0.001,
        penalty: float = 1e-4,
        epochs: int = 100,
        seed: int = 0,
    ) -> None:
        self.n_factors, self.layers, self.epochs, self.seed = n_factors, layers, epochs, seed
        self.learning_rate, self.penalty = learning_rate, penalty

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        torch.manual_seed(self.seed)
        users, movies = torch.from_numpy(train.user_rows).long(), torch.from_numpy(train.movie_rows).long()
        count, nodes = train.shape[0], sum(train.shape)  # a movie is a node after those of the users
        edges = torch.stack([users, movies + count])
        adjacency = _normalised(train, count, nodes)
        network = Network(nodes, self.n_factors, self.layers, normalize=False)  # which it would do again in each step
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(users)).split(BATCH):
                negative = torch.randint(1, train.shape[1], (len(rows),)) + count
                pairs = torch.stack([edges[0, rows].repeat(2), torch.cat([edges[1, rows], negative])])
                better, worse = network(adjacency, pairs).chunk(2)
                loss = network.recommendation_loss(better, worse, pairs.unique(), self.penalty)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            self.users, self.movies = network.get_embedding(adjacency).split([count, nodes - count])

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """What orders the lists, no ratings: float32 [n]."""
        return (self.users[users] * self.movies[movies]).sum(1).numpy()

    def order(self, users: np.ndarray) -> torch.Tensor:
        return self.users[users] @ self.movies.T

    @property
    def size(self) -> int:
        """Bytes of what makes lists."""
        return self.users.nbytes + self.movies.nbytes


def _normalised(train: Interactions, count: int, nodes: int) -> torch.Tensor:
    """The graph's matrix, an entry divided by the roots of its nodes' degrees (equation 3): sparse [nodes, nodes]."""
    ends = np.concatenate([train.user_rows, train.movie_rows + count])
    other = np.concatenate([train.movie_rows + count, train.user_rows])
    roots = np.sqrt(np.maximum(np.bincount(ends, minlength=nodes), 1))
    values = torch.from_numpy((1 / (roots[ends] * roots[other])).astype(np.float32))
    cells = torch.from_numpy(np.stack([ends, other]))
    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # "CSR tensor support is in beta state"
        return torch.sparse_coo_tensor(cells, values, (nodes, nodes), check_invariants=True).to_sparse_csr()
