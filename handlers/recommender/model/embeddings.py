"""The users' own embeddings, from the encodings that an archive keeps in their place."""

from collections.abc import Callable

import torch
from torch import Tensor


def embeddings_of(
    encode: Callable[[Tensor, Tensor, Tensor], Tensor], encodings: Tensor, features: Tensor, weights: Tensor, width: int
) -> Tensor:
    """The embeddings [B, width + 1] that ``encode`` takes to ``encodings`` [B, D], with features and weights [B, C].

    ``encode``: the network's ``encode_users``. An encoding begins with the embedding's vector plus those of the
    features, and goes on with a scalar that has the bias as one of its terms (``training.models.layers``). So taking
    the features away leaves the vector, and taking them and the vector away leaves the bias.
    """
    embeddings = torch.zeros(len(encodings), width + 1, device=encodings.device)
    for columns in (slice(0, width), slice(width, width + 1)):
        embeddings[:, columns] = (encodings - encode(embeddings, features, weights))[:, columns]
    return embeddings
