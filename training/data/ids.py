"""One rule for the type of raw ids: all integers or all strings, over every file that has the column."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from training.data.log import DataError

log = logging.getLogger(__name__)

# At most 18 digits, so that every match fits into int64; longer digit strings stay strings.
WHOLE = r"(?:0|-?[1-9][0-9]{0,17})"
_DECIMAL = r"(?:[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"

Part = tuple[Path | str, pd.Series]


def unify(column: str, parts: list[Part]) -> list[pd.Series]:
    """The ids of `column` in each of `parts` (file and values), as int64 everywhere or as `str` everywhere.

    They are integers if every id of every part is written as a whole number without a leading zero. One that
    is not makes all of them strings, with a warning if others look like integers. Spaces around an id are
    dropped.

    Raises DataError for a missing id, and for a column of numbers of which some are decimal.
    """
    if all(pd.api.types.is_signed_integer_dtype(ids) and not ids.hasnans for _, ids in parts):
        return [ids.astype("int64") for _, ids in parts]
    texts = [_text(column, file, ids) for file, ids in parts]
    whole = [_matches(text, WHOLE) for text in texts]
    if all(mask.all() for mask in whole):
        return [text.astype("str").astype("int64") for text in texts]
    _refuse_decimals(column, parts, texts)
    integers = sum(int(mask.sum()) for mask in whole)
    if integers:
        (file, _), text, mask = next(part for part in zip(parts, texts, whole, strict=True) if not part[2].all())
        log.warning(
            "%s, column %r: %d ids look like integers, but row %d is %r: all of them are read as strings.",
            file,
            column,
            integers,
            int(mask.argmin()) + 1,
            text.iat[int(mask.argmin())],
        )
    return texts


def narrow(file: Path | str, ids: pd.Series) -> pa.Array:
    """The ids of a block of a file as int64 if each is written as `unify` says, else as texts in a dictionary.

    The texts (large_string, no spaces around them) may occur in the dictionary more than once. `ids` may be a
    categorical. Each different id is looked at once. Raises DataError for a missing id.
    """
    if pd.api.types.is_signed_integer_dtype(ids) and not ids.hasnans:
        return pa.array(ids.astype("int64"))
    if not isinstance(ids.dtype, pd.CategoricalDtype):
        ids = ids.astype("str").astype("category")
    unique = pd.Series(ids.cat.categories).astype("str").str.strip()
    codes = ids.cat.codes.to_numpy()  # -1 is missing
    _refuse_missing(str(ids.name), file, ids, (codes < 0) | (unique == "").to_numpy()[codes])
    if unique.str.fullmatch(WHOLE).all():
        return pa.array(unique.astype("int64").to_numpy()[codes])
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(unique, pa.large_string()))


def joined(parts: list[pa.Array]) -> pd.Series:
    """One column of its blocks: texts if a block holds texts, else as NumPy has it. Empties `parts`."""
    if any(pa.types.is_dictionary(part.type) for part in parts):
        parts[:] = [part.cast(pa.large_string()) for part in parts]
        texts = pa.chunked_array(parts)
        return pd.Series(pd.array(texts, dtype="str"))
    column = np.empty(sum(len(part) for part in parts), parts[0].type.to_pandas_dtype())
    start = 0
    for part in parts:
        column[start : start + len(part)] = part.to_numpy()
        start += len(part)
    parts.clear()
    return pd.Series(column)


def coerce(column: str, part: Part, like: pd.Series) -> pd.Series:
    """The ids of `part` in the type of `like`.

    Raises DataError for an id that is missing, or no integer where those of `like` are.
    """
    file, ids = part
    text = _text(column, file, ids)
    if are_texts(like):
        return text
    whole = _matches(text, WHOLE)
    if not whole.all():
        row = int(whole.argmin())
        raise DataError(
            "is not an integer",
            file=file,
            column=column,
            row=row + 1,
            value=text.iat[row],
            remedy="The ids of the log are integers: use the same ids here",
        )
    return text.astype("str").astype("int64")


def are_texts(ids: pd.Series) -> bool:
    """Whether ids are text: `str`, or categories that are `str` and include all of them."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return isinstance(ids.cat.categories.dtype, pd.StringDtype) and ids.cat.codes.min() >= 0
    return isinstance(ids.dtype, pd.StringDtype)


def _text(column: str, file: Path | str, ids: pd.Series) -> pd.Series:
    """The ids without spaces around: categories if they are that and have no spaces, else `str`."""
    if ids.dtype == "int64":
        return pd.Series(pd.array(pa.array(ids).cast(pa.large_string()), dtype="str"), ids.index, name=ids.name)
    if isinstance(ids.dtype, pd.CategoricalDtype) and are_texts(ids):
        unique = ids.cat.categories
        if (unique.str.strip() == unique).all() and (unique != "").all():
            return ids
    text = ids.astype("str").str.strip()
    _refuse_missing(column, file, ids, text.isna() | (text == ""))
    return text


def _refuse_missing(column: str, file: Path | str, ids: pd.Series, missing: np.ndarray | pd.Series) -> None:
    if missing.any():
        raise DataError(
            "the id is missing",
            file=file,
            column=column,
            row=int(ids.index[int(np.argmax(missing))]) + 1,
            remedy="Give every row an id, or drop the row",
        )


def _matches(text: pd.Series, pattern: str) -> np.ndarray:
    """bool [n]: which ids match; of categories, each is looked at once."""
    if isinstance(text.dtype, pd.CategoricalDtype):
        return text.cat.categories.str.fullmatch(pattern)[text.cat.codes.to_numpy()]
    return text.str.fullmatch(pattern).to_numpy(bool)


def _refuse_decimals(column: str, parts: list[Part], texts: list[pd.Series]) -> None:
    if not all(_matches(text, f"(?:{WHOLE}|{_DECIMAL})").all() for text in texts):
        return
    for (file, _), text in zip(parts, texts, strict=True):
        decimal = _matches(text, _DECIMAL)
        if decimal.any():
            row = int(decimal.argmax())
            raise DataError(
                "is a decimal number, an id is not",
                file=file,
                column=column,
                row=row + 1,
                value=text.iat[row],
                remedy="Write ids as whole numbers (1, not 1.0) or as text",
            )
