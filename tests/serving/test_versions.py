"""Versions put into service and taken out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.management import ManagementError
from serving.server import Server
from serving.versions import Versions
from tests.serving.packing import read, repack


@pytest.fixture
def versions(fm: Server) -> Versions:
    return Versions(fm, "fm")


def unpacked(server: Server, version: str) -> list[Path]:
    """Where an archive was unpacked for TorchServe, so that it does not do so itself."""
    return list(server.unpacked.glob(f"fm-{version}-*"))


def test_a_version_is_unpacked_for_torchserve_once_and_as_long_as_it_is_registered(fm, versions) -> None:
    assert versions.put_in("1.1")
    assert not versions.put_in("1.1")
    assert [str(one) for one in unpacked(fm, "1.1")] == [versions.management.describe("fm", "1.1")["modelUrl"]]
    versions.take_out("1.1", seconds=0)
    assert versions.registered() == ["1.0"]
    assert unpacked(fm, "1.1") == []


def test_a_version_whose_worker_does_not_start_is_a_clear_error_and_is_taken_out(fm, versions) -> None:
    handler = read(fm.store / "fm-1.0.mar", "recommender_handler.py").decode()
    first = "        properties = context.system_properties\n"
    broken = handler.replace(first, f"        raise RuntimeError('broken on purpose')\n{first}", 1)
    files = {"recommender_handler.py": broken.encode()}
    archive = repack(fm.store / "fm-1.0.mar", fm.store / "fm-1.2.mar", "1.2", files)
    with pytest.raises(ManagementError, match=r"fm 1\.2: a worker ended as it started.*workers\.log says why"):
        versions.put_in("1.2")
    archive.unlink()
    assert versions.registered() == ["1.0"]
    assert unpacked(fm, "1.2") == []
    assert "broken on purpose" in (fm.home / "workers.log").read_text()


def test_the_default_and_what_is_not_there_are_not_taken_out(versions) -> None:
    with pytest.raises(ManagementError, match=r"fm 1\.0 answers where .*make rollout MODEL=fm VERSION=.*make rollback"):
        versions.take_out("1.0", seconds=0)
    with pytest.raises(ManagementError, match=r"fm 7\.0 is not registered: registered are 1\.0"):
        versions.take_out("7.0", seconds=0)
    assert versions.registered() == ["1.0"]
