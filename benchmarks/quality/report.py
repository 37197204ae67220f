"""The committed results as the tables of the README pages. A cell of what was not measured is empty."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.tables import markdown

RESULTS = Path(__file__).with_name("results.json")
Results = dict[str, Any]
Column = Callable[[list[Results]], str]


def load() -> Results:
    """The committed results."""
    return json.loads(RESULTS.read_text())


def about(results: Results) -> str:
    """When, on what and with what."""
    dates = sorted({record["date"] for record in results["records"]})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return f"Measured {when} on {results['machine']}.\n{versions}.\n"


def ratings_100k(results: Results) -> str:
    """MovieLens 100K by contestant."""
    columns = {
        "MovieLens 100K": name,
        "RMSE on u1": over_seeds("rmse", "u1"),
        "AUC on u1": over_seeds("auc", "u1"),
        "RMSE, mean of u1 to u5": over_folds("rmse"),
        "CPU s on u1": middle("fit_cpu_s", "u1"),
    }
    return table(of(results, "ratings", "ml-100k"), columns, lambda found: found["rmse"])


def ratings_1m(results: Results) -> str:
    """MovieLens 1M by contestant."""
    columns = {
        "MovieLens 1M": name,
        "RMSE": over_seeds("rmse", "random"),
        "AUC": over_seeds("auc", "random"),
        "CPU s": middle("fit_cpu_s", "random"),
    }
    return table(of(results, "ratings", "ml-1m"), columns, lambda found: found["rmse"])


def of(results: Results, table: str, data: str) -> list[Results]:
    return [record for record in results["records"] if (record["table"], record["data"]) == (table, data)]


def table(records: list[Results], columns: dict[str, Column], better: Callable[[Results], float]) -> str:
    """A row a contestant, the best last; those without what orders them come at the end."""
    by_name: dict[str, list[Results]] = {}
    for record in records:
        by_name.setdefault(record["name"], []).append(record)

    def place(group: list[Results]) -> float:
        values = [better(record) for record in group if "rmse" in record or "ndcg@10" in record]
        return -mean(values) if values else float("inf")

    groups = sorted(by_name.values(), key=place)
    return markdown([list(columns), *([column(group) for column in columns.values()] for group in groups)])


def name(group: list[Results]) -> str:
    contestant = group[0]["name"]
    return f"**{contestant}**" if contestant.startswith("ours") else contestant


def over_seeds(metric: str, split: str, digits: int = 4) -> Column:
    """The mean over seeds, with the range where there are several."""

    def cell(group: list[Results]) -> str:
        values = [record[metric] for record in group if record["split"] == split and metric in record]
        if not values:
            return ""
        shown = f"{mean(values):.{digits}f}"
        return shown if len(values) == 1 else f"{shown} ({min(values):.{digits}f} to {max(values):.{digits}f})"

    return cell


def over_folds(metric: str) -> Column:
    """The mean over u1 to u5 of seed 0."""

    def cell(group: list[Results]) -> str:
        values = [record[metric] for record in group if record["seed"] == 0 and metric in record]
        return f"{mean(values):.4f}" if len(values) == 5 else ""

    return cell


def middle(what: str, split: str, digits: int = 1) -> Column:
    """The mean over seeds."""

    def cell(group: list[Results]) -> str:
        values = [record[what] for record in group if record["split"] == split and what in record]
        return f"{mean(values):,.{digits}f}" if values else ""

    return cell


ON_ITS_PAGE = (about, ratings_100k)
IN_THE_README = (ratings_100k,)


def write() -> None:
    """Put what the results say in its place on the two pages, each between ``<!-- name -->`` and ``<!-- end -->``."""
    results = load()
    pages = ((RESULTS.with_name("README.md"), ON_ITS_PAGE), (RESULTS.parents[2] / "README.md", IN_THE_README))
    for path, tables in pages:
        text = path.read_text()
        for made in tables:
            place = re.compile(rf"(<!-- {made.__name__} -->\n).*?(<!-- end -->)", re.DOTALL)
            text = place.sub(lambda found, made=made: found[1] + made(results) + found[2], text)
        path.write_text(text)


if __name__ == "__main__":
    write()
