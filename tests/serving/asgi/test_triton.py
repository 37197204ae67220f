"""The Open Inference Protocol as NVIDIA's own client speaks it, over HTTP and gRPC."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from client.stubs.open_inference_pb2 import DESCRIPTOR
from tests.conftest import Client

PROGRAM = Path(__file__).parents[1] / "programs/triton_client.py"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with tritonclient."""
    folder = tmp_path_factory.mktemp("triton")
    venv.create(folder, with_pip=True)
    found = folder / "bin" / "python"
    command = [found, "-m", "pip", "install", "--quiet", "-r", PROGRAM.with_suffix(".txt")]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"tritonclient cannot be installed here: {installed.stderr[-300:]}")
    return found


@pytest.mark.slow
def test_tritonclient_gets_the_answers_of_the_contract(python: Path, client: Client, tmp_path: Path) -> None:
    definition = tmp_path / "definition"
    definition.write_bytes(DESCRIPTOR.serialized_pb)
    addresses = urlsplit(client.server.inference).netloc, f"127.0.0.1:{client.server.settings['grpc_inference_port']}"
    done = subprocess.run([python, PROGRAM, *addresses, definition], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["of ours alone"] == []
    pairs = [client.ask("fm", {"user_id": user, "movie_id": movie}) for user, movie in ((11, 103), (13, 101))]
    lists = [client.ask("fm", {"user_id": user, "k": 4})["recommendations"] for user in (11, 13)]
    for protocol in ("http", "grpc"):
        said = found[protocol]
        assert said["ready"] == [True, True, True]
        assert said["pairs"] == said["pairs of texts"]
        assert said["pairs"] == {
            "score": [one["score"] for one in pairs],
            "unknown": ["unknown" in one for one in pairs],
        }
        assert said["lists"] == {
            "score": [[entry["score"] for entry in entries] for entries in lists],
            "movie_id": [[entry["movie_id"] for entry in entries] for entries in lists],
        }
        assert json.loads(said["answer"]) == client.ask("fm", {"user_id": 11, "k": 3})
        assert "inputs are users: give user_id and movie_id" in said["refusal"]
