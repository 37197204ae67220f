"""What the examples draw from: favourites, phrases and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from examples import planted


def test_everybody_has_as_many_favourites_as_asked() -> None:
    liked = planted.favourites(np.random.default_rng(0), 100, 7, 2, 3.0)
    assert ((liked == 3).sum(axis=1) == 2).all()
    assert ((liked == 1).sum(axis=1) == 5).all()
    assert (liked == 3).any(axis=0).all()


def test_phrases_differ_while_there_are_others() -> None:
    made = planted.phrases(np.random.default_rng(0), 8, "Red Blue", "Long Short", "Pen Cup")
    assert len(set(made)) == 8
    assert {tuple(len(phrase.split()) for phrase in made)} == {(3,) * 8}
    assert len(planted.phrases(np.random.default_rng(0), 11, "Red Blue", "Pen Cup")) == 11


def test_files_are_what_the_tables_are(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "price": [1.5, 2.0]})
    planted.write(tmp_path / "new", things=table)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["things.csv"]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new/things.csv"), table, check_dtype=False)
