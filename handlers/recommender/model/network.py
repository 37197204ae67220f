"""The network of an archive: TorchScript (``<model>.pt``), or programs of ``torch.export`` (``<model>.pt2``).

A program has one entry, so ``<model>.pt2`` is a zip file of programs, ``<method>.pt2``, each as ``torch.export.save``
writes it, with the parameters that it uses.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from .errors import ArchiveError

SCRIPTED, EXPORTED = ".pt", ".pt2"
METHODS = ("user_embeddings", "item_embeddings", "encode_users", "encode_items", "score_pairs")
MOVIES_AT_ONCE = 2048  # in ``ExportedNetwork.score_all``: what is computed for a block of movies stays in cache


class Network(Protocol):
    """What a network computes, with any number of rows; B users, N movies, encodings of D numbers, E = width + 1.

    ``features`` [B, C] int64 and ``weights`` [B, C] float32 are side features; all else is float32.
    """

    def user_embeddings(self, rows: Tensor) -> Tensor:
        """Embeddings [B, E] of user rows [B]: those of the unknown row alone are there."""

    def item_embeddings(self, rows: Tensor) -> Tensor:
        """Embeddings [N, E] of movie rows [N]: those of the unknown row alone are there."""

    def encode_users(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        """Encodings [B, D]."""

    def encode_items(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        """Encodings [N, D]."""

    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Raw scores [B] of aligned encodings [B, D]."""

    def score_all(self, users: Tensor, items: Tensor) -> Tensor:
        """Raw scores [B, N] of all pairs of encodings [B, D] and [N, D]."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """The parameters and buffers by name."""


class ExportedNetwork:
    """A network whose methods are programs of ``torch.export``, by the method's name."""

    def __init__(self, programs: Mapping[str, torch.export.ExportedProgram]) -> None:
        self._state = {name: tensor for program in programs.values() for name, tensor in program.state_dict.items()}
        modules = [programs[name].module() for name in METHODS]
        for module in modules:
            for parameter in module.parameters():
                parameter.requires_grad_(False)
        self.user_embeddings, self.item_embeddings, self.encode_users, self.encode_items, self.score_pairs = modules

    def score_all(self, users: Tensor, items: Tensor) -> Tensor:
        """As ``Network.score_all``. No program: DeepFM's loop over users has no fixed length, so it cannot be one."""
        blocks = items.split(MOVIES_AT_ONCE)
        return torch.stack([
            torch.cat([self.score_pairs(user.expand(len(block), -1), block) for block in blocks]) for user in users
        ])  # fmt: skip

    def state_dict(self) -> Mapping[str, Tensor]:
        """As ``Network.state_dict``."""
        return self._state


def network_file(folder: Path, model: str) -> Path:
    """The file of the network in ``folder``. TorchScript where both are there, as in ``build/``."""
    exported = folder / f"{model}{EXPORTED}"
    scripted = folder / f"{model}{SCRIPTED}"
    return exported if exported.exists() and not scripted.exists() else scripted


def load_network(path: Path, device: torch.device) -> Network:
    """The network in a file, on ``device``, without gradients of its parameters. Raises ArchiveError."""
    try:
        return _load_exported(path, device) if path.suffix == EXPORTED else _load_scripted(path, device)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error


def _load_scripted(path: Path, device: torch.device) -> Network:
    network = torch.jit.load(str(path), map_location=device).eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


def _load_exported(path: Path, device: torch.device) -> Network:
    from torch.export.passes import (
        move_to_device_pass,
    )  # what torch.export imports takes a second, and TorchScript less

    with zipfile.ZipFile(path) as packed:
        programs = {name: torch.export.load(io.BytesIO(packed.read(f"{name}.pt2"))) for name in METHODS}
    if device.type != "cpu":
        programs = {name: move_to_device_pass(program, device) for name, program in programs.items()}
    return ExportedNetwork(programs)
