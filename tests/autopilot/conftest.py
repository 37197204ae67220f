"""A server of these tests' own, with a new version that is packed instead of trained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives.contents import version_in
from autopilot.alert import Alert
from autopilot.holdout import Measure
from autopilot.run import Run, Watching
from serving.gate import Tolerance
from serving.management import Management
from serving.retrain import Training
from serving.server import Server
from serving.versions import Versions
from tests.autopilot.programs import killed_run
from tests.conftest import server_on_free_ports


@pytest.fixture(scope="session")
def asgi_fm(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our own server with fm 1.0 alone."""
    folder = tmp_path_factory.mktemp("autopilot_store")
    for name in ("fm-1.0.mar", "fm.mar"):
        shutil.copyfile(store / "fm-1.0.mar", folder / name)
    home = tmp_path_factory.mktemp("autopilot_server")
    running = server_on_free_ports(folder, home, host="asgi", load_models="fm=fm.mar")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def fm(asgi_fm: Server) -> Server:
    """The same, with 1.0 as its default and nothing else registered, and no run on the disk."""
    versions = Versions(asgi_fm, "fm")
    if versions.default() != "1.0":
        versions.register_and_wait("1.0")
        Management(asgi_fm.management).set_default("fm", "1.0")
    if version_in(asgi_fm.store / "fm.mar") != "1.0":
        shutil.copyfile(asgi_fm.store / "fm-1.0.mar", asgi_fm.store / "fm.mar")
    for version in versions.registered():
        if version != "1.0":
            versions.unregister(version)
    shutil.rmtree(asgi_fm.store / "autopilot", ignore_errors=True)
    for name in ("served.jsonl", "SHA256SUMS", "fm-1.1.mar", "fm-1.2.mar", killed_run.FLAG):
        (asgi_fm.store / name).unlink(missing_ok=True)
    return asgi_fm


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of the gateway's store of events, which is not there yet."""
    url = f"sqlite:///{tmp_path}/events.db"
    monkeypatch.setenv("EVENTS_URL", url)
    return url


@pytest.fixture
def run(fm: Server, events: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose watch takes a second."""
    killed_run.plant(monkeypatch.setattr)
    monkeypatch.setattr("autopilot.run.PAUSE", 0.2)
    calm = Tolerance(p99=1e6)  # of a machine that runs other tests
    watching = Watching(watch=0.02, every=0.2, holdout=Measure(share=0.5))
    return Run(fm, "fm", Training(build=fm.store / "build"), calm, watching, Alert(), drain=0)
