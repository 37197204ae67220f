"""What the code of docs/estimators.md leaves: a measured model, and a folder that an archive is made of."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from handlers.recommender.loading import load_service

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"
NOTEBOOK, EXPORT = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def run(block: str) -> dict:
    names: dict = {}
    exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_a_notebook_needs_five_lines() -> None:
    lines = [line for line in NOTEBOOK.splitlines() if line and not line.startswith("from training.data")]
    assert len(lines) == 5
    assert run(NOTEBOOK)["model"].settings.n_factors == 32


def test_the_model_is_better_than_the_mean_and_its_export_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = run(EXPORT)
    assert names["metrics"]["rmse"] < np.std(names["test"].ratings)
    chosen = names["model"].with_choices().settings
    assert names["final"].settings == chosen
    assert len(chosen.list_ridges) == len(chosen.list_factors) == 1
    (answer,) = load_service(tmp_path / "build/fm").answer([b'{"user_id": 11, "k": 3}'])
    assert answer.code == 200
