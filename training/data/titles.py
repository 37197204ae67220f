"""Film titles as MovieLens writes them: "Matrix, The (1999)"."""

from __future__ import annotations

import re

import pandas as pd

# "(1999)", a series' "(2006-2007)" or "(2006- )", and the "(V)" that marks a video release.
_YEAR = r"\s*\((\d{4})(?:[-\u2013]\s*(?:\d{4})?)?\)\s*(?:\(V\))?\s*$"

_ARTICLES = "The|A|An|La|Le|Les|L'|Il|Lo|El|Los|Las|Un|Une|Una|Der|Die|Das|Den|Det|De|O|Os|I|Gli"
_TRAILING_ARTICLE = re.compile(rf"(^|\()([^()]+), ({_ARTICLES})(?=\)|\s+\(|$)")


def split_titles(titles: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Titles as MovieLens writes them ("Matrix, The (1999)") as `str` "The Matrix" and Int64 1999.

    A title without a year at its end has the year <NA>. Runs of spaces become one.
    """
    years = titles.str.extract(_YEAR, expand=False).astype("Int64")
    names = titles.str.replace(_YEAR, "", regex=True).str.split().str.join(" ")
    return names.map(article_first).astype("str"), years


def article_first(title: str) -> str:
    """Moves articles to the front, in brackets too: "Crow, The (Source, La)" is "The Crow (La Source)"."""
    return _TRAILING_ARTICLE.sub(_move, title)


def _move(match: re.Match[str]) -> str:
    opening, name, article = match.groups()
    return f"{opening}{article}{'' if article.endswith(chr(39)) else ' '}{name}"
