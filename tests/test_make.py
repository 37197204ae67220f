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
    for name in ("Makefile", "requirements.txt", "config.properties"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("archives", "training", "handlers"):
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
    for words in ([], ["DATA=mine.csv"], ["PRESET=best"], ["TUNE=20"], ["ARGS=--seed 3"], []):
        said[tuple(words)] = make(folder, echo, "train", "MODEL=mf fm", *words)
    assert said[()].splitlines() == [f"-m training train {name} --data ml-100k --preset quick" for name in ("mf", "fm")]
    assert "train fm --data mine.csv --preset quick" in said["DATA=mine.csv",]
    assert "train mf --data ml-100k --preset best" in said["PRESET=best",]
    assert "train mf --data ml-100k --preset quick --tune 20" in said["TUNE=20",]
    assert "train mf --data ml-100k --preset quick --seed 3" in said["ARGS=--seed 3",]


def test_make_archive_hands_profile_and_format_on(folder: Path, echo: str) -> None:
    said = make(folder, echo, "archive", "MODEL=fm", "VERSION=1.1").strip()
    assert said == "-m training archive fm --version 1.1 --profile throughput --format torchscript"
    assert "--profile latency --format export" in make(folder, echo, "archive", "PROFILE=latency", "FORMAT=export")
    assert "retrain fm --profile throughput --format export" in make(folder, echo, "retrain", "FORMAT=export")


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


def test_training_before_packing_knows_which_archive_it_is_for(folder: Path, echo: str) -> None:
    train, _ = make(folder, echo, "train", "archive", "MODEL=mf", "VERSION=1.1").splitlines()
    assert train.endswith("--preset quick --packed-as model_store/mf-1.1.mar")
    train, _ = make(folder, echo, "train", "archive", "MODEL=mf").splitlines()
    assert train.endswith("--packed-as model_store/mf-1.0.mar")
    assert "--packed-as" not in make(folder, echo, "train", "MODEL=mf", "VERSION=1.1")


def dry(*words: str) -> subprocess.CompletedProcess[str]:
    """What make would do; without the variables of a make that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", "--dry-run", *words], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("goals", [["demo"], ["train", "archive", "serve"], ["archive", "serve"]], ids=" ".join)
def test_make_looks_at_the_ports_before_anything_else(goals: list[str]) -> None:
    steps = [line for line in dry(*goals).stdout.splitlines() if "-m training" in line or "-m serving" in line]
    assert "-m serving ports" in steps[0]
    assert ("--page" in steps[0]) == (goals == ["demo"])


@pytest.mark.parametrize("goals", [["register"], ["rollout"], ["unregister"], ["train", "archive", "rollout"]])
def test_make_puts_no_version_in_or_out_that_was_not_named(goals: list[str]) -> None:
    refused = dry(*goals, "MODEL=fm")
    assert refused.returncode == 2
    assert f"VERSION is missing: make {' '.join(goals)} MODEL=fm VERSION=1.1" in refused.stderr
    assert f"-m serving {goals[-1]} $model --version 1.1" in dry(*goals, "MODEL=fm", "VERSION=1.1").stdout


def test_make_forgets_only_whom_its_command_names(folder: Path, echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "anna")
    words = ("-o", f"{sys.prefix}/installed-web")
    assert "-m web forget 196" in make(folder, echo, *words, "forget", "USER=196")
    with pytest.raises(AssertionError, match="USER is missing"):
        make(folder, echo, *words, "forget")


def test_make_starts_and_stops_an_experiment_of_one_named_model(folder: Path, echo: str) -> None:
    words = (echo, "-o", f"{sys.prefix}/installed-web", "experiment")
    said = make(folder, *words, "MODEL=fm", "A=1.0", "B=1.1", "SHARE=0.1", "ARGS=--metric like")
    assert "-m experiments start fm --a 1.0 --b 1.1 --share 0.1 --metric like" in said
    assert "-m experiments stop fm" in make(folder, *words, "MODEL=fm", "STOP=1")
    for missing in (["A=1.0", "B=1.1", "SHARE=0.1"], ["MODEL=fm", "A=1.0", "B=1.1"], ["MODEL=fm"]):
        with pytest.raises(AssertionError, match=r"missing: make experiment MODEL=\w+ A=1.0 B=1.1 SHARE=0.1"):
            make(folder, *words, *missing)


def test_make_passes_options_on() -> None:
    for goal in ("rollout", "rollback"):
        options = "--keep --drain 5" + (" --p99 1 --downgrade" if goal == "rollout" else "")
        assert f"{options} ||" in dry(goal, "MODEL=fm", "VERSION=1.1", f"GATE={options}").stdout


def test_the_nightly_command_passes_options_of_training_and_of_the_rollout_on() -> None:
    words = ["MODEL=fm", "DATA=log.csv", "ARGS=--sweeps 5", "GATE=--metric 0.02 --keep"]
    stores = {"EVENTS_URL": [], "sqlite:///a.db": ["EVENTS=sqlite:///a.db"], "": ["EVENTS="]}
    for store, more in stores.items():
        events = f"--events {store} " if store else ""
        said = dry("retrain", *words, *more).stdout
        assert f'--train="--data log.csv {events}--preset quick --sweeps 5" --metric 0.02 --keep' in said


def test_the_nightly_command_keeps_words_together(folder: Path, echo: str) -> None:
    """Columns of spreadsheets have spaces in their names."""
    for given in ('--columns "item=Artikel Nr"', "--columns 'item=Artikel Nr'", r'--columns "item=19\" Rack"'):
        said = make(folder, echo, "retrain", "MODEL=fm", "EVENTS=", f"ARGS={given}")
        assert f"--train=--data ml-100k --preset quick {given}" in said


def test_the_autopilot_flies_each_model_and_fails_where_one_did(folder: Path, echo: str) -> None:
    (folder / "bin/python").write_text('#!/bin/sh\necho "$@"\n[ "$3" != mf ]\n')
    words = (echo, "autopilot", "MODEL=mf fm", "EVENTS=", "ARGS=--sweeps 5", "GATE=--watch 30")
    with pytest.raises(AssertionError):
        make(folder, *words)
    said = make(folder, *words, "--ignore-errors").splitlines()
    assert [line.split()[2] for line in said] == ["mf", "fm"]
    assert said[1].endswith("--train=--data ml-100k --preset quick --sweeps 5 --watch 30")


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


@pytest.mark.slow
def test_make_trains_again_after_a_change_of_the_code_and_finds_the_same_archive(tmp_path: Path) -> None:
    for name in ("archives", "training", "handlers"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "requirements.txt", "config.properties"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    command = ["make", "train", "archive", "MODEL=mf", "DATA=synthetic", "ARGS=--sweeps 5", f"VENV={sys.prefix}"]
    command += ["-o", f"{sys.prefix}/installed"]  # this environment is what it is

    def make() -> str:
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    make()
    archive = tmp_path / "model_store/mf-1.0.mar"
    before = archive.stat()
    assert "build/mf is up to date" in make()
    with (tmp_path / "training/models/mf.py").open("a") as code:
        code.write("# changed\n")
    assert "build/mf is trained again; changed: code" in make()
    after = archive.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
