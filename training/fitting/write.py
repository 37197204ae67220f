"""Writing what was found for the entities of a side into its network."""

from __future__ import annotations

import numpy as np
import torch

from ..interactions import SideData
from ..models import Side, layers
from .unknown import fill_unseen_features


def write_side(side: Side, data: SideData, table: torch.Tensor, uses_features: bool, rated: np.ndarray) -> None:
    """Split the embeddings of a ``table`` into what features explain and the entities' own part.

    ``table`` float32 [entities + feature rows, E]: embeddings, with what features explain, and the features'
    coefficients. The network adds the pairs within a side to the bias; the table's bias has them in it, so they are
    taken out. ``rated`` [n]: the entities of the training rows.
    """
    table = table.to(side.embeddings.weight.device)
    total, coefficients = table[: len(data.vocabulary)], table[len(data.vocabulary) :]
    if not uses_features:
        side.embeddings.weight.copy_(total)
        return
    side.features.weight.copy_(coefficients)
    fill_unseen_features(side, data, rated)
    features, weights = (torch.from_numpy(values).to(table.device) for values in (data.features, data.weights))
    explained = layers.mix(features, weights, side.features.weight)
    side.embeddings.weight.copy_(total - explained)
    _, scalar = side.fm_half(side.embeddings.weight, features, weights)
    side.embeddings.weight[:, -1] += total[:, -1] - scalar
