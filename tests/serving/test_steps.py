"""The steps of rollouts and registrations where something goes wrong between them; nothing here needs TorchServe."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from serving import archives, management
from serving.__main__ import main
from serving.management import CallRefused, Management, ManagementError
from serving.record import Record
from serving.rollout import Rollout, rollback
from serving.server import Server
from serving.versions import BY_HAND, NotReady, Versions
from tests.serving.pretended import MANIFEST, Pretended


def pack(store: Path, version: str, name: str) -> None:
    """An archive that has a version and nothing else."""
    with zipfile.ZipFile(store / name, "w") as packed:
        packed.writestr(MANIFEST, json.dumps({"model": {"modelName": "fm", "modelVersion": version}}))


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    """Of a store with 1.0 to 1.3, of which 1.0 answers, in memory and on disk."""
    store = tmp_path / "store"
    store.mkdir()
    for version in ("1.0", "1.1", "1.2", "1.3"):
        pack(store, version, f"fm-{version}.mar")
    pack(store, "1.0", "fm.mar")
    found = Versions(Server(store, tmp_path / "home"), "fm")
    found.management = Pretended("fm", "1.0")
    monkeypatch.setattr("serving.versions.Management", lambda *_, **__: found.management)
    monkeypatch.setattr(archives, "verify", lambda archive, *_: archives.sha256_of(archive))
    return found


def unpacked(versions: Versions) -> list[Path]:
    return list(versions.server.unpacked.glob("*"))


def rollout(versions: Versions, version: str, warm: Callable[[], None] = lambda: None) -> Rollout:
    """A rollout in which ``warm`` stands in the place of the requests that warm the new version."""
    made = Rollout(versions.server, "fm", version, tolerance=None, drain=0)
    made._warm = warm
    return made


def fails() -> None:
    raise requests.ConnectionError("the worker has died")


def killed() -> None:
    raise SystemExit


# --- registering


def posts(versions: Versions, answer: int | BaseException) -> None:
    """Let the real API answer every call with a status, or not at all."""
    versions.management = Management("http://nobody")

    def request(method: str, url: str, **_: object) -> requests.Response:
        if isinstance(answer, BaseException):
            raise answer
        response = requests.Response()
        response.status_code, response.url = answer, url
        response.request = requests.Request(method, url).prepare()
        response._content = b'{"message": "said so"}'
        return response

    versions.management.session.request = request


@pytest.mark.parametrize("status", [400, 404, 500, 507])
def test_what_torchserve_refuses_is_removed(versions: Versions, status: int) -> None:
    posts(versions, status)
    with pytest.raises(CallRefused, match=f"{status}, said so"):
        versions.register("1.1", BY_HAND)
    assert unpacked(versions) == []


def test_what_is_there_already_is_not_unpacked_twice(versions: Versions) -> None:
    posts(versions, 409)
    assert not versions.register("1.1", BY_HAND)
    assert unpacked(versions) == []


LOST = [requests.ReadTimeout(), requests.ConnectionError("reset"), KeyboardInterrupt()]


@pytest.mark.parametrize("lost", LOST, ids=lambda one: type(one).__name__)
def test_what_torchserve_may_have_registered_stays_where_it_is(versions: Versions, lost: BaseException) -> None:
    posts(versions, lost)
    with pytest.raises((ManagementError, KeyboardInterrupt)) as caught:
        versions.register("1.1", BY_HAND)
    assert caught.type is not CallRefused
    (folder,) = unpacked(versions)
    assert (folder / MANIFEST).is_file()


def never_ready(versions: Versions) -> None:
    """Let each look find another process in the place of a worker."""
    pids = iter(range(1, 100))
    describe = versions.management.describe

    def found(model: str, version: str | None = None) -> dict:
        return describe(model, version) | {"workers": [{"status": "UNLOADED", "pid": next(pids)}]}

    versions.management.describe = found


@pytest.mark.parametrize("there", [False, True], ids=["new", "there already"])
def test_registering_takes_out_what_does_not_come_up(versions: Versions, there: bool, monkeypatch) -> None:
    monkeypatch.setattr(management.time, "sleep", lambda _: None)
    if there:  # a run before was interrupted when it had been registered
        versions.register("1.1", BY_HAND)
    never_ready(versions)
    with pytest.raises(NotReady, match=r"fm 1\.1: a worker ended as it started"):
        versions.put_in("1.1")
    assert versions.registered() == ["1.0"]
    assert unpacked(versions) == []


def test_registering_never_takes_the_default_out(versions: Versions, monkeypatch) -> None:
    monkeypatch.setattr(management.time, "sleep", lambda _: None)
    never_ready(versions)
    with pytest.raises(NotReady):
        versions.put_in("1.0")
    assert versions.registered() == ["1.0"]


def test_registering_is_refused_while_a_rollout_changes_the_store(versions: Versions, monkeypatch) -> None:
    monkeypatch.setattr("serving.where.Where.running", lambda _: versions.server)
    monkeypatch.setattr("serving.__main__.verify", lambda *_: None)
    with archives.locked(versions.server.store), pytest.raises(SystemExit, match="error: another rollout is changing"):
        main(["register", "fm", "--version", "1.1"])
    main(["register", "fm", "--version", "1.1"])
    assert versions.registered() == ["1.0", "1.1"]


@pytest.mark.parametrize(("took", "pause"), [(0.001, 0.25), (0.2, 2.0)])
def test_looking_takes_a_tenth_of_a_thread_of_connections_at_most(
    versions: Versions, took: float, pause: float, monkeypatch
) -> None:
    now, pauses = [0.0], []

    def look(model: str, version: str) -> dict:
        now[0] += took
        busy = len(pauses) % 4 < 3
        return describe("fm") | {
            "workers": [{"status": "LOADING" if busy else "READY", "pid": 1}],
            "jobQueueStatus": {"pendingRequests": int(busy)},
            "startupTimeout": 60,
        }

    describe = versions.management.describe
    versions.management.describe = look
    clock = type("Clock", (), {"monotonic": lambda: now[0], "sleep": pauses.append})
    monkeypatch.setattr(management, "time", clock)
    versions.wait_until_ready("1.0")
    assert pauses == [pytest.approx(pause)] * 3
    pauses.clear()
    versions.drain(["1.0"], seconds=0)
    assert pauses == [pytest.approx(pause)] * 3


# --- rolling out


def test_a_rollout_that_fails_takes_out_what_it_put_in(versions: Versions) -> None:
    with pytest.raises(requests.ConnectionError):
        rollout(versions, "1.1", fails).run()
    assert versions.registered() == ["1.0"]


def test_a_rollout_that_fails_leaves_what_somebody_else_had_put_in(versions: Versions) -> None:
    versions.put_in("1.1")
    with pytest.raises(requests.ConnectionError):
        rollout(versions, "1.1", fails).run()
    assert versions.registered() == ["1.0", "1.1"]


def test_what_a_rollout_left_that_was_killed_before_its_switch_goes_with_the_next(versions: Versions) -> None:
    versions.put_in("1.3")
    with pytest.raises(SystemExit):
        rollout(versions, "1.1", killed).run()
    assert versions.registered() == ["1.0", "1.3", "1.1"]
    rollout(versions, "1.2").run()
    assert versions.registered() == ["1.3", "1.2"], "what was put in by hand is left alone"


def test_what_was_kept_outlives_the_next_rollout(versions: Versions) -> None:
    rollout(versions, "1.1").run()
    kept = rollout(versions, "1.2")
    kept.keep = True
    kept.run()
    rollout(versions, "1.3").run()
    assert versions.registered() == ["1.1", "1.3"]


def test_what_is_no_version_is_refused_as_such(versions: Versions, monkeypatch) -> None:
    monkeypatch.setattr("serving.where.Where.running", lambda _: versions.server)
    with pytest.raises(SystemExit, match="error: version 'banana' is refused: a version is numbers separated by dots"):
        main(["rollout", "fm", "--version", "banana"])


# --- and back


@pytest.mark.parametrize(("history", "back_to"), [(["1.1"], "1.0"), (["1.1", "1.2"], "1.1")], ids=["two", "three"])
def test_a_rollback_that_was_killed_inside_its_switch_is_completed(versions, history, back_to, monkeypatch) -> None:
    for version in history:
        rollout(versions, version).run()

    def replace(staged: Path, path: Path) -> None:
        if path.suffix == ".mar":
            killed()
        staged.rename(path)

    def back() -> Rollout:
        made = rollback(versions.server, "fm", drain=0)
        made._warm = lambda: None
        return made

    with monkeypatch.context() as patch:
        patch.setattr(archives.os, "replace", replace)
        with pytest.raises(SystemExit):
            back().run()
    assert versions.default() == back_to
    assert archives.version_in(versions.server.store / "fm.mar") == history[-1]
    back().run()
    assert versions.default() == archives.version_in(versions.server.store / "fm.mar") == back_to
    assert versions.registered() == [back_to]
    assert Record(versions.server.store).lines("fm")[-1]["version"] == back_to
