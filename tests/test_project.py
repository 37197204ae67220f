"""The project as a whole: its pins and its commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
OURS = ("handlers", "training", "serving")

# What is used without an import statement: (pin, where it is used, what says so).
USED_OTHERWISE = {
    "torchserve": ("serving/server.py", "ts.model_server"),
    "torch-model-archiver": ("training/archive.py", "model_archiver.model_packaging"),
    "pyarrow": ("training/data/tables.py", "read_parquet"),
    "tensorboard": ("training/recorder.py", "torch.utils.tensorboard"),
}
MODULES = {"pyyaml": "yaml", "scikit-learn": "sklearn", "torchserve": "ts"}


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
    # yaml is imported in the code that checks an archive, which is a string.
    imported = imports(*OURS) | {"yaml"}
    for pin in pins("requirements.txt"):
        if pin in USED_OTHERWISE:
            path, text = USED_OTHERWISE[pin]
            assert text in (ROOT / path).read_text(), pin
        else:
            assert MODULES.get(pin, pin) in imported, pin


def test_everything_imported_is_pinned() -> None:
    known = {MODULES.get(pin, pin).replace("-", "_") for pin in pins("requirements.txt")}
    foreign = imports(*OURS) - set(sys.stdlib_module_names) - {*OURS, "recommender"}
    assert foreign <= known


def test_imports_go_one_way() -> None:
    assert not imports("handlers") & {"training", "serving", "web"}
    assert not imports("serving") & {"training", "handlers"}
    assert not imports("training") & {"serving", "web"}


@pytest.mark.parametrize("command", [["training"], ["training", "train", "fm"], ["serving"], ["serving", "register"]])
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


def test_the_nightly_command_passes_options_of_training_and_of_the_rollout_on() -> None:
    words = ["MODEL=fm", "DATA=log.csv", "ARGS=--sweeps 5", "GATE=--metric 0.02 --keep"]
    said = subprocess.run(
        ["make", "--dry-run", "retrain", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert '--train="--data log.csv --preset quick --sweeps 5" --metric 0.02 --keep' in said.stdout
