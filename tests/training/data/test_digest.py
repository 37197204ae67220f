"""The hash is of the contents: not of how they lie in memory, and different for different contents."""

import pandas as pd

from training.data.digest import sha256_of


def texts(*values):
    return pd.DataFrame({"name": pd.Series(values, dtype="str")})


def test_pieces_of_memory_do_not_count():
    whole = texts("", "a", "bc", "ä", "d")
    pieces = pd.concat([texts("x", "", "a").iloc[1:], texts("bc", "ä", "d")], ignore_index=True)
    assert sha256_of(whole) == sha256_of(pieces) == sha256_of(whole.iloc[::-1].iloc[::-1])
    numbers = pd.DataFrame({"n": [1, 2, 3, 4]})
    assert sha256_of(numbers.iloc[::2]) == sha256_of(pd.DataFrame({"n": [1, 3]}))


def test_contents_count():
    tables = [
        (texts("a", "bc"),),
        (texts("ab", "c"),),
        (texts("a"), texts("bc")),
        (texts("a", "bc"), None),
        (None, texts("a", "bc")),
        (texts("a", "bc").rename(columns={"name": "title"}),),
        (pd.DataFrame({"name": [1, 2]}),),
        (pd.DataFrame({"name": [1.0, 2.0]}),),
        (pd.DataFrame({"name": pd.Series([1, None], dtype="Int64")}),),
        (texts("a", "bc").iloc[:0],),
    ]
    assert len({sha256_of(*each) for each in tables}) == len(tables)
