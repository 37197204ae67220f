"""Versions put into service and taken out of it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import requests

from archives.contents import MANIFEST
from archives.errors import StoreError
from serving import management
from serving.management import CallRefused, Management, ManagementError
from serving.server import Server
from serving.versions import BY_HAND, NotReady, Versions
from tests.archives.packing import read, repack


@pytest.fixture
def served(fm: Server) -> Versions:
    return Versions(fm, "fm")


def unpacked(server: Server, version: str) -> list[Path]:
    """Where an archive was unpacked for TorchServe, so that it does not do so itself."""
    return list(server.unpacked.glob(f"fm-{version}-*"))


def test_a_version_is_unpacked_for_torchserve_once_and_as_long_as_it_is_registered(fm, served) -> None:
    assert served.register_and_wait("1.1")
    assert not served.register_and_wait("1.1")
    assert [str(one) for one in unpacked(fm, "1.1")] == [served.management.describe("fm", "1.1")["modelUrl"]]
    served.drain_and_unregister("1.1", seconds=0)
    assert served.registered() == ["1.0"]
    assert unpacked(fm, "1.1") == []


def test_a_version_whose_worker_does_not_start_is_a_clear_error_and_is_taken_out(fm, served) -> None:
    name = "recommender/loading.py"
    broken = (
        read(fm.store / "fm-1.0.mar", name) + b"\n\ndef load_configured(*_):\n    raise RuntimeError('on purpose')\n"
    )
    archive = repack(fm.store / "fm-1.0.mar", fm.store / "fm-1.2.mar", "1.2", {name: broken})
    of_torchserve, ours = r"fm 1\.2: a worker ended as it started.*workers\.log says why", "on purpose"
    with pytest.raises(ManagementError, match=of_torchserve if fm.host == "torchserve" else ours):
        served.register_and_wait("1.2")
    archive.unlink()
    assert served.registered() == ["1.0"]
    assert unpacked(fm, "1.2") == []
    if fm.host == "torchserve":
        deadline = time.monotonic() + 60  # TorchServe copies the last lines of a worker a moment later
        while "on purpose" not in (fm.home / "workers.log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_default_and_what_is_not_there_are_not_taken_out(served) -> None:
    with pytest.raises(ManagementError, match=r"fm 1\.0 answers where .*make rollout MODEL=fm VERSION=.*make rollback"):
        served.drain_and_unregister("1.0", seconds=0)
    with pytest.raises(ManagementError, match=r"fm 7\.0 is not registered: registered are 1\.0"):
        served.drain_and_unregister("7.0", seconds=0)
    assert served.registered() == ["1.0"]


def folders(versions: Versions) -> list[Path]:
    return list(versions.server.unpacked.glob("*"))


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
    assert folders(versions) == []


def test_what_is_there_already_is_not_unpacked_twice(versions: Versions) -> None:
    posts(versions, 409)
    assert not versions.register("1.1", BY_HAND)
    assert folders(versions) == []


def test_what_fails_while_a_version_is_put_in_keeps_its_own_name(versions: Versions) -> None:
    with pytest.raises(requests.ConnectionError, match="reset"), versions.new_folder("1.1", BY_HAND):
        raise requests.ConnectionError("reset")  # an OSError, as a full disk is
    assert folders(versions) == []
    shutil.rmtree(versions.server.unpacked)
    versions.server.unpacked.touch()
    with pytest.raises(StoreError, match=r"fm-1\.1\.mar cannot be unpacked in .*File exists"):
        versions.register("1.1", BY_HAND)


LOST = [requests.ReadTimeout(), requests.ConnectionError("reset"), KeyboardInterrupt()]


@pytest.mark.parametrize("lost", LOST, ids=lambda one: type(one).__name__)
def test_what_torchserve_may_have_registered_stays_where_it_is(versions: Versions, lost: BaseException) -> None:
    posts(versions, lost)
    with pytest.raises((ManagementError, KeyboardInterrupt)) as caught:
        versions.register("1.1", BY_HAND)
    assert caught.type is not CallRefused
    (folder,) = folders(versions)
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
        versions.register_and_wait("1.1")
    assert versions.registered() == ["1.0"]
    assert folders(versions) == []


def test_registering_never_takes_the_default_out(versions: Versions, monkeypatch) -> None:
    monkeypatch.setattr(management.time, "sleep", lambda _: None)
    never_ready(versions)
    with pytest.raises(NotReady):
        versions.register_and_wait("1.0")
    assert versions.registered() == ["1.0"]
