"""Asks an unpacked archive in a process that sees its folder and the installed packages, nothing of this project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .errors import CannotAnswer
from .ids import USERS, ids_in

PROGRAM = Path(__file__).with_name("ask_handler.py")


def check(folder: Path, python: str = sys.executable) -> None:
    """Ask the archive unpacked in ``folder`` for the list of one user. Raises CannotAnswer."""
    try:
        user = ids_in(folder, USERS)[-1]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CannotAnswer(f"its dictionary holds no list of users ({error})") from error
    ask(folder, [{"user_id": user, "k": 1}], python)


def ask(folder: Path, bodies: list[dict[str, Any]], python: str = sys.executable) -> list[dict[str, Any]]:
    """The answers of the archive unpacked in ``folder`` to bodies of the request contract, in order.

    Raises CannotAnswer where the archive cannot be loaded, and for an answer that is an error.
    """
    # -I: neither PYTHONPATH nor the folder of the program is on the path.
    result = subprocess.run(
        [python, "-I", "-W", "ignore::DeprecationWarning", str(PROGRAM), str(folder.resolve())],
        cwd=folder,
        capture_output=True,
        input="".join(json.dumps(body) + "\n" for body in bodies).encode(),
    )
    if result.returncode:
        raise CannotAnswer((result.stderr or result.stdout).decode(errors="replace").strip() or "no reason given")
    answers = []
    for line in result.stdout.removesuffix(b"\n").split(b"\n"):
        code, _, answer = line.partition(b" ")
        if code != b"200":
            raise CannotAnswer(f"it answers {line.decode()}")
        answers.append(json.loads(answer))
    return answers
