"""A small planted log, all models trained on it, and a real TorchServe that serves their archives."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import requests
import torch
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from archives.pack import archive
from handlers.recommender.model.words import Words
from serving.config import MODELS
from serving.ports import on_free_ports
from serving.server import Host, Server
from tests import ray_serve
from training.config import preset
from training.data import RatingsLog, Truth, generate
from training.estimators import ESTIMATORS
from training.programs import write_programs
from training.train import Run, train

# How long an example takes is the machine's business.
settings.register_profile("any machine", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow]))
settings.load_profile("any machine")

# What may be skipped where CI runs, and what it needs; any other skip there is a failure.
MAY_SKIP = {
    "test_what_goes_in_and_comes_out_is_kept_when_the_next_batch_passes[cuda:0]": "a GPU",
    **{
        f"test_nobody_waits_while_a_version_is_put_in_and_taken_out{host}": "a machine quiet enough to time answers on"
        for host in ("[torchserve]", "[asgi]")
    },
    "test_a_peer_keeps_the_contract[surprise]": "the environment of the quality benchmark",
    "test_a_peer_keeps_the_contract[myfm]": "the environment of the quality benchmark",
    "test_a_peer_keeps_the_contract[implicit]": "the environment of the quality benchmark",
    "test_a_peer_keeps_the_contract[lightfm]": "the environment of the quality benchmark",
    "test_a_peer_keeps_the_contract[torch_geometric]": "the environment of the quality benchmark",
    **{
        f"test_a_client_gets_the_answers_of_the_contract[{name}]": "a package that needs an older protobuf than ours"
        for name in ("triton_client", "kserve_client")
    },
    "test_movielens_1m_as_own_files": "development data that may not be redistributed",
    "test_movielens_latest_small_as_own_files": "development data that may not be redistributed",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail") and item.name not in MAY_SKIP:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and is not on the list of tests that CI may skip"
    return report


class Planted(NamedTuple):
    """A synthetic log and what it was drawn from."""

    log: RatingsLog
    truth: Truth


def server_on_free_ports(store: Path, home: Path, host: Host = "torchserve", **overrides: str) -> Server:
    """A server of its own, not yet started; ``overrides`` are settings of its configuration."""
    return Server(store, home, on_free_ports() | overrides, host=host)


class Client:
    """Asks a running server, as a user of the contract would."""

    def __init__(self, server: Server | ray_serve.Ray) -> None:
        self.server = server
        self.session = requests.Session()

    def post(self, model: str, body: Any, **headers: str) -> requests.Response:
        """POST a JSON body to a model (``fm``) or a version (``fm/1.0``)."""
        return self.session.post(f"{self.server.inference}/predictions/{model}", json=body, headers=headers, timeout=60)

    def ask(self, model: str, body: Any) -> dict[str, Any]:
        """The answer to a request that must succeed."""
        response = self.post(model, body)
        assert response.status_code == 200, response.text
        return response.json()


def train_small(model: str, log: RatingsLog, folder: Path, **settings: Any) -> Path:
    """Train one model on a small log with settings that take a second or two; returns the build folder."""
    quick = dataclasses.replace(preset("quick", model), **({"epochs": 30, "learning_rate": 0.01} | settings))
    train(Run(ESTIMATORS[model](quick), "random", True, folder / "build", folder / "runs"), log)
    return folder / "build"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Small batches do not gain from a second thread, and lose much where other processes want the cores.
    torch.set_num_threads(1)
    threadpool_limits(1)


@pytest.fixture(scope="session")
def planted() -> Planted:
    made = generate(seed=1, users=150, movies=100, ratings=7000)
    return Planted(made.log, made.truth)


@pytest.fixture(scope="session")
def build(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``build/`` with all models, trained on the planted log."""
    folder = tmp_path_factory.mktemp("trained")
    for model in MODELS:
        train_small(model, planted.log, folder)
    return folder / "build"


