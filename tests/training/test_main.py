"""The command line: what the user can mend is one line, and what is a bug keeps its traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training import __main__ as commands
from training import distributed
from training import train as training
from training.__main__ import main
from training.config import Settings, preset
from training.errors import SettingsError


@pytest.mark.parametrize("bug", [ValueError("zero-size array"), np.linalg.LinAlgError("Singular matrix")])
def test_a_bug_keeps_its_traceback(bug: Exception, tmp_path: Path, monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise bug

    monkeypatch.setattr(training, "train", fails)
    with pytest.raises(type(bug), match=str(bug)):
        main(["train", "mf", "--data", "synthetic", "--build", str(tmp_path / "build")])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--burn-in -1", "--burn-in is -1: give 0 or more"),
        ("--hidden 64 0", "--hidden is 64 0: give one value or several, each 1 or more"),
        ("--sweeps 0", "--sweeps is 0: give 1 or more"),
        ("--learning-rate nan", "--learning-rate is nan: give more than 0"),
        ("--prior-precision inf", "--prior-precision is inf: give more than 0"),
        ("--dropout 1", r"--dropout is 1\.0: give 0 or more and below 1"),
        ("--list-factors 32 0", "--list-factors is 32 0: give one value or several, each 1 or more"),
        ("--list-ridges", "--list-ridges is empty: give one value or several, each more than 0"),
        ("--no-use-fm --no-use-mlp", "--no-use-fm and --no-use-mlp leave nothing of DeepFM"),
        ("--seed -1", "--seed is -1: give 0 or more"),
        ("--threads 0", "--threads is 0: give 1 or more"),
        ("--tune 0", "--tune is 0: give 1 or more"),
        ("--split half", "'half' is not a split of synthetic"),
    ],
)
def test_a_value_that_cannot_be_is_named(words: str, message: str) -> None:
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        main(["train", "mf", "--data", "synthetic", *words.split()])


def test_options_are_taken_by_their_names_of_earlier_releases() -> None:
    words = ["--width", "8", "--rank", "4", "--list-rank", "20", "--list-widths", "8", "16"]
    settings = commands.parse(["train", "mf", *words]).settings
    assert (settings.n_factors, settings.sample_factors, settings.list_components) == (8, 4, 20)
    assert settings.list_factors == (8, 16)


def test_no_burn_in_is_a_choice() -> None:
    assert commands.parse(["train", "mf", "--burn-in", "0"]).settings.burn_in == 0


def test_every_number_among_the_settings_has_its_bounds() -> None:
    for name, value in vars(preset("quick", "mf")).items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} is nan"):
                Settings(**{name: float("nan")})


def test_processes_with_different_code_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(distributed, "everyones", lambda value: [value, "another"])
    with pytest.raises(SystemExit, match=r"^error: the processes of torchrun differ in their code or packages"):
        main(["train", "mf", "--data", "synthetic", "--device", "cpu"])
