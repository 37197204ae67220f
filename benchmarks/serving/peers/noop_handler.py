"""What TorchServe and the fast path cost alone: every request gets the same answer, unread."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from recommender.api.answers import Answer
from recommender.hosts.torchserve import frames, worker


class NoopHandler:
    """Answers without a model."""

    def initialize(self, context: Any) -> None:
        torch.set_num_threads(1)
        self.answer = Answer(200, "", b'{"user_id":196,"movie_id":242,"score":3.943288}')
        worker.take_over(self.answer_frames, "1.0", context.metrics)

    def answer_frames(self, requests: Sequence[frames.FrameRequest]) -> list[Answer]:
        return [self.answer] * len(requests)

    def handle(self, slots: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        return [self.answer.body] * len(slots)
