"""An unpacked archive, asked in a process that sees its folder and the installed packages, nothing of this project.

So each version answers by its own code, as it does in a worker of TorchServe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from .errors import MendableError

AT_ONCE = 500  # questions of one body, where the archive takes so many
OVERLOADED = "Overloaded"  # the type of an error that says: this again, with less at once

# Reads a body a line and writes its answer as one, behind its status.
ASK = """
import json, sys
from types import SimpleNamespace
folder = sys.argv[1]
sys.path.insert(0, folder)
import yaml
from recommender_handler import RecommenderHandler
manifest = json.load(open(folder + "/MAR-INF/MANIFEST.json"))
status = {}
context = SimpleNamespace(
    system_properties={"model_dir": folder, "gpu_id": None},
    model_yaml_config=yaml.safe_load(open(folder + "/model-config.yaml")),
    manifest=manifest,
    set_response_content_type=lambda *_: None,
    set_response_header=lambda *_: None,
    set_response_status=lambda code, phrase, index: status.update(code=code),
    get_request_header=lambda *_: None,
    metrics=None,
)
handler = RecommenderHandler()
handler.initialize(context)
for line in sys.stdin.buffer:
    (body,) = handler.handle([{"body": line}], context)
    sys.stdout.buffer.write(b"%d %s\\n" % (status["code"], body))
if "training" in sys.modules:
    sys.exit("the archive imports training")
"""


class CannotAnswerError(MendableError):
    """An archive that does not work on its own; the message is what its process said, or its answer."""


def ask(folder: Path, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of the archive unpacked in ``folder`` to bodies of the request contract, in order.

    Raises CannotAnswerError where it cannot be loaded, and for an answer that is an error.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-I", "-W", "ignore::DeprecationWarning", "-c", ASK, str(folder.resolve())],
        cwd=folder,
        env=environment,
        capture_output=True,
        input="".join(json.dumps(body) + "\n" for body in bodies).encode(),
    )
    if result.returncode:
        raise CannotAnswerError((result.stderr or result.stdout).decode(errors="replace").strip())
    answers = []
    for line in result.stdout.removesuffix(b"\n").split(b"\n"):
        code, _, answer = line.partition(b" ")
        if code != b"200":
            raise CannotAnswerError(f"it answers {line.decode()}")
        answers.append(json.loads(answer))
    return answers


def ask_each(folder: Path, questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for any number of questions, many in a body.

    What an archive is overloaded with is asked again, half as much at once. Raises CannotAnswerError for a question
    that is answered by another error, or that is too much even alone.
    """
    at_once = min(AT_ONCE, limits(folder).get("max_instances", AT_ONCE))
    each: list[dict[str, Any]] = [{}] * len(questions)
    left = list(range(len(questions)))
    while left:
        parts = [left[at : at + at_once] for at in range(0, len(left), at_once)]
        bodies = ask(folder, [{"instances": [questions[place] for place in part]} for part in parts])
        for place, answer in zip(left, chain.from_iterable(body["predictions"] for body in bodies), strict=True):
            each[place] = answer
        left = [place for place in left if each[place].get("error", {}).get("type") == OVERLOADED and at_once > 1]
        at_once = max(1, at_once // 2)
    for question, answer in zip(questions, each, strict=True):
        if "error" in answer:
            raise CannotAnswerError(f"it answers {question} by {answer['error']['message']}")
    return each


def limits(folder: Path) -> dict[str, Any]:
    """The limits that the archive unpacked in ``folder`` sets to requests, where they are not its handler's own."""
    return (yaml.safe_load((folder / "model-config.yaml").read_text()) or {}).get("handler") or {}
