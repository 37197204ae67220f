from __future__ import annotations

from pathlib import Path

import pytest
import torch

from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from handlers.recommender.model.model import Model
from tests.conftest import MODELS


@pytest.fixture(scope="session", params=["plain", "accelerated"])
def services(request: pytest.FixtureRequest, build: Path) -> dict[str, Service]:
    """The service of each model: the same contract holds without what is in fast/ and with it."""
    if request.param == "accelerated":
        return {model: load_service(build / model) for model in MODELS}
    return {model: Service(Model.load(build / model, torch.device("cpu")), Limits()) for model in MODELS}
