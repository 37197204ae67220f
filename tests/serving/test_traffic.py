"""What clients see while versions change and processes die."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import psutil
import pytest
import requests

from serving.management import Management
from serving.rollout import Rollout, rollback
from serving.server import Server
from serving.versions import Versions
from tests.serving import traffic
from tests.serving.traffic import Answered, Clients, ClientsThatAskAgain

BODY = {"user_id": 1, "k": 10}
SLOWEST = 1.0  # seconds that an answer may take, whatever the management API is asked meanwhile


def timed_switch(rollout: Rollout, clients: Clients) -> tuple[float, float]:
    """Runs a rollout with a slow request in flight at its switch; returns when the default changed, from and to."""
    moments = []
    put = rollout.management.set_default

    def set_default(model: str, version: str) -> None:
        slow.append(clients.slow())
        moments.append(time.monotonic())
        put(model, version)
        moments.append(time.monotonic())

    slow: list[threading.Thread] = []
    rollout.management.set_default = set_default
    rollout.run()
    slow[0].join()
    return moments[0], moments[1]


@pytest.mark.slow
def test_no_request_of_128_clients_fails_while_versions_change(fm: Server) -> None:
    # A pause: clients that wait for the cores alone would be timed with their own waiting.
    with Clients(fm.inference, "fm", BODY, count=128, pause=0.2).asking() as clients:
        quiet = clients.since_quiet(3)
        to_new = timed_switch(Rollout(fm, "fm", "1.1", drain=5), clients)
        time.sleep(1)
        to_old = timed_switch(rollback(fm, "fm", drain=5), clients)
        time.sleep(1)
    assert clients.failed() == []
    was_default = {"1.0": [(0.0, to_new[1]), (to_old[0], float("inf"))], "1.1": [(to_new[0], to_old[1])]}
    for answer in clients.answers:
        assert any(answer.start <= end and answer.end >= start for start, end in was_default[answer.version]), answer
    versions = [answer.version for answer in clients.answers]
    print(f"{len(versions)} answers, {versions.count('1.1')} from 1.1, none failed")
    assert min(versions.count("1.0"), versions.count("1.1")) > 100
    seconds = clients.seconds(quiet)
    p50, p99, p999 = (seconds[int(share * len(seconds))] for share in (0.5, 0.99, 0.999))
    print(f"s: median {p50:.3f}, p99 {p99:.3f}, p99.9 {p999:.3f}, maximum {seconds[-1]:.3f}")
    assert seconds[-1] < SLOWEST


def test_nobody_waits_while_a_version_is_put_in_and_taken_out(fm: Server) -> None:
    versions = Versions(fm, "fm")
    slowest = []
    for _ in range(4):  # a machine may get busy at any moment; a call that makes others wait does so each time
        with Clients(fm.inference, "fm", BODY, count=8).asking() as clients:
            quiet = clients.since_quiet(1)
            start = time.monotonic()
            assert versions.register_and_wait("1.1")
            assert versions.management.about("fm", "1.1")["model"] == "fm"
            versions.management.set_default("fm", "1.1")
            versions.management.set_default("fm", "1.0")
            versions.drain_and_unregister("1.1", seconds=0)
            taken = time.monotonic() - start
        assert clients.failed() == []
        slowest.append(clients.seconds(quiet)[-1])
        if slowest[-1] < min(SLOWEST, taken):
            return
    pytest.fail(f"an answer took {slowest} s in the rounds; a worker's start, {taken:.1f} s in the last one, is longer")


@pytest.mark.parametrize("slowest", [1.5, 0.29])
def test_what_is_allowed_does_not_grow_with_what_a_busy_machine_takes(slowest: float, monkeypatch) -> None:
    clients = Clients("http://nobody", "fm", BODY, count=0)

    def answer(seconds: float) -> None:
        now = time.monotonic()
        clients.answers.append(Answered(now, now + slowest, 200, "1.0"))

    monkeypatch.setattr(traffic.time, "sleep", answer)
    with pytest.raises(pytest.skip.Exception, match="too busy") if slowest > 1 else nullcontext():
        assert clients.seconds(clients.since_quiet(3)) == pytest.approx([slowest])


@contextmanager
def answers_again(server: Server, within: float) -> Iterator[list[Answered]]:
    """Asks without retry, 10 times a second, from the block's start until there is an answer."""
    start = time.monotonic()
    yield
    while time.monotonic() - start < within:
        try:
            if requests.post(f"{server.inference}/predictions/fm", json=BODY, timeout=within).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise AssertionError(f"no answer {within} s after the kill")


@pytest.mark.slow
def test_a_killed_worker_loses_no_request_of_a_client_that_asks_again(fm: Server) -> None:
    plain = Clients(fm.inference, "fm", BODY, count=16)
    retrying = ClientsThatAskAgain(fm.inference, "fm", BODY, count=16)
    with plain.asking(), retrying.asking():
        time.sleep(1)
        (worker,) = Management(fm.management).describe("fm")["workers"]
        # One worker of TorchServe's has one archive; ours imports torch and loads all of them.
        with answers_again(fm, within=5 if fm.host == "torchserve" else 20):
            psutil.Process(worker["pid"]).kill()
        time.sleep(1)
    # TorchServe's frontend has the connections; ours end with their worker.
    assert {answer.status for answer in plain.failed()} <= {500, 503, 507} | (
        {"ConnectionError"} if fm.host == "asgi" else set()
    )
    assert retrying.failed() == []
    print(f"{len(plain.failed())} of {len(plain.answers)} got an error, {len(retrying.answers)} with retry got none")


@pytest.mark.slow
def test_a_killed_server_answers_with_the_same_default_after_its_restart(fm: Server) -> None:
    Rollout(fm, "fm", "1.1", tolerance=None, drain=0).run()
    plain = Clients(fm.inference, "fm", BODY, count=16)
    with plain.asking():
        time.sleep(1)
        process = fm.process()
        process.kill()
        process.wait()
        dead = time.monotonic()
        fm.start()
        up = time.monotonic()
        time.sleep(1)
    assert {answer.status for answer in plain.failed()} <= {"ConnectionError", 500, 503, 507}
    assert all(answer.version == "1.1" for answer in plain.answers if answer.start > up)
    assert sum(answer.start > up for answer in plain.answers) > 10
    print(f"{up - dead:.1f} s from the kill to ready")


@pytest.mark.slow
def test_a_server_killed_inside_a_rollout_serves_the_default_that_it_had(fm: Server) -> None:
    rollout = Rollout(fm, "fm", "1.1", tolerance=None, drain=0)
    for step in (rollout._verify, rollout._register):
        step()
    process = fm.process()
    process.kill()
    process.wait()
    fm.start()
    assert Management(fm.management).describe("fm")["modelVersion"] == "1.0"
    Rollout(fm, "fm", "1.1", tolerance=None, drain=0).run()
    assert Management(fm.management).describe("fm")["modelVersion"] == "1.1"
