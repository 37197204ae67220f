"""The report: its numbers are those of metrics.json, and what the data says stays text."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from tests.conftest import MODELS, Planted, train_small
from tests.drifting import drifting
from training.__main__ import main
from training.data import generate
from training.report import write
from training.report.page import facts

HOSTILE = '</title><script>alert("1")</script> & $\\frac$ {{ 7 * 7 }}'
SMALL = {"sweeps": 4, "burn_in": 2, "epochs": 3}


@pytest.mark.parametrize("model", MODELS)
def test_the_pages_numbers_are_the_metrics(model: str, build: Path, tmp_path: Path) -> None:
    page = write(model, build, tmp_path).read_text()
    metrics = json.loads((build / model / "metrics.json").read_text())
    for name, value in metrics["test"].items():
        if isinstance(value, float):
            shown = re.search(rf'<td>{name}</td><td class="n">(\S*)</td><td class="n">(\S+)</td>', page)
            chosen_by = metrics["validation"].get(name)
            assert shown.groups() == ("" if chosen_by is None else f"{chosen_by:.4f}", f"{value:.4f}"), name
    assert f'<td>rows</td><td class="n">700</td><td class="n">{metrics["test"]["rows"]:,}</td>' in page
    details = json.loads((build / model / "report.json").read_text())
    assert sum(each["rows"] for each in details["by_count"]) == metrics["test"]["rows"]
    assert ("Calibration" in page) == ("ece" in metrics["test"])


def test_scores_without_timestamps_have_a_column(tmp_path: Path) -> None:
    made = drifting().log
    page = write("mf", train_small("mf", made, tmp_path, sweeps=20, burn_in=5), tmp_path / "reports").read_text()
    test = json.loads((tmp_path / "build/mf/metrics.json").read_text())["test"]
    assert "test, without timestamps" in page
    both = test["rmse"], test["without_timestamps"]["rmse"]
    assert f'<td class="n">{both[0]:.4f}</td><td class="n">{both[1]:.4f}</td>' in page


@pytest.mark.parametrize("model", MODELS)
def test_the_page_refers_to_nothing_outside_itself(model: str, build: Path, tmp_path: Path) -> None:
    page = write(model, build, tmp_path).read_text()
    assert not re.search(r"<(script|link|iframe)|https?://", page)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in re.findall(r'src="([^"]+)', page))
    assert [path.name for path in tmp_path.iterdir()] == [f"{model}.html"]


def test_the_same_model_makes_the_same_page(build: Path, tmp_path: Path) -> None:
    assert write("fm", build, tmp_path).read_bytes() == write("fm", build, tmp_path / "again").read_bytes()


def test_what_only_the_report_shows_is_not_archived(planted: Planted, build: Path, store: Path) -> None:
    from archives.contents import checksums_in

    assert (build / "fm/report.json").is_file()
    assert "report.json" not in checksums_in(store / "fm-1.0.mar")


def test_hostile_titles_and_ids_are_text(planted: Planted, tmp_path: Path) -> None:
    log = generate(seed=1, users=30, movies=20, ratings=300, string_ids=True).log
    table = log.movies.assign(title=HOSTILE, genres="<b>Drama</b>|$_{$")
    ratings = log.ratings.assign(user_id=log.ratings["user_id"] + "<i>")
    hostile = dataclasses.replace(log, ratings=ratings, movies=table, users=None, user_features=())
    page = write("mf", train_small("mf", hostile, tmp_path, **SMALL), tmp_path / "reports").read_text()
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;/title&gt;&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


@pytest.mark.parametrize("model", ["mf", "deepfm"])
def test_likes_without_titles_have_a_page(model: str, tmp_path: Path) -> None:
    log = generate(seed=1, users=30, movies=20, ratings=300).log
    likes = dataclasses.replace(
        log, ratings=log.ratings[["user_id", "movie_id"]], users=None, movies=None, user_features=(), movie_features=()
    )
    page = write(
        model, train_small(model, likes, tmp_path, target="like", method="adam", **SMALL), tmp_path / "reports"
    ).read_text()
    assert "the probability that a pair of a user and a movie is of the log and not drawn at random" in page
    assert "rating above" not in page
    assert f"movie {likes.ratings['movie_id'].iloc[0]}" in page
    assert "<th>chosen</th>" in page
    assert 'class="legend"' not in page


def test_a_shop_without_ratings_reads_nothing_of_ratings_and_movies(purchases_build: Path, tmp_path: Path) -> None:
    page = write("mf", purchases_build, tmp_path).read_text()
    said = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]*>", "", page.split("<h2>Settings")[0], flags=re.DOTALL)
    assert not re.search(r"movie|\brat(e|ed|ing)s?\b|\bstars?\b|\blike[sd]?\b|seen|watch", said, re.IGNORECASE), said
    assert "Error by how often a product was chosen" in page
    assert "Similar to the most chosen products" in page


def test_facts_have_dates_and_names_of_numbers() -> None:
    shown = {"released": 1794600000, "price": 1299.5, "in_stock": True, "labels": ["new", "red"]}
    assert facts(shown, "released") == "released 2026-11-13 20:00, price 1,299.5, in stock, new, red"
    assert facts({"released": 1999, "section": "sport"}, "released") == "released 1999, sport"
    assert facts({"released": "2026-11-13"}, "released") == "2026-11-13"


def test_levels_have_a_reliability_plot(planted: Planted, tmp_path: Path) -> None:
    build = train_small("mf", planted.log, tmp_path, ratings_as="levels", **SMALL)
    metrics = json.loads((build / "mf/metrics.json").read_text())
    page = write("mf", build, tmp_path / "reports").read_text()
    assert f"The expected calibration error is {metrics['test']['ece']:.4f}." in page


def test_without_a_model_it_says_what_to_do(tmp_path: Path, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit, match="make train MODEL=fm"):
        main(["report", "fm", "--build", str(tmp_path), "--reports", str(tmp_path)])
