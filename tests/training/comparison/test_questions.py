"""The questions that two archives are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.comparison import questions as module
from training.data import RatingsLog


def test_lists_leave_out_no_more_movies_than_an_archive_takes(whole: RatingsLog, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "model-config.yaml").write_text("handler:\n  max_ids: 5\n")
    asked = []

    def answer(_: Path, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        asked.extend(questions)
        return [{"recommendations": []} if "k" in question else {"score": 1.0} for question in questions]

    monkeypatch.setattr(module, "ask_each", answer)
    answers = module.Questions(whole.ratings.iloc[:10], whole.ratings.iloc[10:], whole, 3.0).ask(tmp_path)
    assert len(answers.scores) == 10
    assert max(len(question["exclude"]) for question in asked if "exclude" in question) == 5
