"""The real Makefile: what it shows, what it hands to training, and that what is there already is not made again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from training.data import generate

ROOT = Path(__file__).parents[1]
SMALL = "--sweeps 2 --burn-in 1 --list-ridges 300 --list-factors 8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("training", "handlers"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def echo(folder: Path) -> str:
    """In place of the environment's programs, what prints how it was called."""
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text('#!/bin/sh\necho "$@"\n')
    (folder / "bin/python").chmod(0o755)
    return f"BIN={folder / 'bin'}"


def make(folder: Path, *words: str) -> str:
    """What make prints, with this environment as it is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    here = (f"VENV={sys.prefix}", "-o", f"{sys.prefix}/installed")
    result = subprocess.run(["make", *here, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_make_alone_shows_every_command_and_runs_none(folder: Path, echo: str) -> None:
    shown = make(folder, echo)
    assert shown == make(folder, "help")
    assert "-m training" not in shown
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    for name in phony.replace("\\\n", " ").split():
        assert re.search(rf"^  {name} +[A-Z].+\.$", shown, re.MULTILINE), name
    for name in re.findall(r"^([A-Z_]+) \?=", text, re.MULTILINE):
        assert re.search(rf"^  {name} +\S.+$", shown, re.MULTILINE), name


def test_make_train_hands_its_words_on_each_time(folder: Path, echo: str) -> None:
    said = {}
    for words in ([], ["DATA=mine.csv"], ["PRESET=best"], ["ARGS=--seed 3"], []):
        said[tuple(words)] = make(folder, echo, "train", "MODEL=mf fm", *words)
    assert said[()].splitlines() == [f"-m training train {name} --data ml-100k --preset quick" for name in ("mf", "fm")]
    assert "train fm --data mine.csv --preset quick" in said["DATA=mine.csv",]
    assert "train mf --data ml-100k --preset best" in said["PRESET=best",]
    assert "train mf --data ml-100k --preset quick --seed 3" in said["ARGS=--seed 3",]


def test_targets_wait_for_one_another_whatever_the_jobs(folder: Path, echo: str) -> None:
    """The program takes its time over training, and the archive is packed after it all the same."""
    (folder / "bin/python").write_text('#!/bin/sh\n[ "$3" = train ] && sleep 0.5\necho "$@"\n')
    lines = make(folder, echo, "-j4", "train", "archive", "MODEL=mf").splitlines()
    assert [line.split()[2] for line in lines] == ["train", "archive"]


def test_training_before_a_rollout_measures_beside_the_running_version(folder: Path, echo: str) -> None:
    words = (echo, "train", "rollout", "MODEL=mf", "VERSION=1.1")
    assert "--running" not in make(folder, *words)  # nothing runs
    (folder / "model_store").mkdir()
    (folder / "model_store/mf.mar").touch()
    assert "train mf --data ml-100k --preset quick --running model_store/mf.mar" in make(folder, *words)
    assert "--running" not in make(folder, echo, "train", "MODEL=mf")


@pytest.mark.slow
def test_make_train_trains_on_what_is_new_and_on_nothing_else(folder: Path) -> None:
    def train(arguments: str = SMALL, *words: str) -> str:
        (line,) = make(folder, "train", "MODEL=mf", "DATA=log.csv", f"ARGS={arguments}", *words).splitlines()[-1:]
        assert ("is up to date" in line) != ("wrote build/mf" in line)
        return "nothing" if "is up to date" in line else "trained"

    log = generate(users=30, movies=20, ratings=300).log
    log.ratings.to_csv(folder / "log.csv", index=False)
    assert train() == "trained"
    assert train() == "nothing"
    assert train(f"{SMALL} --seed 1") == "trained"
    assert train(f"{SMALL} --seed 1") == "nothing"
    assert train(f"{SMALL} --seed 1", "PRESET=best") == "trained"
    assert train() == "trained"  # these words were here before, and another model is now
    log.ratings.iloc[:-1].to_csv(folder / "log.csv", index=False)
    assert train() == "trained"
    os.utime(folder / "log.csv")
    assert train() == "nothing"
    assert train(f"{SMALL} --force") == "trained"
