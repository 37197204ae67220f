"""Who asks: users of the log by their rows, and people whom the request describes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..api.jobs import Job
from .archive import Archive


def encode(jobs: Sequence[Job], known: Tensor, describe: Callable[[Sequence[Job]], Tensor]) -> Tensor:
    """[jobs, D]: rows of ``known`` [users, D]; what ``describe`` makes of those who come with features or ratings."""
    users = known.index_select(0, torch.tensor([job.user_row for job in jobs], device=known.device))
    described = [position for position, job in enumerate(jobs) if job.user_features or job.ratings]
    if described:
        users[described] = describe([jobs[position] for position in described])
    return users


def features_of(archive: Archive, jobs: Sequence[Job], device: torch.device) -> tuple[Tensor, Tensor]:
    """Side features of who asks: indices and weights [jobs, C]."""
    features, weights = archive.features_of(torch.tensor([job.user_row for job in jobs]))
    for position, job in enumerate(jobs):
        if job.user_features:
            features[position], weights[position] = map(torch.tensor, job.user_features)
    return features.to(device), weights.to(device)
