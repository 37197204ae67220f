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


def gateway_of(request: Request) -> Gateway:
    """The gateway that a request has come to."""
    return request.app.state.gateway


def known_model(model: str, request: Request) -> str:
    """The name of a model. Raises NotFound for one that the settings do not name."""
    models = gateway_of(request).settings.models
    if model not in models:
        raise NotFound(f"There is no model “{model[:40]}” here: choose one of {', '.join(models)}.")
    return model


# FastAPI runs a dependency that is not async in a thread, and the request waits for it.
async def _gateway(request: Request) -> Gateway:
    return gateway_of(request)


async def _model(model: str, request: Request) -> str:
    return known_model(model, request)


GatewayDep = Annotated[Gateway, Depends(_gateway)]
Model = Annotated[str, Depends(_model)]
