"""What a server that runs for long may take: versions of the store, time of a load, connections."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.__main__ import main
from serving.asgi.bounds import Bounds
from serving.server import Server, ServerError
from serving.versions import Versions
from tests.archives.packing import repack
from tests.conftest import Client, server_on_free_ports
from tests.serving.conftest import options_of

PAIR = {"user_id": 11, "movie_id": 103}


@pytest.fixture
def nights(store: Path, tmp_path: Path) -> Iterator[Server]:
    """A server that loads no version but the default, fm 1.1, which was rolled out over 1.0, and was started again."""
    folder = tmp_path / "store"
    folder.mkdir()
    for name in ("fm-1.0.mar", "fm.mar"):
        shutil.copyfile(store / "fm-1.0.mar", folder / name)
    server = server_on_free_ports(folder, tmp_path / "home", host="asgi", other_versions="0")
    server.start()
    try:
        repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
        main(["rollout", "fm", "--version", "1.1", *options_of(server)])
        server.stop()
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("bad", ["-1", "many", "1.5"])
def test_a_bound_that_is_no_number_is_refused(bad: str) -> None:
    with pytest.raises(ServerError, match=f"other_versions is '{bad}' in the configuration: give a whole number"):
        Bounds.of({"other_versions": bad})


def test_a_version_that_is_not_loaded_returns_by_a_rollback(nights: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert Versions(nights, "fm").registered() == ["1.1"]
    main(["status", *options_of(nights)])
    assert "1.1" in (shown := capsys.readouterr().out)
    assert "1.0" not in shown
    assert "fm 1.0: in the store and not loaded" in (nights.home / "console.log").read_text()
    main(["rollback", "fm", *options_of(nights)])
    assert Client(nights).post("fm", PAIR).headers["X-Model-Version"] == "1.0"
    assert Versions(nights, "fm").registered() == ["1.0"]
