"""The service of an unpacked archive, as every host starts it."""

from pathlib import Path

import torch

from .api.limits import Limits
from .api.service import Service
from .fast import accelerate
from .model.model import Model


def load_service(folder: Path, limits: Limits | None = None, device: torch.device | None = None) -> Service:
    """The service of the archive that is unpacked in ``folder``, on a CPU where no ``device`` is given.

    Raises ArchiveError where a file is missing or unreadable, or where two of them do not fit each other.
    """
    service = Service(Model.load(folder, device or torch.device("cpu")), limits or Limits())
    accelerate(service)  # without this line the answers are the same, and slower
    return service
