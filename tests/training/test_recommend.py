"""Lists for all users: those that are served, whatever happens on the way."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from handlers.recommender.loading import load_service
from tests.conftest import MODELS
from training import distributed
from training import recommend as module
from training.__main__ import main
from training.recommend import RecommendError, recommend


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch) -> None:
    monkeypatch.setattr(module, "USERS_A_PART", 20)
    monkeypatch.setattr(module, "USERS_AT_ONCE", 7)


def served(folder: Path, k: int, **fields: float) -> pd.DataFrame:
    """The lists of all users with ratings, one request each."""
    service = load_service(folder)
    offsets = service.model.arrays["seen_offsets"].numpy()
    columns = ["user_id", "rank", "movie_id", "score"] + ["explored"] * ("explore" in fields)
    entries = []
    for row in np.flatnonzero(np.diff(offsets)).tolist():
        user = service.model.users.ids[row]
        (answer,) = service.answer([json.dumps({"user_id": user, "k": k} | fields).encode()])
        listed = json.loads(answer.body)["recommendations"]
        for place, each in enumerate(listed, 1):
            entries.append((user, place, each["movie_id"], each["score"], each.get("explored", False))[: len(columns)])
    return pd.DataFrame(entries, columns=columns).astype({"rank": "int32"})


@pytest.mark.parametrize("model", MODELS)
def test_the_lists_are_those_that_are_served(model: str, build: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "new/lists.parquet"
    words = ["recommend", model, "--k", "12", "--build", str(build), "--out", str(out)]
    main(words)
    assert capsys.readouterr().out == f"wrote {out}\n"
    pd.testing.assert_frame_equal(pd.read_parquet(out), served(build / model, 12), check_exact=False, atol=1.1e-6)
    assert [path.name for path in out.parent.iterdir()] == ["lists.parquet"]
    assert parquet.ParquetFile(out).num_row_groups == 8
    main(words)
    assert "is up to date" in capsys.readouterr().out


def test_the_lists_of_the_version_that_answers(build: Path, store: Path, tmp_path: Path, capsys) -> None:
    out, archive = tmp_path / "lists.parquet", tmp_path / "fm.mar"
    shutil.copy(store / "fm-1.0.mar", archive)
    words = ["recommend", "fm", "--k", "5", "--archive", str(archive), "--out", str(out)]
    main(words)
    pd.testing.assert_frame_equal(pd.read_parquet(out), served(build / "fm", 5), check_exact=False, atol=1.1e-6)
    capsys.readouterr()
    main(words)
    assert "is up to date" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"error: --archive .*fm\.mar is of fm: give one of mf, or recommend fm"):
        main(["recommend", "mf", *words[2:]])
    archive.write_bytes(b"no zip file")
    with pytest.raises(SystemExit, match=r"error: --archive .*fm\.mar is no archive of this project"):
        main(words)


def test_diversity_and_damping_are_those_of_a_request(build: Path, tmp_path: Path, capsys) -> None:
    out, words = tmp_path / "lists.parquet", ["--diversity", "0.4", "--popularity-damping", "0.3"]
    main(["recommend", "mf", "--k", "8", *words, "--build", str(build), "--out", str(out)])
    expected = served(build / "mf", 8, diversity=0.4, popularity_damping=0.3)
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, check_exact=False, atol=1.1e-6)
    main(["recommend", "mf", "--k", "8", "--build", str(build), "--out", str(out)])
    assert "is up to date" not in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_parquet(out), served(build / "mf", 8), check_exact=False, atol=1.1e-6)


def test_exploration_is_that_of_a_request_with_the_same_seed(build: Path, tmp_path: Path, capsys) -> None:
    out, made = tmp_path / "lists.parquet", {}
    for seed in (7, 8):
        words = ["--explore", "0.3", "--seed", str(seed), "--popularity-damping", "0.2"]
        main(["recommend", "fm", "--k", "8", *words, "--build", str(build), "--out", str(out)])
        assert "is up to date" not in capsys.readouterr().out
        made[seed] = pd.read_parquet(out)
        expected = served(build / "fm", 8, explore=0.3, seed=seed, popularity_damping=0.2)
        pd.testing.assert_frame_equal(made[seed], expected, check_exact=False, atol=1.1e-6)
    assert not made[7].equals(made[8])
    assert made[7]["explored"].mean() == pytest.approx(0.3, abs=0.05)
    explored = made[7][made[7]["explored"]].groupby("rank")["movie_id"]
    assert explored.nunique().min() > 1  # users have draws of their own


def test_ids_may_be_strings_and_lists_shorter_than_k(likes_build: Path, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    recommend("fm", likes_build, 1000, out)
    lists, expected = pd.read_parquet(out), served(likes_build / "fm", 1000)
    pd.testing.assert_frame_equal(lists, expected.astype({"user_id": "str", "movie_id": "str"}), atol=1.1e-6)
    assert lists.groupby("user_id").size().nunique() > 1


def test_lists_are_narrowed_as_requests_are(shop_build: Path, tmp_path: Path) -> None:
    out, where = tmp_path / "lists.parquet", {"category": ["Bikes"], "price": {"max": 400}}
    words = ["recommend", "mf", "--k", "9", "--build", str(shop_build), "--out", str(out), "--where"]
    main([*words, json.dumps(where)])
    lists = pd.read_parquet(out)
    assert list(lists) == ["user_id", "rank", "item_id", "score"]
    service = load_service(shop_build / "mf")
    for user, listed in list(lists.groupby("user_id"))[:5]:
        (answer,) = service.answer([json.dumps({"user_id": user, "k": 9, "where": where}).encode()])
        entries = json.loads(answer.body)["recommendations"]
        assert listed["item_id"].tolist() == [entry["item_id"] for entry in entries]
    for wrong, named in (
        ("{", "--where is {:"),
        ('{"colour": "red"}', "no column of this model"),
        ('{"category": ["Boats"]}', "where.category[0] is 'Boats'"),
    ):
        with pytest.raises(SystemExit, match=re.escape(named)):
            main([*words, wrong])


def test_a_run_that_was_killed_goes_on(build: Path, tmp_path: Path, monkeypatch) -> None:
    out, made, write = tmp_path / "lists.parquet", [], module._write

    def written(path: Path, *rest) -> None:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(path.name)
        write(path, *rest)

    monkeypatch.setattr(module, "_write", written)
    with pytest.raises(KeyboardInterrupt):
        recommend("mf", build, 5, out)
    assert not out.exists()
    made.clear()
    monkeypatch.setattr(module, "_write", lambda path, *rest: made.append(path.name) or write(path, *rest))
    recommend("mf", build, 5, out)
    assert made == [*(f"{number:06}.parquet" for number in range(3, 8)), "lists.parquet"]
    whole = pd.read_parquet(out)
    recommend("mf", build, 5, tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(whole, pd.read_parquet(tmp_path / "whole.parquet"))


@pytest.mark.parametrize("change", ["k", "model"])
def test_parts_of_other_lists_are_not_taken(change: str, build: Path, tmp_path: Path, monkeypatch) -> None:
    out, write = tmp_path / "lists.parquet", module._write
    with monkeypatch.context() as patched:
        patched.setattr(module, "_join", lambda *_: pytest.fail("killed here"))
        with pytest.raises(pytest.fail.Exception):
            recommend("mf", build, 5, out)
    changed = shutil.copytree(build, tmp_path / "build")
    if change == "model":
        (changed / "mf/metrics.json").write_text("{}")
    made = []
    monkeypatch.setattr(module, "_write", lambda path, *rest: made.append(path) or write(path, *rest))
    recommend("mf", changed, 6 if change == "k" else 5, out)
    assert len(made) == 9
    assert {path.name for path in tmp_path.iterdir()} == {"build", "lists.parquet"}  # the others are gone


def test_a_torn_part_is_made_again_and_files_of_others_stay(build: Path, tmp_path: Path, monkeypatch) -> None:
    out, others = tmp_path / "lists.parquet", tmp_path / ".lists.parquet.mine"
    others.write_text("not ours")
    recommend("mf", build, 5, out)
    whole = pd.read_parquet(out)
    out.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(module, "_join", lambda *_: pytest.fail("killed here"))
        with pytest.raises(pytest.fail.Exception):
            recommend("mf", build, 5, out)
    torn = next(tmp_path.glob(".lists*/000002.parquet"))
    torn.write_bytes(torn.read_bytes()[:100])
    recommend("mf", build, 5, out)
    pd.testing.assert_frame_equal(pd.read_parquet(out), whole)
    assert others.exists()


def test_processes_share_the_users(build: Path, tmp_path: Path, monkeypatch) -> None:
    out, made, write = tmp_path / "lists.parquet", [], module._write
    monkeypatch.setattr(module, "_write", lambda path, *rest: made.append(path.stem) or write(path, *rest))
    for rank in (1, 2, 0):  # the first one waits for the others
        with monkeypatch.context() as patched:
            patched.setattr(distributed, "rank", lambda rank=rank: rank)
            patched.setattr(distributed, "size", lambda: 3)
            patched.setattr(distributed, "agreed", lambda value: value)
            patched.setattr(distributed, "wait", lambda: None)
            recommend("mf", build, 5, out)
    assert made == [f"{number:06}" for number in (1, 4, 7, 2, 5, 0, 3, 6)] + ["lists"]
    recommend("mf", build, 5, tmp_path / "alone.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(tmp_path / "alone.parquet"))


def test_a_full_disk_is_named_and_leaves_nothing_half_written(build: Path, tmp_path: Path, monkeypatch) -> None:
    class Full(parquet.ParquetWriter):
        def write_table(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    out = tmp_path / "lists.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(parquet, "ParquetWriter", Full)
        with pytest.raises(RecommendError, match=r"No space left on device\): make room or give another --out"):
            recommend("mf", build, 5, out)
    assert not list(tmp_path.rglob("*parquet"))
    recommend("mf", build, 5, out)
    assert out.exists()


def test_what_cannot_be_asked_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no model: train it first \(make train MODEL=mf\)"):
        main(["recommend", "mf", "--build", str(tmp_path)])
    with pytest.raises(SystemExit, match="error: --k is 0: give 1 or more"):
        main(["recommend", "mf", "--k", "0"])
    with pytest.raises(SystemExit, match=r"error: --diversity is 1\.5: give a number from 0 to 1"):
        main(["recommend", "mf", "--diversity", "1.5"])
    with pytest.raises(SystemExit, match="error: --popularity-damping is -1: give a number from 0 to 1"):
        main(["recommend", "mf", "--popularity-damping", "-1"])
    with pytest.raises(SystemExit, match=r"error: --explore is 2: give a number from 0 to 1"):
        main(["recommend", "mf", "--explore", "2"])
    with pytest.raises(SystemExit, match="error: --seed is -1: give 0 or more"):
        main(["recommend", "mf", "--seed", "-1"])


@pytest.mark.parametrize("option", ["--diversity", "--popularity-damping", "--explore"])
def test_without_a_list_ranker_lists_are_neither_diverse_nor_damped(build: Path, tmp_path, monkeypatch, option) -> None:
    def load_old(*where: Any, **options: Any) -> Any:
        service = load_service(*where, **options)
        service.model.ranker = None
        return service

    monkeypatch.setattr(module, "load_service", load_old)
    words = ["recommend", "fm", "--k", "2", "--build", str(build), "--out", str(tmp_path / "lists.parquet")]
    with pytest.raises(SystemExit, match=f"error: {option} is 0.5: .*fm has no list ranker; leave it out"):
        main([*words, option, "0.5"])
    main([*words, option, "0"])
