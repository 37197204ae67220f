"""``python -m experiments``: its words, and its refusals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from experiments import __main__ as program
from feedback.experiments import running
from feedback.store import Store
from tests.web.mocked import Mocked
from web.torchserve import TorchServe


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line beside a server with fm 1.0 and 1.1; what it prints."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path in ("/predictions/fm/1.0", "/predictions/fm/1.1"):
            return httpx.Response(200, json={}, headers={"X-Model-Version": request.url.path[-3:]})
        return httpx.Response(404, json={"code": 404, "type": "ModelVersionNotFoundException", "message": ""})

    def run(line: str) -> str:
        monkeypatch.setattr(sys, "argv", ["experiments", *line.split()])
        program.main()
        return capsys.readouterr().out

    monkeypatch.setenv("EVENTS_URL", f"sqlite:///{tmp_path}/events.db")
    monkeypatch.setenv("MODELS", "fm,mf")
    monkeypatch.setattr(
        program, "TorchServe", lambda settings: TorchServe(settings, Mocked(httpx.MockTransport(answer)))
    )
    return run


START = "start fm --a 1.0 --b 1.1 --share 0.1"


def test_an_experiment_is_started_reported_on_and_stopped(command: Any, tmp_path: Path) -> None:
    assert "0.1 of the users get fm 1.1, all others 1.0" in command(f"{START} --metric like --window 48")
    store = Store(f"sqlite:///{tmp_path}/events.db")
    one = running(store)["fm"]
    assert (one.share, one.metric, one.window, one.like_above, one.effect) == (0.1, "like", 172_800, 3, 0.1)
    assert len(one.salt) == 16
    said = command(f"report fm --reports {tmp_path}")
    assert "There are too few users or events" in said
    assert (tmp_path / "experiment-fm.html").exists()
    assert "has ended: everybody gets the default version" in command("stop fm")
    assert running(store) == {}
    store.close()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("start fm --a 1.0 --b 1.2 --share 0.1", r"B is 1\.2, which the server does not have: make register MODEL=fm"),
        ("start fm --a 1.0 --b 1.0 --share 0.1", r"A and B are both 1\.0"),
        ("start fm --a 1.0 --b 1.1 --share 1", "SHARE is 1"),
        ("start nn --a 1.0 --b 1.1 --share 0.1", "the model is 'nn': give one of fm, mf"),
        (f"{START} --window inf", "the window is inf hours: give a time above 0, and at most 8760"),
        (f"{START} --window 1e300", "the window is 1e.300 hours"),
        (f"{START} --window 0", "the window is 0 hours"),
        (f"{START} --like-above nan", "the limit of likes is nan: give a rating"),
        ("stop fm", "no experiment with fm runs"),
        ("report mf", "there was no experiment with mf"),
    ],
)
def test_an_error_is_one_line_and_nothing_is_stored(command: Any, tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(SystemExit, match=rf"^error: .*{named}"):
        command(line)
    store = Store(f"sqlite:///{tmp_path}/events.db")
    assert running(store) == {}
    store.close()


def test_a_folder_that_cannot_be_written_is_a_clear_error(command: Any, tmp_path: Path) -> None:
    command(START)
    (tmp_path / "reports").write_text("a file where the folder should be")
    with pytest.raises(SystemExit, match=r"^error: .*reports"):
        command(f"report fm --reports {tmp_path}/reports")


def test_a_second_experiment_is_refused(command: Any) -> None:
    command(START)
    with pytest.raises(SystemExit, match=r"^error: .*runs already.* STOP=1"):
        command(START)


def test_a_store_that_cannot_be_used_is_named(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTS_URL", "sqlite:////proc/no/such/folder.db")
    with pytest.raises(SystemExit, match=r"^error: sqlite:////proc/no/such/folder.db cannot be used"):
        command("stop fm")
