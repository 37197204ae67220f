"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from feedback.reader import Reader
from feedback.store import Store
from feedback.writer import Writer

from .catalogue import Catalogues
from .experiments import Running
from .limit import UserLimit
from .metrics import Metrics
from .problems import NotFound
from .settings import Settings
from .torchserve import TorchServe


@dataclass(frozen=True)
class Gateway:
    """The parts of one gateway."""

    settings: Settings
    torchserve: TorchServe
    catalogues: Catalogues
    store: Store
    writer: Writer
    reader: Reader
    experiments: Running
    user_limit: UserLimit
    metrics: Metrics


def _gateway(request: Request) -> Gateway:
    return request.app.state.gateway


def _known(model: str, request: Request) -> str:
    models = _gateway(request).settings.models
    if model not in models:
        raise NotFound(f"There is no model “{model[:40]}” here: choose one of {', '.join(models)}.")
    return model


GatewayDep = Annotated[Gateway, Depends(_gateway)]
Model = Annotated[str, Depends(_known)]
