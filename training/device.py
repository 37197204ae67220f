"""Where networks are fitted."""

from __future__ import annotations

import torch

from .errors import SettingsError


def chosen(asked: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means here; ``auto`` is a GPU where there is one.

    Raises SettingsError for ``cuda`` where PyTorch finds no GPU.
    """
    there_is = torch.cuda.is_available()
    if asked == "cuda" and not there_is:
        raise SettingsError(
            "--device is cuda, and PyTorch finds no GPU here: use --device cpu, or PyTorch's CUDA build"
        )
    return torch.device("cuda" if there_is and asked != "cpu" else "cpu")
