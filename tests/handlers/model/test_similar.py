"""Similar movies, written out from the archive's arrays alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from archives.ids import MOVIES, ids_in
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from tests.conftest import MODELS
from tests.handlers.asking import said


def of_features(service: Service, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The cosines of all movies' features [movies, movies], relative to the average movie, and what each counts."""
    network, metadata = service.model.network, service.model.metadata
    features, weights = (torch.from_numpy(np.load(folder / f"movie_{part}.npy")) for part in ("features", "weights"))
    unknown = network.item_embeddings(torch.zeros(len(features), dtype=torch.int64))
    vectors = network.encode_items(unknown, features, weights)[:, : metadata.width].numpy().astype(float)
    counts = np.load(folder / "rating_counts.npy")
    trust = counts / (counts + metadata.similarity_shrinkage)
    away = vectors - np.average(vectors, axis=0, weights=trust)
    away /= np.linalg.norm(away, axis=1)[:, None]
    return away @ away.T, trust


@pytest.mark.parametrize("model", MODELS)
def test_similar_movies_are_those_alike(model, answer, services, build: Path) -> None:
    alike, counts = (np.load(build / model / f"{name}.npy") for name in ("rank_alike", "rating_counts"))
    ids = [None, *ids_in(build / model, MOVIES)]
    rare = np.argsort(counts)[1:6].tolist()
    for row in [*range(1, 30), *rare]:
        products = alike @ alike[row]
        if model != "mf" and counts[row] < 30:
            products += 0.1 / (1 + counts[row]) ** 2 * of_features(services[model], build / model)[0][row]
        (body,) = said(answer(model, [{"movie_id": ids[row], "k": 10}]))
        assert [one["score"] for one in body["similar"]] == pytest.approx(
            sorted(np.delete(products, [0, row]), reverse=True)[:10], abs=1e-5
        )


def test_what_nobody_has_rated_is_similar_by_its_features(build: Path, tmp_path: Path, planted) -> None:
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    alike = np.load(folder / "rank_alike.npy")
    counts = np.load(folder / "rating_counts.npy")
    alike[5] = counts[5] = 0
    np.save(folder / "rank_alike.npy", alike)
    np.save(folder / "rating_counts.npy", counts)
    service = load_service(folder)
    (unrated,) = said(service.answer([msgspec.json.encode({"movie_id": service.model.movies.ids[5], "k": 3})]))

    cosines, trust = of_features(service, folder)
    cosines = cosines[5] * trust
    expected = sorted(np.delete(cosines, [0, 5]), reverse=True)[:3]
    assert [one["score"] for one in unrated["similar"]] == pytest.approx(expected, abs=1e-5)

    movie = planted.log.movies.set_index("movie_id").loc[service.model.movies.ids[5]]
    described = {"movie": {"genres": movie["genres"], "year": int(movie["year"])}, "k": 3}
    (body,) = said(service.answer([msgspec.json.encode(described)]))
    assert body["similar"] == unrated["similar"]


def test_what_one_person_has_rated_is_compared_by_its_features_too(build: Path, tmp_path: Path) -> None:
    """Two movies with the same vector of raters: the one with a single rating gets movies with its own features."""
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    alike, counts = np.load(folder / "rank_alike.npy"), np.load(folder / "rating_counts.npy")
    alike[[5, 6]] = 1e-4 * alike[7]
    counts[[5, 6]] = 1, 1000
    np.save(folder / "rank_alike.npy", alike)
    np.save(folder / "rating_counts.npy", counts)
    service = load_service(folder)
    ids = service.model.movies.ids
    bodies = said(service.answer([msgspec.json.encode({"movie_id": ids[row], "k": 8}) for row in (5, 6)]))
    cosines, _ = of_features(service, folder)
    few, many = ([ids.index(one["movie_id"]) for one in body["similar"]] for body in bodies)
    assert cosines[5, few].mean() > cosines[5, many].mean() + 0.1
    assert not set(many) - set(np.argsort(-(alike @ alike[7]))[:12])


def test_what_is_rated_too_rarely_for_the_list_ranker_is_similar_by_its_vector(build: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    alike, directions = np.load(folder / "rank_alike.npy"), np.load(folder / "item_directions.npy")
    alike[5] = 0
    np.save(folder / "rank_alike.npy", alike)
    service = load_service(folder)
    (body,) = said(service.answer([msgspec.json.encode({"movie_id": service.model.movies.ids[5], "k": 3})]))
    counts = np.load(folder / "rating_counts.npy")
    cosines = directions @ directions[5] * counts / (counts + service.model.metadata.similarity_shrinkage)
    assert [one["score"] for one in body["similar"]] == pytest.approx(
        sorted(np.delete(cosines, [0, 5]), reverse=True)[:3], abs=1e-5
    )


def test_damping_trades_similarity_for_rare_movies_and_leaves_the_scores(answer, build: Path) -> None:
    alike, counts = (np.load(build / "fm" / f"{name}.npy") for name in ("rank_alike", "rating_counts"))
    ids = [None, *ids_in(build / "fm", MOVIES)]
    cosines = alike @ alike[3]
    numbers = cosines * np.maximum(counts, 1.0) ** (-0.6 * np.sign(cosines))
    numbers[[0, 3]] = -np.inf
    best = np.argsort(-numbers)[:10]
    (body,) = said(answer("fm", [{"movie_id": ids[3], "k": 10, "popularity_damping": 0.6}]))
    assert [one["movie_id"] for one in body["similar"]] == [ids[row] for row in best]
    assert [one["score"] for one in body["similar"]] == pytest.approx(cosines[best], abs=1e-5)
