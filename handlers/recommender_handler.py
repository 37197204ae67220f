"""The TorchServe handler of every archive: TorchServe's calls on one side, the request flow on the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from recommender.api import contract, jobs, service
from recommender.hosts.torchserve import frames, metrics, worker
from recommender.model import archive

# TorchServe takes the one class that a handler file defines: a second class here would stop the worker at load.


class RecommenderHandler:
    """Loads the archive that it lies in and answers batches of requests."""

    def initialize(self, context: Any) -> None:
        """Called once, when the worker starts. ``context`` is TorchServe's."""
        properties = context.system_properties
        gpu = properties.get("gpu_id")
        device = torch.device("cpu" if gpu is None or not torch.cuda.is_available() else f"cuda:{gpu}")
        settings = dict((context.model_yaml_config or {}).get("handler") or {})
        torch.set_num_threads(settings.pop("threads", 1))
        torch.backends.cuda.matmul.allow_tf32 = settings.pop("tf32", False)
        fast_path = settings.pop("fast_path", True)
        limits = msgspec.convert(settings, jobs.Limits)
        folder = Path(properties["model_dir"])
        self.version = str(context.manifest["model"]["modelVersion"])
        self.recommender = service.Service(archive.load(folder, device), limits, device)
        self.recommender.warm_up()
        if context.metrics is not None:  # None outside of TorchServe
            metrics.Reporter(self.recommender.tally, context.metrics, self.version, str(device)).start()
        if fast_path:
            worker.take_over(self.answer_frames, self.version, context.metrics)

    def answer_frames(self, requests: Sequence[frames.FrameRequest]) -> list[contract.Answer]:
        """One answer a request, for the fast path (recommender/worker.py)."""
        return self._answer([request.slot for request in requests], [request.described for request in requests])

    def handle(self, slots: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """One answer a slot, each with its own status, content type and version."""
        described = [_asks_for_description(slot, context, index) for index, slot in enumerate(slots)]
        answers = self._answer(slots, described)
        for index, answer in enumerate(answers):
            context.set_response_content_type(index, "application/json")
            context.set_response_header(index, "X-Model-Version", self.version)
            context.set_response_status(answer.code, answer.phrase, index)
        return [answer.body for answer in answers]

    def _answer(self, slots: Sequence[Mapping[str, Any]], described: Sequence[bool]) -> list[contract.Answer]:
        if not any(described):
            return self.recommender.answer(slots)
        answers = iter(self.recommender.answer([slot for slot, one in zip(slots, described, strict=True) if not one]))
        description = contract.Answer(200, "", msgspec.json.encode(self.recommender.describe()))
        return [description if one else next(answers) for one in described]


def _asks_for_description(slot: Mapping[str, Any], context: Any, index: int) -> bool:
    """TorchServe's own describe call: the header and no body. With a body it is a client's header, and ignored."""
    return not slot and context.get_request_header(index, "describe") == "True"