def shop_log() -> RatingsLog:
    """A shop's log: texts as ids, under the word ``item_id``, with products that have columns of each kind."""
    log = generate(seed=3, users=80, movies=60, ratings=2400, string_ids=True).log
    rng = np.random.default_rng(0)
    count = len(log.movies)
    columns = {
        "category": rng.choice(["", "Bikes", "Boots", "Tents"], count),
        "price": np.where(rng.random(count) < 0.1, np.nan, rng.integers(100, 60_000, count) / 100),
        "stock": rng.integers(0, 9, count),
        "on_sale": rng.choice(["true", "false", ""], count),
        "labels": rng.choice(["new", "new|red", "red|blue", ""], count),
    }
    types = {"category": "str", "on_sale": "str", "labels": "str"}
    products = log.movies.assign(**columns).astype(types)
    products["year"], products["genres"] = pd.array([pd.NA] * count, "Int64"), pd.Series([""] * count, dtype="str")
    words = Words("item", "product", "products")
    return dataclasses.replace(log, movies=products, movie_features=(), shown=tuple(columns), words=words)


@pytest.fixture(scope="session")
def shop_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``build/`` with an MF for the log of a shop."""
    return train_small("mf", shop_log(), tmp_path_factory.mktemp("of_a_shop"), sweeps=20, burn_in=5)


@pytest.fixture(scope="session")
def purchases_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``build/`` with an MF for the purchases of a shop, which have no ratings."""
    log = shop_log()
    log = dataclasses.replace(log, ratings=log.ratings.drop(columns="rating"))
    return train_small("mf", log, tmp_path_factory.mktemp("of_purchases"), target="like", method="als")


@pytest.fixture(scope="session")
def likes_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``build/`` with an FM for a log of likes: ids are strings, and side features are known of movies alone."""
    log = generate(seed=2, users=120, movies=80, ratings=3000, string_ids=True).log
    log = dataclasses.replace(log, ratings=log.ratings.drop(columns="rating"), users=None, user_features=())
    return train_small("fm", log, tmp_path_factory.mktemp("of_likes"), target="like", method="adam", epochs=5)


@pytest.fixture(scope="session")
def store(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store with version 1.0 of each model."""
    folder = tmp_path_factory.mktemp("model_store")
    for model in MODELS:
        archive(model, "1.0", build, folder)
    return folder


@pytest.fixture(scope="session")
def exported_build(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ``build/`` with networks of torch.export alone."""
    folder = shutil.copytree(build, tmp_path_factory.mktemp("exported") / "build")
    for model in MODELS:
        write_programs(folder / model)
        (folder / model / f"{model}.pt").unlink()
    return folder


@pytest.fixture(scope="session")
def mixed_store(store: Path, exported_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model store, with an FM whose network is of torch.export."""
    folder = tmp_path_factory.mktemp("mixed_store")
    for model in ("mf", "deepfm"):
        for path in (store / f"{model}-1.0.mar", store / f"{model}.mar"):
            shutil.copy2(path, folder)
    archive("fm", "1.0", exported_build, folder, network_format="export")
    return folder


@pytest.fixture(scope="session")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real TorchServe with all models, shared by all tests that leave it as it was."""
    running = server_on_free_ports(store, tmp_path_factory.mktemp("torchserve"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def asgi_server(mixed_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same under our own server (serving/asgi), one of its networks as torch.export writes it."""
    running = server_on_free_ports(mixed_store, tmp_path_factory.mktemp("asgi"), host="asgi")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def ray_server(mixed_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ray_serve.Ray]:
    """The same under Ray Serve (deploy/examples/ray_serve.py)."""
    with ray_serve.running(mixed_store, tmp_path_factory.mktemp("ray") / "ray.log") as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> Client:
    return Client(server)


@pytest.fixture
def taken_port(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A port that another process listens on, and that process."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as process:
        yield int(re.search(r" port (\d+) ", process.stdout.readline())[1]), process.pid
        process.terminate()
