"""A generated archive is one like any other, and what a worker holds of it does not grow with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from archives.alone import check
from archives.pack import lay_out
from benchmarks.serving.generated import RATINGS_OF_A_USER, generate
from handlers.recommender.loading import load_service
from tests.handlers.asking import said

ROOT = Path(__file__).parents[3]

# Answers a few requests, and prints what this process alone holds, in kB: pages that are of no file.
PROGRAM = """
import sys
from pathlib import Path
import msgspec
import torch
from handlers.recommender.loading import load_service
torch.set_num_threads(1)
service = load_service(Path(sys.argv[1]))
user, movie = service.model.users.ids[-1], service.model.movies.ids[-1]
requests = {"user_id": user, "movie_id": movie}, {"user_id": user}, {"movie_id": movie}
assert [answer.code for answer in service.answer(list(map(msgspec.json.encode, requests)))] == [200] * 3
lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("Anonymous")))
"""


@pytest.mark.parametrize("string_ids", [False, True])
def test_it_answers(string_ids: bool, tmp_path: Path) -> None:
    folder = generate(tmp_path / "mf", users=300, movies=120, string_ids=string_ids)
    service = load_service(folder)
    user = service.model.users.ids[-1]
    requests = {"user_id": user, "history": True}, {"user_id": user}, {"user_id": 7, "genres": ["Comedy"]}
    history, listed, comedies = said(service.answer(list(map(msgspec.json.encode, requests))))
    assert isinstance(user, str) == string_ids
    seen = {movie["movie_id"] for movie in history["history"]}
    assert len(seen) == RATINGS_OF_A_USER
    assert seen.isdisjoint(movie["movie_id"] for movie in listed["recommendations"])
    assert all("Comedy" in movie["genres"] for movie in comedies["recommendations"])
    lay_out(folder, tmp_path / "unpacked")
    check(tmp_path / "unpacked")


@pytest.mark.slow
@pytest.mark.parametrize("string_ids", [False, True])
def test_memory_does_not_grow_with_the_archive(string_ids: bool, tmp_path: Path) -> None:
    small, large = (
        int(subprocess.check_output([sys.executable, "-c", PROGRAM, generate(tmp_path / name, *size)], cwd=ROOT))
        for name, size in (("small", (1000, 500, string_ids)), ("large", (1_000_000, 100_000, string_ids)))
    )
    assert large - small < 20_000  # a Python dictionary of the ids alone would be 130,000
