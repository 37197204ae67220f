"""Training, evaluation and export with the network on a GPU and the log on the CPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.pretended import GPU, MixedDevicesError, PretendedGPU, device_of
from training.__main__ import main
from training.data import RatingsLog, generate
from training.device import chosen, threads
from training.estimators import ESTIMATORS
from training.train import Run, train

SMALL = {"sweeps": 4, "burn_in": 1, "epochs": 2, "top_epochs": 2, "sample_factors": 4}


@pytest.fixture(scope="module")
def log() -> RatingsLog:
    return generate(seed=4, users=50, movies=40, ratings=1000).log


def run(model: str, device: str, log: RatingsLog, folder: Path, **settings) -> dict:
    estimator = ESTIMATORS[model](device=device, **(SMALL | settings))
    metrics = train(Run(estimator, "random", True, folder / device / "build", folder / device / "runs"), log)
    return {name: value for name, value in metrics.items() if name != "seconds"}


class TestThePretence:
    """What a real GPU refuses is refused."""

    def test_devices_do_not_mix(self) -> None:
        with PretendedGPU():
            on_gpu, on_cpu = torch.ones(3, device="cuda"), torch.ones(3)
            for mixed in (
                lambda: on_gpu + on_cpu,
                lambda: on_cpu.index_select(0, torch.zeros(1, dtype=torch.long).to(GPU)),
                lambda: torch.cat([on_gpu, on_cpu]),
                lambda: torch.nn.functional.linear(on_cpu.expand(2, 3), on_gpu.expand(2, 3)),
                lambda: on_gpu.numpy(),
                lambda: torch.where(on_gpu > 0, on_cpu, on_cpu),
                lambda: on_gpu.__setitem__(torch.tensor([0, 1]), torch.ones(2)),
                lambda: torch.randperm(3, generator=torch.Generator(), device="cuda"),
            ):
                with pytest.raises(MixedDevicesError):
                    mixed()

    def test_what_a_gpu_allows_is_allowed(self) -> None:
        with PretendedGPU():
            on_gpu, on_cpu = torch.ones(3, device="cuda"), torch.ones(3)
            for allowed in (
                on_gpu + torch.tensor(1.0),
                on_gpu[torch.tensor([0, 1])],
                on_gpu * 2,
                on_cpu.to(on_gpu.device),
            ):
                assert allowed.device == GPU
            assert on_gpu.copy_(on_cpu).device == GPU
            on_gpu[torch.tensor([0, 1])] = torch.ones(2, device="cuda")
            on_gpu[torch.tensor([0, 1])] = 1
            assert on_gpu.cpu().numpy().tolist() == [1, 1, 1]

    def test_gradients_and_modules_follow(self) -> None:
        with PretendedGPU():
            layer = torch.nn.Linear(2, 1).to("cuda")
            layer(torch.ones(4, 2).to("cuda")).sum().backward()
            assert device_of(layer.weight) == layer.weight.grad.device == GPU
            torch.optim.Adam(layer.parameters(), fused=True).step()
            with pytest.raises(MixedDevicesError):
                layer(torch.ones(4, 2))


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("mf", {}),
        ("fm", {}),
        ("fm", {"ratings_as": "levels"}),
        ("fm", {"method": "adam"}),
        ("fm", {"target": "like"}),
        ("deepfm", {}),
        ("deepfm", {"target": "rating", "ratings_as": "levels"}),
        ("deepfm", {"method": "adam"}),
    ],
)
def test_a_run_on_a_gpu_measures_what_one_on_a_cpu_does(model: str, settings: dict, log, tmp_path: Path) -> None:
    expected = run(model, "cpu", log, tmp_path, **settings)
    with PretendedGPU():
        found = run(model, "cuda", log, tmp_path, **settings)
    assert found == expected


def test_likes_alone_train_on_a_gpu(log, tmp_path: Path) -> None:
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    expected = run("deepfm", "cpu", likes, tmp_path)
    with PretendedGPU():
        assert run("deepfm", "cuda", likes, tmp_path) == expected


@pytest.mark.parametrize(
    ("asked", "there_is", "device"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_a_gpu_is_used_where_there_is_one_unless_told_otherwise(asked, there_is, device, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there_is)
    assert chosen(asked) == torch.device(device)


def test_a_gpu_that_is_not_there_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="--device is cuda, and PyTorch finds no GPU here: use --device cpu"):
        main(["train", "mf", "--data", "synthetic", "--device", "cuda", "--build", str(tmp_path)])


def test_the_first_line_says_where(tmp_path: Path, capsys) -> None:
    words = ["--data", "synthetic", "--device", "cpu", "--sweeps", "1", "--burn-in", "0", "--no-refit"]
    main(["train", "mf", *words, "--build", str(tmp_path / "build"), "--runs", str(tmp_path / "runs")])
    assert capsys.readouterr().out.splitlines()[0] == "mf on cpu"


def test_a_large_log_gets_all_cores_and_a_number_that_is_given_counts(monkeypatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    assert threads(None, 100_000) == 1
    assert threads(None, 1_000_209) == 3
    assert threads(2, 100_000) == 2
    assert threads(1, 25_000_000) == 1
