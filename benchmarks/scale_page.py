"""The results of ``benchmarks.scale``: where they are kept, and docs/scale.md's tables and figure of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .stages import ORDER
from .tables import ROOT, fill, markdown, named

RESULTS = Path(__file__).with_name("scale.json")
SCALE_PAGE = ROOT / "docs/scale.md"
FIGURE = ROOT / "docs/scale.svg"
SIZES = ("1m", "5m", "25m")
SHOWN = (*SIZES, "100m")  # the largest where it was measured, as it takes long
_LEAST = 0.05  # seconds: the exponent of a shorter stage says nothing


def load_results() -> dict[str, Any]:
    """The committed results: ``runs`` by model and size, ``files`` by type."""
    return json.loads(RESULTS.read_text())


def save(results: dict[str, Any]) -> None:
    """Keep results, and write the page and its figure."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    fill(SCALE_PAGE, named(ON_THE_PAGE, results))
    draw(results)


def totals(results: dict[str, Any]) -> str:
    """Each training: how long it takes, its memory, and its error beside the lowest that is possible."""
    rows = [["model", "ratings", "seconds", "peak memory", "test RMSE", "best possible RMSE"]]
    for model, runs in results["runs"].items():
        for run in _by_size(runs):
            rmse = f"{run['test']['rmse']:.4f}" if "rmse" in run["test"] else "-"
            peak = f"{max(run['peak_mb'].values()):,} MB"
            rows.append([model, f"{run['ratings']:,}", f"{run['wall']:.0f}", peak, rmse, f"{run['best_rmse']:.4f}"])
    return markdown(rows)


def stage_seconds(results: dict[str, Any]) -> str:
    """Seconds of each stage by model and size, and the exponent of its growth from the smallest log to the largest."""

    def exponent(seconds: list[float], runs: list[dict[str, Any]]) -> str:
        if len(runs) < 2 or min(seconds[0], seconds[-1]) < _LEAST:
            return "-"
        return f"{math.log(seconds[-1] / seconds[0]) / math.log(runs[-1]['ratings'] / runs[0]['ratings']):.2f}"

    return _by_stage(results, "seconds", "{:.1f} s", "exponent", exponent)


def stage_memory(results: dict[str, Any]) -> str:
    """Peak memory of each stage by model and size, and bytes a rating of the largest."""

    def bytes_each(peaks: list[float], runs: list[dict[str, Any]]) -> str:
        return f"{1e6 * peaks[-1] / runs[-1]['ratings']:.0f}"

    return _by_stage(results, "peak_mb", "{:,} MB", "bytes a rating, largest log", bytes_each)


def file_types(results: dict[str, Any]) -> str:
    """How the largest log is read from files of each type for the first time."""
    rows = [["file", "seconds", "ratings a second", "peak memory", "bytes a rating"]]
    for kind, read in results["files"].items():
        seconds, peak = sum(read["seconds"].values()), max(read["peak_mb"].values())
        bytes_each = 1e6 * peak / read["ratings"]
        rows.append([kind, f"{seconds:.1f}", f"{read['ratings'] / seconds:,.0f}", f"{peak:,} MB", f"{bytes_each:.0f}"])
    return markdown(rows)


ON_THE_PAGE = (totals, stage_seconds, stage_memory, file_types)


def draw(results: dict[str, Any]) -> None:
    """The seconds of each stage by the number of ratings, on logarithmic scales, one panel a model."""
    with mpl.rc_context({"svg.hashsalt": "scale", "axes.spines.right": False, "axes.spines.top": False}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        panels = figure.subplots(1, len(results["runs"]), sharey=True, squeeze=False)[0]
        for panel, (model, runs) in zip(panels, results["runs"].items(), strict=True):
            ordered = _by_size(runs)
            ratings = [run["ratings"] for run in ordered]
            for stage in ORDER:
                seconds = [run["seconds"].get(stage, math.nan) for run in ordered]
                panel.loglog(ratings, seconds, marker="o", markersize=3, label=stage)
            linear = [ordered[-1]["wall"] * count / ratings[-1] for count in ratings]
            panel.loglog(ratings, linear, color="#999999", linestyle=":", label="linear")
            panel.set(title=model, xlabel="ratings")
        panels[0].set_ylabel("seconds")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
        figure.savefig(FIGURE, metadata={"Date": None})


def _sizes(results: dict[str, Any]) -> list[str]:
    return [size for size in SHOWN if any(size in runs for runs in results["runs"].values())]


def _by_size(runs: dict[str, Any]) -> list[dict[str, Any]]:
    return [runs[size] | {"size": size} for size in SHOWN if size in runs]


def _stages(results: dict[str, Any]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    for model, runs in results["runs"].items():
        ordered = _by_size(runs)
        for stage in ORDER:
            if any(stage in run["seconds"] for run in ordered):
                yield model, stage, ordered


def _by_stage(
    results: dict[str, Any],
    measured: str,
    shown: str,
    title: str,
    last: Callable[[list[float], list[dict[str, Any]]], str],
) -> str:
    """A table of what was ``measured``, in the form ``shown``; under ``title``, what ``last`` makes of each row."""
    sizes = _sizes(results)
    rows = [["model", "stage", *sizes, title]]
    for model, stage, runs in _stages(results):
        values = [run[measured].get(stage, 0) for run in runs]
        of_size = {run["size"]: shown.format(value) for run, value in zip(runs, values, strict=True)}
        rows.append([model, stage, *(of_size.get(size, "-") for size in sizes), last(values, runs)])
    return markdown(rows)
