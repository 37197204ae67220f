"""The project as a whole: its pins and its commands."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from serving.config import MODELS
from training.estimators import ESTIMATORS
from web.settings import Settings

ROOT = Path(__file__).parents[1]
OURS = ("archives", "feedback", "handlers", "training", "serving", "autopilot")

OTHERS = ("client", "experiments", "recommender", "recommender_handler")

# What is used without an import statement: (pin, where it is used, what says so).
USED_OTHERWISE = {
    "torchserve": ("serving/server.py", "ts.model_server"),
    "torch-model-archiver": ("archives/pack.py", "model_archiver.model_packaging"),
    "grpcio-tools": ("Makefile", "grpc_tools.protoc"),
    "httptools": ("serving/asgi/guard.py", "uvicorn.protocols.http.httptools_impl"),
    "protobuf": ("serving/asgi/messages.py", "from client.stubs.open_inference_pb2"),
    "tenacity": ("client/recommender_client.py", "import tenacity"),
    "urllib3": ("client/recommender_client.py", "from urllib3"),
    "psycopg": ("feedback/database.py", "postgresql+psycopg"),
    "psycopg-binary": ("feedback/database.py", "postgresql+psycopg"),
    "tensorboard": ("training/recorder.py", "torch.utils.tensorboard"),
}
MODULES = {
    "grpcio": "grpc",
    "grpcio-health-checking": "grpc_health",
    "prometheus-client": "prometheus_client",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "torchserve": "ts",
}


def pins(name: str) -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return dict(line.split("==") for line in lines if line and not line.startswith("-"))


def imports(*folders: str) -> set[str]:
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    return found


def test_every_pin_is_used() -> None:
    imported = imports(*OURS)
    for pin in pins("requirements.txt"):
        if pin in USED_OTHERWISE:
            path, text = USED_OTHERWISE[pin]
            assert text in (ROOT / path).read_text(), pin
        else:
            assert MODULES.get(pin, pin) in imported, pin


def test_everything_imported_is_pinned() -> None:
    known = {MODULES.get(pin, pin).replace("-", "_") for pin in pins("requirements.txt")}
    foreign = imports(*OURS) - set(sys.stdlib_module_names) - {*OURS, *OTHERS}
    assert foreign <= known


def test_what_two_lists_pin_has_one_version() -> None:
    ours, of_the_page = pins("requirements.txt"), pins("requirements-web.txt")
    both = ours.keys() & of_the_page.keys()
    assert both
    assert {name: ours[name] for name in both} == {name: of_the_page[name] for name in both}


def test_everything_that_the_gateway_imports_is_pinned() -> None:
    known = {pin.split("[")[0].replace("-", "_") for pin in pins("requirements-web.txt")}
    of_fastapi = {"pydantic", "pydantic_core", "starlette"}
    assert (
        imports("web", "feedback", "experiments") - set(sys.stdlib_module_names) - {"feedback", "web", "serving"}
        <= known | of_fastapi
    )


def test_the_image_has_what_serving_needs() -> None:
    lists = dict(re.findall(r'ENV (ASGI|SERVING)="([^"]*)"', (ROOT / "Dockerfile").read_text()))
    listed = lists["SERVING"].replace("${ASGI}", lists["ASGI"]).split()
    needed = {pin for pin in pins("requirements.txt") if MODULES.get(pin, pin) in imports("serving", "handlers")}
    needed |= {pin for pin, (place, _) in USED_OTHERWISE.items() if place.startswith("serving/")}
    assert needed <= {*listed, "torch"}  # which is installed from an index of its own
    assert set(listed) <= set(pins("requirements.txt"))


def test_of_serving_the_gateway_imports_one_module_which_imports_nothing_of_ours() -> None:
    texts = [path.read_text() for path in (ROOT / "web").rglob("*.py")]
    assert {name for text in texts for name in re.findall(r"serving[.\w]*", text)} == {"serving.asgi.guard"}
    assert not re.search(r"^\s*(from \.|import serving)", (ROOT / "serving/asgi/guard.py").read_text(), re.MULTILINE)


def test_imports_go_one_way() -> None:
    assert not imports("archives") & {"training", "serving", "handlers", "client", "web", "feedback", "torch"}
    assert not imports("handlers") & {"archives", "training", "serving", "client", "web", "feedback"}
    assert not imports("serving") & {"training", "handlers", "web", "torch"}
    assert not imports("training") & {"serving", "client", "web"}
    assert not imports("client", "feedback") & {"archives", "training", "serving", "handlers", "torch"}
    assert not imports("web") & {"archives", "training", "handlers", "torch"}
    assert not imports("client", "feedback") & {"web"}
    assert not imports("experiments") & {"archives", "training", "serving", "handlers", "client", "torch"}
    everything = ("archives", "handlers", "training", "serving", "client", "web", "feedback")
    assert not imports(*everything) & {"experiments", "autopilot"}
    assert not imports("experiments") & {"autopilot"}
    assert not imports("autopilot") & {"training", "handlers", "web", "torch"}


def test_the_models_are_those_that_the_servers_configuration_loads() -> None:
    assert set(ESTIMATORS) == set(MODELS)
    assert Settings().models == MODELS
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^  MODEL +{' '.join(MODELS)} ", shown, re.MULTILINE)


@pytest.mark.parametrize(
    "command", [["training"], ["training", "train", "fm"], ["serving"], ["serving", "register"], ["autopilot"]]
)
def test_commands_explain_themselves(command: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "usage" in result.stdout


def test_an_error_that_the_user_can_mend_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,movie_id,rating\n1,2,many\n")
    result = subprocess.run(
        [sys.executable, "-m", "training", "train", "mf", "--ratings", str(tmp_path / "log.csv")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert "many" in line
    assert "row 1" in line


def test_a_batch_has_at_most_half_of_the_time_after_which_torchserve_ends_a_worker() -> None:
    config = yaml.safe_load((ROOT / "handlers/model-config.yaml").read_text())
    assert config["handler"]["max_batch_seconds"] <= config["responseTimeout"] / 2
