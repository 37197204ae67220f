"""The TorchServe handler of every archive: TorchServe's calls on one side, the service on the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from recommender.api.answers import Answer
from recommender.hosts import forms
from recommender.hosts.torchserve import frames, metrics, output, slots, worker
from recommender.loading import load_configured

# TorchServe takes the one class that a handler file defines: a second class here would stop the worker at load.


class RecommenderHandler:
    """Loads the archive that it lies in and answers batches of requests."""

    def initialize(self, context: Any) -> None:
        """Called once, when the worker starts. ``context`` is TorchServe's."""
        with output.failure_is_read():
            self._load(context)

    def _load(self, context: Any) -> None:
        properties = context.system_properties
        gpu = properties.get("gpu_id")
        device = torch.device("cpu" if gpu is None or not torch.cuda.is_available() else f"cuda:{gpu}")
        settings = dict((context.model_yaml_config or {}).get("handler") or {})
        fast_path = settings.pop("fast_path", True)
        self.version = str(context.manifest["model"]["modelVersion"])
        self.service = load_configured(Path(properties["model_dir"]), settings, device)
        if context.metrics is not None:  # None outside of TorchServe
            metrics.Reporter(self.service.tally, context.metrics, self.version, str(device)).start()
        if fast_path:
            worker.take_over(self.answer_frames, self.version, context.metrics)

    def answer_frames(self, requests: Sequence[frames.FrameRequest]) -> list[Answer]:
        """One answer a request, for the fast path (recommender/hosts/torchserve/worker.py)."""
        return self._answer([request.body for request in requests], [request.is_describe for request in requests])

    def handle(self, requests: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """One answer a slot, each with its own status, content type and version."""
        is_describe = [slots.asks_for_description(slot, context, index) for index, slot in enumerate(requests)]
        answers = self._answer([forms.body_of(slot) for slot in requests], is_describe)
        for index, answer in enumerate(answers):
            context.set_response_content_type(index, "application/json")
            context.set_response_header(index, "X-Model-Version", self.version)
            context.set_response_status(answer.code, answer.phrase, index)
        return [answer.body for answer in answers]

    def _answer(self, bodies: Sequence[Any], is_describe: Sequence[bool]) -> list[Answer]:
        if not any(is_describe):
            return self.service.answer(bodies)
        predictions = [body for body, describe in zip(bodies, is_describe, strict=True) if not describe]
        answers = iter(self.service.answer(predictions))
        description = Answer(200, "", msgspec.json.encode(self.service.describe()))
        return [description if describe else next(answers) for describe in is_describe]
