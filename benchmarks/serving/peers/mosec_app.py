"""Mosec as its documentation writes it: a batching worker, JSON by msgspec; --port and the rest are Mosec's options."""

from __future__ import annotations

from typing import Any

import msgspec
from mosec import Server, Worker

from benchmarks.serving.peers.network import scorer


class Scorer(Worker):
    def __init__(self) -> None:
        self.network = scorer()

    def deserialize(self, data: bytes) -> Any:
        return msgspec.json.decode(data)

    def serialize(self, data: Any) -> bytes:
        return msgspec.json.encode(data)

    def forward(self, data: list[dict[str, int]]) -> list[dict[str, Any]]:
        scores = self.network.scores([pair["user_id"] for pair in data], [pair["movie_id"] for pair in data])
        return [pair | {"score": score} for pair, score in zip(data, scores, strict=True)]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Scorer, num=1, max_batch_size=64, max_wait_time=2)
    server.run()
