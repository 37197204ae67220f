"""A version that is there already, of another training, is refused before the training."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from training import train as training
from training.__main__ import main
from training.data import generate

SMALL = ("--sweeps", "2", "--burn-in", "1", "--list-factors", "4", "8")
LOG = generate(users=30, movies=20, ratings=300).log


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log, and with what an archive of a model of it says of its training."""
    folder = tmp_path_factory.mktemp("made")
    LOG.ratings.to_csv(folder / "log.csv", index=False)
    LOG.ratings.iloc[:-1].to_csv(folder / "shop.csv", index=False)
    main(words(folder, "log"))
    with ZipFile(folder / "mf-1.0.mar", "w") as packed:
        packed.write(folder / "build/mf/metrics.json", "metrics.json")
    return folder


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has an entry for each training that is run; none of them takes place."""
    runs: list[int] = []
    monkeypatch.setattr(training, "train", lambda *_: runs.append(1) or {"test": {}, "seconds": 1})
    return runs


def words(folder: Path, log: str, *more: str, build: str = "build") -> list[str]:
    where = ("--build", str(folder / build), "--runs", str(folder / "runs"))
    return ["train", "mf", "--data", str(folder / f"{log}.csv"), *SMALL, *where, *more]


@pytest.mark.parametrize(
    ("log", "more", "why"),
    [
        ("shop", [], "it was trained on log, and this is shop"),
        ("log", ["--seed", "1"], "it has other seed"),
        ("log", ["--no-refit", "--n-factors", "4"], "it has other exported_fit, n_factors"),
        ("log", ["--seed", "1", "--tune", "3"], "it has other seed"),
    ],
)
def test_another_training_for_a_version_that_exists_does_not_begin(made, log, more, why, trainings) -> None:
    target = made / "mf-1.0.mar"
    with pytest.raises(SystemExit) as refused:
        main(words(made, log, "--packed-as", str(target), *more))
    assert str(refused.value) == (
        f"error: {target} exists, and an archive never changes ({why}); nothing was trained. "
        "Give another VERSION, or delete the file if nothing serves it"
    )
    assert not trainings


def test_the_same_name_with_other_rows_is_another_log(made: Path, tmp_path: Path, trainings) -> None:
    LOG.ratings.iloc[1:].to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(SystemExit, match="it was trained on log with other contents"):
        main(words(tmp_path, "log", "--packed-as", str(made / "mf-1.0.mar")))
    assert not trainings


def test_what_is_no_archive_is_refused_before_the_training_too(made: Path, tmp_path: Path, trainings) -> None:
    (tmp_path / "mf-1.0.mar").write_bytes(b"PK")
    with pytest.raises(SystemExit, match="it cannot be read"):
        main(words(made, "log", "--packed-as", str(tmp_path / "mf-1.0.mar"), build="elsewhere"))
    assert not trainings


@pytest.mark.parametrize("more", [[], ["--tune", "3"], ["--list-ridges", "300"]], ids=["same", "tuned", "a choice"])
def test_what_may_make_the_same_archive_is_trained(made: Path, more: list[str], trainings) -> None:
    main(words(made, "log", "--packed-as", str(made / "mf-1.0.mar"), *more, build="elsewhere"))
    main(words(made, "shop", "--packed-as", str(made / "mf-1.1.mar"), *more))
    assert trainings == [1, 1]
