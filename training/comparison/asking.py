"""Asks an unpacked archive, by its own code, any number of requests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from archives.alone import ask
from archives.contents import CONFIG
from archives.errors import CannotAnswer

AT_ONCE = 500  # requests in one body, where the archive takes so many
OVERLOADED = "Overloaded"  # the type of an error that asks for the same again, with less at once


def ask_each(folder: Path, questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of the archive unpacked in ``folder`` to any number of requests, many in a body.

    Requests that overload the archive are sent again, half as many in a body. Raises CannotAnswer for a request that
    is answered by another error, or that overloads it alone.
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
            raise CannotAnswer(f"it answers {question} by {answer['error']['message']}")
    return each


def limits(folder: Path) -> dict[str, Any]:
    """The limits that the archive unpacked in ``folder`` sets to requests, where they are not its handler's own."""
    return (yaml.safe_load((folder / CONFIG).read_text()) or {}).get("handler") or {}
