"""The TorchServe handler of every archive: TorchServe's calls on one side, the request flow on the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from recommender import archive, jobs, recommender

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
        limits = msgspec.convert(settings, jobs.Limits)
        folder = Path(properties["model_dir"])
        self.version = str(context.manifest["model"]["modelVersion"])
        self.recommender = recommender.Recommender(archive.load(folder, device), limits, device)

    def handle(self, slots: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """One answer a slot, each with its own status, content type and version."""
        answers = [
            self._described() if _asks_for_description(slot, context, index) else None
            for index, slot in enumerate(slots)
        ]
        asked = [index for index, answer in enumerate(answers) if answer is None]
        for index, answer in zip(asked, self.recommender.answer([slots[index] for index in asked]), strict=True):
            answers[index] = answer
        for index, answer in enumerate(answers):
            context.set_response_content_type(index, "application/json")
            context.set_response_header(index, "X-Model-Version", self.version)
            context.set_response_status(answer.code, answer.phrase, index)
        return [answer.body for answer in answers]

    def _described(self) -> recommender.Answer:
        return recommender.Answer(200, "", msgspec.json.encode(self.recommender.describe()))


def _asks_for_description(slot: Mapping[str, Any], context: Any, index: int) -> bool:
    """TorchServe's own describe call: the header and no body. With a body it is a client's header, and ignored."""
    return not slot and context.get_request_header(index, "describe") == "True"
