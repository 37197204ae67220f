"""Which server a command is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.config import ROOT
from serving.options import ServerOptions
from serving.server import Server, ServerError


def test_a_running_server_is_asked_with_its_own_store(server: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SERVING_STORE", str(tmp_path))
    assert ServerOptions(home=server.home).running().store == server.store
    assert ServerOptions(home=server.home, store=server.store).running().store == server.store
    with pytest.raises(ServerError, match=rf"serves {server.store}, and --store is {tmp_path}: leave --store out"):
        ServerOptions(home=server.home, store=tmp_path).running()


def test_a_server_that_is_to_be_started_gets_the_store_that_is_named(tmp_path: Path, monkeypatch) -> None:
    assert ServerOptions(home=tmp_path).server().store == ROOT / "model_store"
    monkeypatch.setenv("SERVING_STORE", str(tmp_path / "other"))
    assert ServerOptions(home=tmp_path).server().store == tmp_path / "other"
    assert ServerOptions(home=tmp_path, store=tmp_path).server().store == tmp_path
