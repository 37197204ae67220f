"""``build/mf`` of any size, of random numbers, by the functions that export a trained model."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from handlers.recommender.model.features import FeatureSchema
from handlers.recommender.model.list_ranker import ListRanker
from handlers.recommender.model.metadata import DataSummary, Metadata
from handlers.recommender.model.texts import Texts
from handlers.recommender.model.vocabulary import Vocabulary
from training import export
from training.catalogue import title_arrays
from training.interactions import Interactions, SideData
from training.models.layers import Side
from training.models.mf import MF

RATINGS_OF_A_USER = 10
FACTORS = 32
RANK_WIDTH = 64
GENRES = ("Action", "Comedy", "Drama", "Horror", "Romance")


@torch.no_grad()
def generate(folder: Path, users: int, movies: int, string_ids: bool = False, seed: int = 0) -> Path:
    """Write ``folder`` (``build/mf``): a model that scores and lists at random."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sides = [_side(count, letter if string_ids else None) for count, letter in ((users, "u"), (movies, "m"))]
    known = Interactions(*sides, *_ratings(users, movies, rng))
    network = MF(Side(1, [], FACTORS), Side(1, [], FACTORS), 3.5).eval()
    user_embeddings, movie_embeddings = (0.3 * torch.randn(count + 1, FACTORS + 1) for count in (users, movies))
    tables = [torch.randn(rows, RANK_WIDTH) for rows in (movies + 1, movies + 1, 2, movies + 1)]
    for table in tables[:2]:
        table[0] = 0
    names, titles = title_arrays(_movies_file(sides[1].vocabulary, rng), sides[1].vocabulary)
    with export.replacing_folder(folder) as staging, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*torch.jit.*")
        scripted = torch.jit.script(network)
        torch.jit.save(scripted, str(staging / "mf.pt"))
        export.write_side(staging, "user", sides[0], scripted.encode_users, user_embeddings)
        export.write_side(staging, "movie", sides[1], scripted.encode_items, movie_embeddings)
        export.save(staging, export.item_arrays(np.load(staging / "item_encodings.npy"), FACTORS) | titles)
        export.save(staging, export.rank_arrays(ListRanker(*tables, (0.1, 0.3))))
        export.save(staging, export.prior_arrays(user_embeddings.numpy(), known))
        export.save(staging, export.history_arrays(known))
        export.write_json(staging / "metadata.json", _metadata(known, names))
        (staging / "metrics.json").write_text("{}\n")
    return folder


def _side(count: int, letter: str | None) -> SideData:
    """Ids 7, 14, 21, ... or strings as long as "u-00000007"."""
    numbers = 7 * np.arange(1, count + 1)
    if letter is None:
        ids: np.ndarray | Texts = numbers
    else:
        characters = np.empty((count, 10), np.uint8)
        characters[:, :2] = np.frombuffer(f"{letter}-".encode(), np.uint8)
        for place in range(8):
            characters[:, 9 - place] = ord("0") + numbers // 10**place % 10
        ids = Texts(characters.reshape(-1), 10 * np.arange(count + 1))
    nothing = np.zeros((count + 1, 0), np.int64)
    return SideData(Vocabulary(ids), FeatureSchema(), nothing, nothing.astype(np.float32))


def _ratings(users: int, movies: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of users and of movies, in order, and ratings 1 to 5."""
    each = min(RATINGS_OF_A_USER, movies)
    steps = rng.integers(1, max(movies // each, 1), (users, each), np.int32, endpoint=True)
    movie_rows = np.cumsum(steps, axis=1, dtype=np.int64).reshape(-1)
    ratings = rng.integers(1, 5, len(movie_rows), np.int8, endpoint=True).astype(np.float32)
    return np.repeat(np.arange(1, users + 1), each), movie_rows, ratings


def _movies_file(movies: Vocabulary, rng: np.random.Generator) -> pd.DataFrame:
    ids = pd.Series(movies.ids[1:])
    pairs = pd.Series([f"{one}|{other}" for one in GENRES for other in GENRES if one != other], dtype="str")
    return pd.DataFrame(
        {
            "movie_id": ids,
            "title": "The film of " + ids.astype("str"),
            "year": pd.array(rng.integers(1920, 2026, len(ids)), dtype="Int64"),
            "genres": pairs.iloc[rng.integers(0, len(pairs), len(ids))].reset_index(drop=True),
        }
    )


def _metadata(known: Interactions, genres: list[str]) -> Metadata:
    users, movies = (count - 1 for count in known.shape)
    return Metadata(
        model="mf",
        data=DataSummary("generated", "", len(known), users, movies),
        target="rating",
        scale=(1.0, 5.0),
        like_above=3.0,
        width=FACTORS,
        prior_noise=1.0,
        similarity_shrinkage=export.COSINE_SHRINKAGE,
        user_features=FeatureSchema(),
        movie_features=FeatureSchema(),
        rank_weight=(0.1, 0.3),
        genres=tuple(genres),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=10_000_000)
    parser.add_argument("--movies", type=int, default=1_000_000)
    parser.add_argument("--string-ids", action="store_true")
    asked = parser.parse_args()
    generate(asked.folder, asked.users, asked.movies, asked.string_ids)
