"""The handler of an archive that takes 0.1 s longer for each batch than ``quick_handler``, which lies beside it."""

import time
from collections.abc import Sequence
from typing import Any

from quick_handler import RecommenderHandler as QuickHandler


class RecommenderHandler(QuickHandler):
    def answer_frames(self, requests: Sequence[Any]) -> list[Any]:
        time.sleep(0.1)
        return super().answer_frames(requests)

    def handle(self, slots: Sequence[Any], context: Any) -> list[bytes]:
        time.sleep(0.1)
        return super().handle(slots, context)
