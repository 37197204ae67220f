"""Servers of these tests' own: they change what these serve, and kill them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives.contents import MANIFEST, sha256_of
from archives.unpack import unpack
from serving.server import Server
from serving.versions import Versions
from tests.archives.packing import repack
from tests.conftest import server_on_free_ports
from tests.serving.pretended import Pretended


@pytest.fixture(scope="session", params=["torchserve", "asgi"])
def fm_server(
    request: pytest.FixtureRequest, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serves fm 1.0 alone; 1.1 lies in its store."""
    folder = tmp_path_factory.mktemp("fm_store")
    shutil.copyfile(store / "fm-1.0.mar", folder / "fm-1.0.mar")
    shutil.copyfile(store / "fm-1.0.mar", folder / "fm.mar")
    repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
    home = tmp_path_factory.mktemp("fm_server")
    running = server_on_free_ports(folder, home, host=request.param, load_models="fm=fm.mar")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def fm(fm_server: Server) -> Server:
    """The same, with 1.0 as its default and nothing else registered, whatever the test before has done."""
    fm_server.start()
    versions = Versions(fm_server, "fm")
    if versions.default() != "1.0":
        versions.register_and_wait("1.0")
        versions.management.set_default("fm", "1.0")
        shutil.copyfile(fm_server.store / "fm-1.0.mar", fm_server.store / "fm.mar")
    for version in versions.registered():
        if version != "1.0":
            versions.unregister(version)
    for left in (fm_server.store / "served.jsonl", fm_server.store / "SHA256SUMS"):
        left.unlink(missing_ok=True)
    return fm_server


def pack(store: Path, version: str, name: str) -> None:
    """An archive that has a version and nothing else."""
    with zipfile.ZipFile(store / name, "w") as packed:
        packed.writestr(MANIFEST, json.dumps({"model": {"modelName": "fm", "modelVersion": version}}))


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    """Versions 1.0 to 1.3 of a store, of which 1.0 is the default, on a pretended server and on the disk."""
    store = tmp_path / "store"
    store.mkdir()
    for version in ("1.0", "1.1", "1.2", "1.3"):
        pack(store, version, f"fm-{version}.mar")
    pack(store, "1.0", "fm.mar")
    found = Versions(Server(store, tmp_path / "home"), "fm")
    found.management = Pretended("fm", "1.0")
    monkeypatch.setattr(Server, "management_api", lambda *_, **__: found.management)

    def unpacked(folder: Path, archive: Path, *_: object) -> str:
        unpack(archive, folder)
        return sha256_of(archive)

    for module in ("rollout", "commands.versions"):
        monkeypatch.setattr(f"serving.{module}.verify_into", unpacked)
    return found


def options_of(server: Server) -> list[str]:
    """The options by which a command names a server."""
    return [
        "--config",
        str(server.home / "config.properties"),
        "--store",
        str(server.store),
        "--home",
        str(server.home),
    ]
