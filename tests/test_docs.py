"""README and docs: links lead somewhere, code blocks run, commands exist, tables are the committed results."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import ablation, beyond, drill_page, fresh, likes, new_users, scale_page, training
from benchmarks.quality import report as quality
from benchmarks.serving import report as serving
from benchmarks.tables import PAGE, README, fill

ROOT = Path(__file__).parents[1]
PAGES = [
    README,
    *sorted((ROOT / "docs").glob("**/*.md")),
    *(ROOT / "data").glob("*.md"),
    *ROOT.glob("benchmarks/*/*.md"),
]
RESULTS = {
    ablation: ablation.load_records,
    beyond: beyond.load_results,
    drill_page: drill_page.load_results,
    fresh: fresh.load_results,
    likes: likes.load_records,
    new_users: new_users.load_results,
    quality: quality.load,
    scale_page: scale_page.load_results,
    serving: serving.load,
    training: training.load_results,
}
PAGE_OF = {  # the others have their tables on docs/benchmarks.md
    drill_page: drill_page.AUTOMATION_PAGE,
    scale_page: scale_page.SCALE_PAGE,
}
# `serving/gate.py`: a file or folder of the repository. Data, build/ and logs are made by commands.
FOLDERS = (
    "archives|autopilot|benchmarks|client|deploy|docs|examples|experiments|feedback|handlers|serving|tests|tools"
    "|training|web"
)
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


@page
def test_links_lead_to_what_is_there(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@page
def test_named_files_exist(page: Path) -> None:
    for path in PATH.findall(page.read_text()):
        assert (ROOT / path).exists(), path


def test_the_functions_of_the_traced_request_exist() -> None:
    """The table of docs/request.md: a file of handlers/recommender/ and a function or method in it."""
    steps = re.findall(r"\| `([\w/]+\.py)` \| `([\w.]+)` \|", (ROOT / "docs/request.md").read_text())
    assert len(steps) > 5
    for path, name in steps:
        tree = ast.parse((ROOT / "handlers/recommender" / path).read_text())
        for part in name.split("."):
            (tree,) = [node for node in tree.body if getattr(node, "name", None) == part]


@pytest.mark.parametrize(("page", "block"), [(page.name, block) for page in PAGES for block in blocks(page, "python")])
def test_python_blocks_run(page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, page, "exec"), {})


@page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = "\n".join([*blocks(page, "sh"), *re.findall(r"`(make [^`]*)`", page.read_text())])
    named = {word for words in re.findall(r"\bmake((?: [a-z-]+)+)", commands) for word in words.split()}
    assert named <= targets


def test_the_readme_names_commands() -> None:
    assert "make demo" in "".join(blocks(README, "sh"))


@pytest.mark.parametrize("benchmark", RESULTS, ids=lambda module: module.__name__)
def test_tables_are_the_committed_results(benchmark, tmp_path: Path) -> None:
    """A page with its tables written anew is the same page."""
    for path, tables in (
        (PAGE_OF.get(benchmark, PAGE), benchmark.ON_THE_PAGE),
        (README, getattr(benchmark, "IN_THE_README", ())),
    ):
        copy = tmp_path / path.name
        copy.write_text(path.read_text())
        for table in tables:
            fill(copy, {table.__name__: table(RESULTS[benchmark]())})
            assert copy.read_text() == path.read_text(), table.__name__


def test_every_place_of_a_table_is_filled() -> None:
    places = {
        name for path in (PAGE, README, *PAGE_OF.values()) for name in re.findall(r"<!-- (\w+) -->\n", path.read_text())
    }
    tables = [table for module in RESULTS for table in (*module.ON_THE_PAGE, *getattr(module, "IN_THE_README", ()))]
    assert places - {"end"} == {table.__name__ for table in tables}


def test_the_example_of_own_files_trains(tmp_path: Path) -> None:
    """The command of data/README.md, run on the files that the page shows."""
    text = (ROOT / "data/README.md").read_text()
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
