"""A table in blocks is the table at once, and a fault is found in the row where it is."""

import pandas as pd
import pytest

from training.data import DataError, tables
from training.data.tables import read_blocks, read_table

IDS = ("user_id", "movie_id")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(tables, "_BLOCK_ROWS", 100)
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 2_000)


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


ROWS = "".join(f"u{row},m{row},{row / 2}\n" for row in range(1_000))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("user_id,movie_id,rating\n" + ROWS, "utf-8"),
        ("user_id,movie_id,rating\n" + ROWS, "utf-8-sig"),
        (" userId , movieId ,rating\n" + ROWS, "utf-8"),
        ("user_id;movie_id;rating\n" + ROWS.replace(",", ";"), "utf-8"),
        ("user_id,movie_id,rating\n" + ROWS.replace("\n", "\r\n"), "utf-8"),
        ("user_id,movie_id,rating\n" + ROWS.replace("\n", "\n\n"), "utf-8"),
        ('user_id,"movie_id",rating\n' + ROWS.replace("u7", '"u ""7"", ä\n"'), "utf-8"),
        ("user_id,movie_id,rating\n" + ROWS.replace("u7", " NA ").replace("m5", ""), "utf-8"),
        ("user_id,movie_id,rating,rating,\n" + ROWS.replace("\n", ",,\n"), "utf-8"),
    ],
    ids=["plain", "bom", "names", "semicolons", "crlf", "empty lines", "quotes", "empty values", "unused columns"],
)
def test_both_readers_of_csv_agree(tmp_path, monkeypatch, text, encoding):
    path = write(tmp_path / "r.csv", text, encoding)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "_pandas_blocks", None)
        blocks = list(read_blocks(path, IDS, ("rating",)))
    assert len(blocks) > 5
    assert blocks[1].index[0] == len(blocks[0])
    table = pd.concat(blocks)
    assert table.columns.tolist() == [*IDS, "rating"]
    assert len(table) == 1_000
    assert not pd.isna(table).any(axis=None)

    def fails(*_):
        raise tables._NotPlain

    monkeypatch.setattr(tables, "_arrow_blocks", fails)
    pd.testing.assert_frame_equal(pd.concat(list(read_blocks(path, IDS, ("rating",)))), table)


def test_a_short_row_ends_in_empty_values_and_no_row_is_read_twice(tmp_path):
    lines = ROWS.splitlines(keepends=True)
    lines[700] = "u700,m700\n"
    table = pd.concat(
        list(read_blocks(write(tmp_path / "r.csv", "user_id,movie_id,rating\n" + "".join(lines)), IDS, ("rating",)))
    )
    assert table.index.tolist() == list(range(1_000))
    assert table["user_id"].tolist() == [f"u{row}" for row in range(1_000)]
    assert table["rating"].iat[700] == ""


def test_a_long_row_far_down(tmp_path):
    path = write(tmp_path / "r.csv", "user_id,movie_id,rating\n" + ROWS + "u,m,1,2\n")
    with pytest.raises(DataError, match=r"r\.csv: cannot be read as CSV after row \d+: .*line 1002"):
        list(read_blocks(path, IDS))


def test_a_broken_row_group(tmp_path):
    path = tmp_path / "r.parquet"
    table = pd.DataFrame({"user_id": range(3_000), "movie_id": range(3_000)})
    table.to_parquet(path, row_group_size=1_000, compression="zstd")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"r\.parquet, row 1001: row group 2 of 3 cannot be read: .*damaged"):
        list(read_blocks(path, IDS))


def test_parquet_in_blocks(tmp_path):
    path = tmp_path / "r.parquet"
    table = pd.DataFrame({"user_id": [*range(1, 450), 0], "movie_id": range(450), "comment": "x"})
    table.set_index("user_id").to_parquet(path)  # pandas' metadata says that the ids are the index
    blocks = list(read_blocks(path, IDS, ("rating",)))
    assert [len(block) for block in blocks] == [100, 100, 100, 100, 50]
    assert pd.concat(blocks)[[*IDS]].equals(table[[*IDS]])
    assert set(read_table(path, IDS)) == {"user_id", "movie_id", "comment"}
    table.iloc[:0].to_parquet(path)
    with pytest.raises(DataError, match="has a header and no rows"):
        read_table(path, IDS)
