"""The questions that two archives are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.comparison import questions as module
from training.data import RatingsLog


def test_lists_leave_out_no_more_movies_than_an_archive_takes(whole: RatingsLog, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "model-config.yaml").write_text("handler:\n  max_ids: 5\n")
    asked = []
    monkeypatch.setattr(
        module, "ask_each", lambda _, questions: asked.extend(questions) or [{"score": 1}] * len(questions)
    )
    rows = whole.ratings.iloc[:10]
    with pytest.raises(KeyError):  # its answers to the lists are none
        module.Questions(rows, whole.ratings.iloc[10:], whole, 3.0).ask(tmp_path)
    assert max(len(question["exclude"]) for question in asked if "exclude" in question) == 5
