"""What the first process gives to the others, and how they end."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training import calls, distributed
from training.errors import UserError

STEPS = 5


def steps(name: str, values: list[np.ndarray | torch.Tensor]) -> Iterator[int]:
    """Sums over all processes; the first one fails in step 3 of "torn"."""
    for step in range(STEPS):
        if name == "torn" and step == 3 and distributed.is_first():
            raise MemoryError
        yield int(distributed.total(torch.tensor([step * values[0][0]])))


def follow(*given: object) -> None:
    seen.append(given)
    calls.follow(steps(*given[:2]))


seen: list[tuple] = []  # what this process was given


def everything() -> None:
    """Steps to their end, until a break, until an error; shared and empty arrays, and a network."""
    shared = np.arange(12, dtype=np.int64).reshape(3, 4)
    layer = nn.Linear(2, 1)
    given = "whole", [np.array([1]), shared, torch.from_numpy(shared), np.broadcast_to(np.float32(2), (2, 0))], layer
    calls.give(follow, *given)
    assert list(calls.in_step(steps(*given[:2]))) == [0, 2, 4, 6, 8]
    for ending in ("break", "error"):
        calls.give(follow, ending, [np.array([1])])
        try:
            for total in calls.in_step(steps(ending, [np.array([1])])):
                if total == 4 and ending == "break":
                    break
                if total == 4:
                    raise UserError("stop")
        except UserError:
            pass


def unhappy() -> None:
    """An error while the others wait for work."""
    everything()
    raise UserError("no")


def torn() -> None:
    """An error in the middle of a step, in which the others are."""
    calls.give(follow, "torn", [np.array([1])])
    list(calls.in_step(steps("torn", [np.array([1])])))


def forgiven() -> None:
    """The same, in a program that goes on, as long as it does not fit again."""
    with pytest.raises(MemoryError):
        torn()
    with pytest.raises(RuntimeError, match="the other processes are still in follow"):
        torn()


def process(program: Callable[[], None], rank: int, port: int, folder: Path) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1 + rank)
    found: dict[str, object] = {}
    try:
        with distributed.processes(torch.device("cpu")):
            calls.led(program)
    except (UserError, MemoryError, RuntimeError) as error:
        found["error"] = type(error).__name__
    if rank == 0 and program is not everything:
        time.sleep(3)  # a process that goes on after its program
    if seen:
        _, (_, *arrays), *layer = seen[0]
        found |= {"names": [given[0] for given in seen], "threads": torch.get_num_threads()}
        if arrays:
            whole, tensor, empty = arrays
            found["values"] = [whole.tolist(), list(empty.shape), len(list(layer[0].parameters()))]
            found["shared"] = tensor.data_ptr() == whole.ctypes.data
    (folder / f"{rank}.json").write_text(json.dumps(found | {"at": time.time()}))


def run(program: Callable[[], None], folder: Path) -> tuple[dict, dict]:
    """What each of two processes found."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=process, args=(program, rank, port, folder), daemon=True) for rank in range(2)]
    for one in started:
        one.start()
    for one in started:
        one.join(60)
        assert one.exitcode == 0
    first, second = (json.loads((folder / f"{rank}.json").read_text()) for rank in range(2))
    return first, second


@pytest.mark.slow
@pytest.mark.parametrize(("program", "error"), [(everything, None), (unhappy, "UserError")])
def test_the_others_do_what_the_first_gives_them_until_it_ends(program, error, tmp_path: Path) -> None:
    first, second = run(program, tmp_path)
    assert first.get("error") == error
    assert "error" not in second
    assert second["names"] == ["whole", "break", "error"]
    assert second["threads"] == 1
    assert second["values"] == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], [2, 0], 2]
    assert second["shared"]


@pytest.mark.slow
@pytest.mark.parametrize(("program", "error"), [(torn, "MemoryError"), (forgiven, None)])
def test_the_others_end_with_an_error_where_the_first_fails_within_a_step(program, error, tmp_path: Path) -> None:
    first, second = run(program, tmp_path)
    assert (first.get("error"), second["error"]) == (error, "RuntimeError")
    assert second["at"] < first["at"] - 1


def test_another_process_than_the_first_gives_no_work(monkeypatch) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 2)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    with pytest.raises(RuntimeError, match="the first process alone fits"):
        calls.give(follow)


def test_with_one_process_nothing_is_given() -> None:
    done: list[str] = []
    calls.led(lambda: done.append("program"))
    calls.give(follow, object())
    assert done == ["program"]
    assert not seen
    assert list(calls.in_step([3, 4])) == [3, 4]
