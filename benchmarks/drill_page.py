"""The results of ``benchmarks.drill``: where they are kept, and docs/automation.md's tables and figure of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .tables import ROOT, fill, markdown, named

RESULTS = Path(__file__).with_name("drill.json")
AUTOMATION_PAGE = ROOT / "docs/automation.md"
FIGURE = ROOT / "docs/automation.svg"
WAYS = {
    "automation": "autopilot",
    "never, fresh": "never retrained, with fresh ratings",
    "never": "never retrained",
}


def load_results() -> dict[str, Any]:
    """The committed results."""
    return json.loads(RESULTS.read_text())


def save(results: dict[str, Any], publish: bool = True) -> None:
    """Keep results, and write the page and its figure; without ``publish``, print the tables."""
    if not publish:
        print(*named(ON_THE_PAGE, results).values(), sep="\n")
        return
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    fill(AUTOMATION_PAGE, named(ON_THE_PAGE, results))
    draw(results)


def rmse(days: list[dict[str, Any]], way: str) -> float:
    """Of all scores of some days."""
    scores = sum(day["earned"][way]["scores"] for day in days)
    return math.sqrt(sum(day["earned"][way]["squares"] for day in days) / scores) if scores else math.nan


def of_lists(days: list[dict[str, Any]], way: str) -> float:
    """NDCG@10 of all lists of some days."""
    lists = sum(day["earned"][way]["lists"] for day in days)
    return sum(day["earned"][way]["ndcg"] for day in days) / lists if lists else math.nan


def _recall(days: list[dict[str, Any]], way: str) -> float:
    possible = sum(day["earned"][way]["possible"] for day in days)
    return sum(day["earned"][way]["hits"] for day in days) / possible if possible else math.nan


def drill_quality(results: dict[str, Any]) -> str:
    """All days together, of each way to answer."""
    days = results["days"]
    rows = [["", "RMSE", "NDCG@10", "recall@10"]]
    for way, name in WAYS.items():
        rows.append([name, *(f"{measure(days, way):.4f}" for measure in (rmse, of_lists, _recall))])
    return markdown(rows)


def drill_days(results: dict[str, Any]) -> str:
    """Each day: what came in, how the night's run ended, and the quality before the day's ratings were learnt."""
    head = ["day", "ratings", "users", "version", "the night's run", "RMSE", "never", "NDCG@10", "never"]
    rows: list[list[object]] = [[*head, "requests", "failed"]]
    for day in results["days"]:
        numbers = (measure([day], way) for measure in (rmse, of_lists) for way in ("automation", "never"))
        shown = ("-" if math.isnan(number) else f"{number:.3f}" for number in numbers)
        cells = [day["day"], f"{day['ratings']:,}", day["users"], day["version"], day["outcome"] or "-", *shown]
        rows.append([*cells, f"{day['requests']:,}", day["failed"]])
    return markdown(rows)


def drill_runs(results: dict[str, Any]) -> str:
    """How often the nightly run ended in each way, and how many requests there were."""
    days = results["days"]
    outcomes = [day["outcome"] for day in days]
    kinds = ("rolled out", "refused", "rolled back", "failed")
    counts = [outcomes.count(kind) for kind in kinds]
    sums = (f"{sum(day[name] for day in days):,}" for name in ("requests", "failed", "again"))
    head = ["runs", *kinds, "requests", "failed requests", "rated movies in lists"]
    return markdown([head, [len(days) - 1, *counts, *sums]])


ON_THE_PAGE = (drill_runs, drill_quality, drill_days)


def draw(results: dict[str, Any]) -> None:
    """RMSE and NDCG@10 of all days until each day, by the way to answer; refusals and rollbacks as lines."""
    days = results["days"]
    with mpl.rc_context({"svg.hashsalt": "drill", "axes.spines.right": False, "axes.spines.top": False}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        panels = figure.subplots(1, 2)
        for panel, measure, title in zip(panels, (rmse, of_lists), ("RMSE", "NDCG@10"), strict=True):
            for way, name in WAYS.items():
                values = [measure(days[: day["day"]], way) for day in days]
                panel.plot([day["day"] for day in days], values, marker="o", markersize=2.5, label=name)
            for day in days:
                if day["outcome"] in ("refused", "rolled back"):
                    panel.axvline(day["day"], color="#999999", linestyle=":")
                    panel.annotate(day["outcome"], (day["day"], 0.02), xycoords=("data", "axes fraction"), rotation=90)
            panel.set(title=title, xlabel="day")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(FIGURE, metadata={"Date": None})
