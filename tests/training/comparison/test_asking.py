"""An archive is asked in a process of its own, many questions in a body."""

from __future__ import annotations

from pathlib import Path

import pytest

from archives.errors import CannotAnswer
from training.comparison import asking
from training.comparison.asking import ask_each
from training.comparison.running import opened


def test_an_archive_that_takes_few_questions_at_once_is_asked_so(store: Path) -> None:
    with opened(store / "mf-1.0.mar") as running:
        config = running.folder / "model-config.yaml"
        config.write_text(config.read_text().replace("max_instances: 1000", "max_instances: 3"))
        questions = [{"user_id": user, "movie_id": 103} for user in range(11, 31, 2)]
        assert [answer["user_id"] for answer in ask_each(running.folder, questions)] == list(range(11, 31, 2))
        with pytest.raises(CannotAnswer, match=r"it answers .* by k is 0"):
            ask_each(running.folder, [{"user_id": 11, "k": 0}])


def test_what_is_too_much_at_once_is_asked_again_for_less(tmp_path: Path, monkeypatch) -> None:
    """An archive that takes three questions at once, and says of the others that it is overloaded."""
    (tmp_path / "model-config.yaml").write_text("handler: {}\n")
    sizes = []

    def overloaded(_: Path, bodies: list[dict]) -> list[dict]:
        sizes.extend(len(body["instances"]) for body in bodies)
        too_much = {"error": {"type": "Overloaded", "message": "ask this again, for less at once"}}
        return [
            {"predictions": [*body["instances"][:3], *[too_much] * (len(body["instances"]) - 3)]} for body in bodies
        ]

    monkeypatch.setattr(asking, "ask", overloaded)
    questions = [{"user_id": user} for user in range(900)]
    assert ask_each(tmp_path, questions) == questions
    assert sizes[:2] == [500, 400]
    assert min(sizes) <= 3
    monkeypatch.setattr(
        asking, "ask", lambda _, bodies: [{"predictions": [{"error": {"type": "Overloaded", "message": "no"}}]}]
    )
    with pytest.raises(CannotAnswer, match="by no"):
        ask_each(tmp_path, questions[:1])
