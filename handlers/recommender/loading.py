"""The service of an unpacked archive, as every host starts it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
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


def load_configured(folder: Path, settings: Mapping[str, Any], device: torch.device) -> Service:
    """The warm service by ``settings``, those under ``handler:`` in ``model-config.yaml`` that every host has.

    ``threads`` and ``tf32`` hold for the whole process. Raises msgspec.ValidationError for a setting that there is not,
    and what ``load_service`` raises.
    """
    limits = dict(settings)
    torch.set_num_threads(limits.pop("threads", 1))
    torch.backends.cuda.matmul.allow_tf32 = limits.pop("tf32", False)
    service = load_service(folder, msgspec.convert(limits, Limits), device)
    service.warm_up()
    return service
