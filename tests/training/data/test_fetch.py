"""What is fetched is checked, what is broken is replaced, and nothing is fetched twice."""

import functools
import hashlib
import http.server
import subprocess
import threading
from pathlib import Path

import pytest

from training.data import fetch as module
from training.data.fetch import fetch, sources
from training.data.log import DataError

DATA = b"the archive" * 1000
GOOD = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(tmp_path):
    """The address of a web server that has `set.zip`."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "set.zip").write_bytes(DATA)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=tmp_path / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()
        thread.join()


@pytest.fixture
def closed():
    """An address where nobody answers."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as http_server:
        port = http_server.server_port
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def pip(monkeypatch):
    """Stands in for pip: writes `pip.data` where it is told to, or fails if that is None."""

    def run(command, **options):
        run.commands.append(command)
        if run.data is None:
            return subprocess.CompletedProcess(command, 1, "", "WARNING: hm\nERROR: no network here\n")
        Path(command[command.index("--dest") + 1], "set.whl").write_bytes(run.data)
        return subprocess.CompletedProcess(command, 0, "", "")

    run.commands, run.data = [], DATA
    monkeypatch.setattr(module.subprocess, "run", run)
    return run


WHEEL = {"requirement": "set==1.0", "file": "set.whl", "sha256": GOOD}


def test_a_good_archive_is_fetched_once(server, closed, tmp_path):
    path = fetch({"url": f"{server}/set.zip", "sha256": GOOD}, tmp_path / "set")
    assert path == tmp_path / "set" / "set.zip"
    assert path.read_bytes() == DATA
    assert fetch({"url": f"{closed}/set.zip", "sha256": GOOD}, tmp_path / "set") == path


def test_a_half_finished_download_is_replaced(server, tmp_path):
    (tmp_path / "set.zip").write_bytes(DATA[:500])
    assert fetch({"url": f"{server}/set.zip", "sha256": GOOD}, tmp_path).read_bytes() == DATA


def test_another_file_is_refused_and_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError, match=r"Tried: http://127.*/set\.zip \(ValueError: .*hash"):
        fetch({"url": f"{server}/set.zip", "sha256": "0" * 64}, tmp_path / "set")
    assert list((tmp_path / "set").iterdir()) == []


def test_a_missing_file_is_named(server, tmp_path):
    with pytest.raises(DataError, match=r"/gone\.zip \(HTTPError: 404.*put gone\.zip there by hand"):
        fetch({"url": f"{server}/gone.zip", "sha256": GOOD}, tmp_path)


def test_the_wheel_where_the_host_is_out_of_reach(closed, pip, tmp_path):
    source = {"url": f"{closed}/set.zip", "sha256": GOOD, "wheel": WHEEL}
    path = fetch(source, tmp_path)
    assert path == tmp_path / "set.whl"
    assert path.read_bytes() == DATA
    (command,) = pip.commands
    assert {"download", "--no-deps", "set==1.0"} <= set(command)
    assert "install" not in command
    assert fetch(source, tmp_path) == path
    assert len(pip.commands) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["set.whl"]


@pytest.mark.parametrize("data", [b"another wheel", None])
def test_neither(closed, pip, tmp_path, data):
    pip.data = data
    source = {"url": f"{closed}/set.zip", "sha256": GOOD, "wheel": WHEEL}
    with pytest.raises(DataError) as caught:
        fetch(source, tmp_path)
    message = str(caught.value)
    assert f"{closed}/set.zip (ConnectionError" in message
    assert "pip download set==1.0 (ValueError: " in message
    assert ("no network here" if data is None else GOOD) in message
    assert list(tmp_path.iterdir()) == []


def test_every_source_is_pinned():
    assert set(sources()) == {"ml-100k", "ml-1m", "ml-latest-small"}
    for source in sources().values():
        for entry in (source, *filter(None, [source.get("wheel")])):
            assert len(bytes.fromhex(entry["sha256"])) == 32
            assert entry["bytes"] > 0
        assert source["url"].startswith("https://")
        assert source["licence"]
        assert source["citation"]
