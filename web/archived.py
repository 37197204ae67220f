"""What the archives that answer now know of a user; no deletion changes that before the next training."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .problems import Problem
from .torchserve import TorchServe


@dataclass(frozen=True)
class Archived:
    """What a model's archive has of a user: so many ``ratings``, or a ``problem`` because of which it is not known."""

    model: str
    version: str = ""
    ratings: int = 0
    problem: str = ""


async def archived(user: str, torchserve: TorchServe) -> list[Archived]:
    """For each model, what its archive has of a user."""
    return await asyncio.gather(*(_in_archive(model, user, torchserve) for model in torchserve.models))


async def _in_archive(model: str, user: str, torchserve: TorchServe) -> Archived:
    try:
        answer = await torchserve.history(model, user)
    except Problem as problem:
        return Archived(model, problem=str(problem))
    ratings = 0 if answer.status == 404 else len(answer.json()["history"])
    return Archived(model, answer.version, ratings)
