"""The users' own embeddings follow from their encodings."""

from __future__ import annotations

import pytest
import torch

from handlers.recommender.model.embeddings import embeddings_of
from tests.conftest import MODELS
from training.models import FM, MF, DeepFM, Side

NETWORKS = {"mf": MF, "fm": FM, "deepfm": DeepFM}


@pytest.mark.parametrize("model", MODELS)
@torch.no_grad()
def test_they_are_those_that_were_encoded(model: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[model](Side(7, [3, 4], 5), Side(2, [1], 5), 3.5).eval()
    rows = torch.arange(7)
    features, weights = torch.stack([rows % 3, 3 + rows % 4], dim=1), torch.rand(7, 2)
    own = network.user_embeddings(rows)
    encodings = network.encode_users(own, features, weights)
    assert torch.allclose(embeddings_of(network.encode_users, encodings, features, weights, 5), own, atol=1e-6)
