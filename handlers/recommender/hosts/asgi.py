"""What an ASGI server needs of an archive. The server has other archives too, each with code of its own.

So it hands over and takes back nothing but bytes, numbers, dictionaries and tuples: ``serving/asgi/`` is the server.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import torch
import yaml

from ..api.answers import Answer
from ..api.decode import Body
from ..api.duplicates import Repeated
from ..loading import load_configured
from .forms import body_of

Fields = Sequence[tuple[str, bytes]]  # of a form, in order; a name may occur again
Request = bytes | Fields | None  # a body, the fields of a form, or a question for the description


class Hosted:
    """An unpacked archive that answers. One thread at a time may call it."""

    def __init__(self, folder: Path) -> None:
        config = yaml.safe_load((folder / "model-config.yaml").read_text())
        settings = dict(config.get("handler") or {})
        settings.pop("fast_path", None)  # of TorchServe alone
        manifest = json.loads((folder / "MAR-INF/MANIFEST.json").read_text())["model"]
        self.model: str = manifest["modelName"]
        self.version: str = str(manifest["modelVersion"])
        self.batch_size: int = config["batchSize"]
        self.response_timeout: float | None = config.get("responseTimeout")
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._service = load_configured(folder, settings, torch.device(self.device))
        model = self._service.model
        sides = {"user_id": model.users, model.metadata.words.id: model.movies}
        # As tensors have them.
        self.id_types = {name: "INT64" if isinstance(side.ids[-1], int) else "BYTES" for name, side in sides.items()}

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers (code, phrase, body) to requests, in order."""
        bodies = [one if isinstance(one, bytes) else _body(one) for one in requests if one is not None]
        answers = iter(self._service.answer(bodies) if bodies else ())
        return [self._description() if one is None else next(answers) for one in requests]

    def _description(self) -> Answer:
        return Answer(200, "", msgspec.json.encode(self._service.describe()))

    def counts(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """What was counted since the last call: name, labels and value of each metric (recommender/api/metrics.py)."""
        for (metric, label), value in self._service.tally.take().items():
            yield metric.name, {metric.label: label} if metric.label else {}, value


def _body(fields: Fields) -> Body:
    slot: dict[str, bytes | Repeated] = {}
    for name, value in fields:
        if name in slot:
            earlier = slot[name]
            value = Repeated(earlier.first if isinstance(earlier, Repeated) else earlier, value)
        slot[name] = value
    return body_of(slot)
