"""The same words on the same log do nothing; whatever would make another model trains."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from archives.pack import DETAILS
from training import fingerprint as module
from training import train as training
from training.__main__ import main
from training.config import Settings
from training.data import generate
from training.data.log import EventsUsed
from training.fingerprint import differing, fingerprint

SMALL = ("--sweeps", "2", "--burn-in", "1", "--list-ridges", "300", "--list-factors", "8")
LOG = generate(users=30, movies=20, ratings=300).log


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log, and a model trained on it."""
    folder = tmp_path_factory.mktemp("made")
    LOG.ratings.to_csv(folder / "log.csv", index=False)
    main(words(folder))
    return folder


def words(folder: Path, *more: str) -> list[str]:
    where = ("--build", str(folder / "build"), "--runs", str(folder / "runs"))
    return ["train", "mf", "--data", str(folder / "log.csv"), *SMALL, *where, *more]


def test_the_same_words_do_nothing_and_say_so(made: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(training, "train", None)
    main(words(made))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{made / 'build/mf'} is up to date: log, the same options and code")


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has an entry for each training that is run; none of them takes place."""
    runs: list[int] = []
    monkeypatch.setattr(training, "train", lambda *_: runs.append(1) or {"test": {}, "seconds": 1})
    return runs


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--seed", "1"], "seed"),
        (["--n-factors", "16"], "n_factors"),
        (["--split", "leave-one-out"], "split"),
        (["--no-refit"], "refit"),
        (["--tune", "3"], "tune"),
    ],
)
def test_another_option_trains_and_is_named(made: Path, more: list[str], named: str, capsys, trainings) -> None:
    main(words(made, *more))
    assert trainings == [1]
    assert f"is trained again; changed: {named}\n" in capsys.readouterr().out


def test_what_is_no_option_is_named_in_words(made: Path, tmp_path: Path, capsys, trainings) -> None:
    """A newcomer read "changed: running" as a state of the server."""
    LOG.ratings.iloc[1:].to_csv(tmp_path / "log.csv", index=False)
    main([*words(made), "--data", str(tmp_path / "log.csv"), "--test", str(made / "log.csv"), "--allow-overlap"])
    assert "is trained again; changed: the log, the rows of --test\n" in capsys.readouterr().out
    assert module.IN_WORDS.keys() <= fingerprint(LOG, Settings(), "random", 0, True).keys()
    assert module.IN_WORDS["running"] == "the running version that it is compared with"


@pytest.mark.parametrize(("more", "runs"), [("--force", 1), ("--threads=2", 0)])
def test_an_option_that_changes_no_model_is_not_named(made: Path, more: str, runs: int, capsys, trainings) -> None:
    main(words(made, more))
    assert len(trainings) == runs
    assert "is trained again" not in capsys.readouterr().out


def test_other_contents_train() -> None:
    settings = Settings()
    before = fingerprint(LOG, settings, "random", 0, True)
    other = dataclasses.replace(LOG, ratings=LOG.ratings.assign(rating=LOG.ratings["rating"].to_numpy()[::-1]))
    assert names(before, fingerprint(other, settings, "random", 0, True)) == ["log"]
    assert names(before, fingerprint(LOG, settings, "random", 0, True, LOG.ratings)) == ["test"]
    assert names(before, fingerprint(dataclasses.replace(LOG, user_features=()), settings, "random", 0, True)) == [
        "features"
    ]
    with_events = dataclasses.replace(LOG, events=EventsUsed(7, 9))
    assert names(before, fingerprint(with_events, settings, "random", 0, True)) == ["events"]
    running = SimpleNamespace(sha256="of the version that runs")
    assert names(before, fingerprint(LOG, settings, "random", 0, True, None, running)) == ["running"]


def names(first: module.Fingerprint, second: module.Fingerprint) -> list[str]:
    return sorted(name for name in first.keys() | second.keys() if first[name] != second[name])


def test_other_packages_train(monkeypatch) -> None:
    before = fingerprint(LOG, Settings(), "random", 0, True)
    monkeypatch.setattr(module, "version", lambda name: "0.0")
    assert names(before, fingerprint(LOG, Settings(), "random", 0, True)) == ["packages"]


def test_a_model_whose_network_is_gone_is_trained(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "build/mf", tmp_path / "mf")
    assert differing(tmp_path / "mf", {}) is not None
    (tmp_path / "mf/mf.pt").unlink()
    assert differing(tmp_path / "mf", {}) is None


def test_other_code_trains(tmp_path: Path, monkeypatch) -> None:
    before = module.code()
    for part in module.CODE:
        (tmp_path / part).mkdir(parents=True)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    found = {before}
    for part in module.CODE:
        for text in ("WIDTH = 1\n", "WIDTH = 2\n"):
            (tmp_path / part / "some.py").write_text(text)
            module.code.cache_clear()
            found.add(module.code())
    module.code.cache_clear()
    assert len(found) == 1 + 2 * len(module.CODE)


@pytest.mark.parametrize("there", [None, "", "{}", "null", "[]", '{"fingerprint": {"seed": 0}}'])
def test_a_model_that_does_not_say_what_it_was_made_of_is_trained(there: str | None, tmp_path: Path) -> None:
    if there is not None:
        (tmp_path / "report.json").write_text(there)
    assert differing(tmp_path, {"seed": 0}) is None


def test_what_was_asked_for_stays_out_of_what_is_archived(made: Path) -> None:
    having = [path.name for path in (made / "build/mf").iterdir() if module.code().encode() in path.read_bytes()]
    assert having == [DETAILS]
