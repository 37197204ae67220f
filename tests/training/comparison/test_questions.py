"""The questions that two archives are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.comparison import questions as module
from training.comparison.compare import _for_both
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


def test_scores_are_asked_for_the_moments_of_the_ratings(whole: RatingsLog) -> None:
    rows = whole.ratings.iloc[:10].reset_index(drop=True)
    timed = rows.assign(timestamp=range(10))
    assert [one["timestamp"] for one in module.Questions(timed, rows, whole, 3.0)._pairs] == list(range(10))
    before_1970 = timed.assign(timestamp=timed["timestamp"] - 5)  # which no request may be for
    for asked in (before_1970, timed.drop(columns="timestamp")):
        assert all(one.keys() == {"user_id", "movie_id"} for one in module.Questions(asked, rows, whole, 3.0)._pairs)


@pytest.mark.parametrize(("running", "new", "timed"), [(None, 30.0, False), (30.0, None, False), (30.0, 60.0, True)])
def test_a_drift_of_one_version_alone_is_not_asked_for(whole: RatingsLog, running, new, timed: bool) -> None:
    rows = whole.ratings.iloc[:10].assign(timestamp=range(10))
    says = ({"drift_seconds": seconds} if seconds else {} for seconds in (running, new))  # older archives say nothing
    assert ("timestamp" in _for_both(rows, *says)) is timed
