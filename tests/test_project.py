"""The project as a whole: its pins, its commands, its README."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks import ablation, new_users, training
from benchmarks.quality import report as quality
from benchmarks.serving import report
from benchmarks.tables import of_records

ROOT = Path(__file__).parents[1]
OURS = ("handlers", "training", "serving")

# What is used without an import statement: (pin, where it is used, what says so).
USED_OTHERWISE = {
    "torchserve": ("serving/server.py", "ts.model_server"),
    "torch-model-archiver": ("training/archive.py", "model_archiver.model_packaging"),
    "pyarrow": ("training/data/tables.py", "read_parquet"),
    "tensorboard": ("training/curves.py", "torch.utils.tensorboard"),
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


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


def test_readme_python_blocks_run() -> None:
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(blocks("sh"))))
    assert named
    assert named <= targets


def test_readme_tables_are_the_committed_results() -> None:
    readme = (ROOT / "README.md").read_text()
    for benchmark in (new_users, training):
        assert of_records(json.loads(benchmark.RESULTS.read_text())["rows"]) in readme
    for table in ablation.IN_THE_README:
        assert table(ablation.load_records()) in readme, table.__name__
    for benchmark in (report, quality):
        page = benchmark.RESULTS.with_name("README.md").read_text()
        for text, tables in ((readme, benchmark.IN_THE_README), (page, benchmark.ON_ITS_PAGE)):
            for table in tables:
                assert table(benchmark.load()) in text, f"{benchmark.__name__}: {table.__name__}"


def test_a_batch_has_at_most_half_of_the_time_after_which_torchserve_ends_a_worker() -> None:
    config = yaml.safe_load((ROOT / "handlers/model-config.yaml").read_text())
    assert config["handler"]["max_batch_seconds"] <= config["responseTimeout"] / 2


def test_own_files_from_the_readme_train_and_archive(tmp_path: Path) -> None:
    """The README's commands for one's own log, run on the files that it shows."""
    text = (ROOT / "README.md").read_text()
    files = dict(re.findall(r"^```csv (\S+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert set(files) == {"ratings.csv", "users.csv", "movies.csv"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    (command,) = [line for line in text.splitlines() if line.startswith("python -m training train fm --ratings")]
    words = command.replace("python", sys.executable, 1).split()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "build/fm/metrics.json").exists()


def test_the_nightly_command_passes_options_of_training_and_of_the_rollout_on() -> None:
    words = ["MODEL=fm", "DATA=log.csv", "ARGS=--sweeps 5", "GATE=--metric 0.02 --keep"]
    said = subprocess.run(
        ["make", "--dry-run", "retrain", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert '--train="--data log.csv --preset quick --sweeps 5" --metric 0.02 --keep' in said.stdout
