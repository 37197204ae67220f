"""What the clients of others ask our server by the Open Inference Protocol: triton_client.py and kserve_client.py.

They run in environments of their own, so this imports nothing but numpy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Question(NamedTuple):
    """Tensors of one datatype."""

    datatype: str
    sides: Mapping[str, Sequence[Any]]
    outputs: Sequence[str]
    options: Mapping[str, Any] = {}

    def inputs(self, kind: Any, **options: Any) -> list[Any]:
        """The inputs as a client has them: ``kind`` is its class ``InferInput``, ``options`` say how data are sent."""
        made = []
        for name, ids in self.sides.items():
            data = np.array([str(one).encode() for one in ids], object) if self.datatype == "BYTES" else np.array(ids)
            made.append(kind(name, [len(ids)], self.datatype))
            made[-1].set_data_from_numpy(data, **options)
        return made


_PAIRS, _OF_PAIRS = {"user_id": [11, 13], "movie_id": [103, 101]}, ["score", "unknown"]
QUESTIONS = {
    "pairs": Question("INT64", _PAIRS, _OF_PAIRS),
    "pairs of texts": Question("BYTES", _PAIRS, _OF_PAIRS, {"model_version": "1.0"}),
    "lists": Question("INT64", {"user_id": [11, 13]}, ["movie_id", "score"], {"parameters": {"k": 4}}),
    "request": Question("BYTES", {"request": [json.dumps({"user_id": 11, "k": 3})]}, ["answer"]),
}
REFUSED = Question("INT64", {"users": [1]}, ["score"])


def plain(found: np.ndarray) -> list[Any]:
    """An output for JSON."""
    return [one.decode() if isinstance(one, bytes) else one for one in found.tolist()]
