"""The Open Inference Protocol as the clients of NVIDIA and KServe speak it, over HTTP and gRPC."""

from __future__ import annotations

import json
import subprocess
import tempfile
import venv
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import Client

PROGRAMS = Path(__file__).parents[1] / "programs"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["triton_client", "kserve_client"])
def test_a_client_gets_the_answers_of_the_contract(name: str, client: Client) -> None:
    program = PROGRAMS / f"{name}.py"
    addresses = urlsplit(client.server.inference).netloc, f"127.0.0.1:{client.server.settings['grpc_inference_port']}"
    with tempfile.TemporaryDirectory() as folder:  # pytest would keep it: up to 450 MB
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        command = [python, "-m", "pip", "install", "--quiet", "-r", program.with_suffix(".txt")]
        installed = subprocess.run(command, capture_output=True, text=True)
        if installed.returncode:
            pytest.skip(f"the client cannot be installed here: {installed.stderr[-300:]}")
        done = subprocess.run([python, program, *addresses], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
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
        assert [json.loads(one) for one in said["request"]["answer"]] == [client.ask("fm", {"user_id": 11, "k": 3})]
        assert "inputs are users: give user_id and movie_id" in said["refusal"]
