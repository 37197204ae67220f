"""An archive answers by its own code, in a process that sees nothing of this project."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from archives.alone import ask, check
from archives.errors import CannotAnswer
from archives.ids import USERS, ids_in


@pytest.fixture
def folder(store: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(store / "fm-1.0.mar") as packed:
        packed.extractall(tmp_path)
    return tmp_path


def test_the_answers_are_those_of_its_handler_in_order(store: Path, folder: Path) -> None:
    check(folder)
    user = ids_in(store / "fm-1.0.mar", USERS)[0]
    listed, catalogue = ask(folder, [{"user_id": user, "k": 2}, {"catalogue": True, "k": 1}])
    assert (listed["user_id"], len(listed["recommendations"]), len(catalogue["catalogue"])) == (user, 2, 1)


def test_an_answer_that_is_an_error_and_code_that_is_missing_are_said(folder: Path) -> None:
    with pytest.raises(CannotAnswer, match=r"it answers 400 .*InvalidRequest"):
        ask(folder, [{"user_id": 1, "k": 0}])
    (folder / "recommender_handler.py").write_text("import training\n")
    with pytest.raises(CannotAnswer, match="No module named 'training'"):
        check(folder)
