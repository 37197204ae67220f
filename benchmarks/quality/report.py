"""The committed results as tables. A cell is empty where nothing was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.tables import markdown, publish, spread

RESULTS = Path(__file__).with_name("results.json")
# The name of a record, and what its row shows instead.
LABELS = {
    "myFM, and side features": "myFM, ids, histories, side features",
    "myFM, and ordinal": "myFM, ids, histories, side features, ordinal",
    "ours: and side features (`fm`, `deepfm`)": "ours: ids and side features (`fm`, `deepfm`)",
    "ours: and side features (`fm`, `deepfm`), tuned": "ours: ids and side features (`fm`, `deepfm`), tuned",
}
IN_SHORT = {
    "Surprise, SVD, tuned",
    "myFM, ids",
    "ours: `mf --target rating --preset quick`",
    "myFM, and side features",
    "ours: `fm --target rating --preset quick`",
    "ours: `fm --target rating --preset best`",
}
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
        "with timestamps": over_seeds("rmse with timestamps", "u1"),
        "AUC on u1": over_seeds("auc", "u1"),
        "RMSE, mean of u1 to u5": over_folds("rmse"),
        "CPU s on u1": middle("fit_cpu_s", "u1"),
    }
    return table(of(results, "ratings", "ml-100k"), columns, "rmse")


def later_ratings_100k(results: Results) -> str:
    """Ratings of the latest rows of MovieLens 100K by contestant."""
    columns = {
        "MovieLens 100K, the latest fifth": name,
        "RMSE": over_seeds("rmse", "time"),
        "with timestamps": over_seeds("rmse with timestamps", "time"),
        "AUC": over_seeds("auc", "time"),
        "CPU s": middle("fit_cpu_s", "time"),
    }
    return table(of(results, "later_ratings", "ml-100k"), columns, "rmse")


def quality(results: Results) -> str:
    """The rows of ``ratings_100k`` that the README shows."""
    columns = {
        "MovieLens 100K, fold u1": name,
        "RMSE": over_seeds("rmse", "u1"),
        "AUC": over_seeds("auc", "u1"),
        "CPU s": middle("fit_cpu_s", "u1"),
    }
    records = [record for record in of(results, "ratings", "ml-100k") if record["name"] in IN_SHORT]
    return table(records, columns, "rmse")


def ratings_1m(results: Results) -> str:
    """MovieLens 1M by contestant."""
    columns = {
        "MovieLens 1M": name,
        "RMSE": over_seeds("rmse", "random"),
        "AUC": over_seeds("auc", "random"),
        "CPU s": middle("fit_cpu_s", "random"),
    }
    return table(of(results, "ratings", "ml-1m"), columns, "rmse")


def ranking_100k(results: Results) -> str:
    """Lists of MovieLens 100K by contestant."""
    return _ranking(results, "ml-100k", "MovieLens 100K")


def ranking_1m(results: Results) -> str:
    """Lists of MovieLens 1M by contestant."""
    return _ranking(results, "ml-1m", "MovieLens 1M")


def ranking_gowalla(results: Results) -> str:
    """Lists of Gowalla by contestant."""
    return _ranking(results, "gowalla", "Gowalla")


def _ranking(results: Results, data: str, title: str) -> str:
    records = of(results, "ranking", data)
    beyond = {
        metric: middle(metric, "random", digits)
        for metric, digits in (("novelty@10", 2), ("diversity@10", 3))
        if any(metric in record for record in records)
    }
    columns = {
        title: name,
        "NDCG@10": over_seeds("ndcg@10", "random"),
        "recall@20": middle("recall@20", "random", 4),
        "coverage@10": middle("coverage@10", "random", 3),
        "popularity@10": middle("popularity@10", "random", 0),
        **beyond,
        "trials": middle("trials", "random", 0),
        "chosen (seed 0)": chosen,
        "CPU s of a fit": middle("fit_cpu_s", "random", 2),
        "model, MB": middle("model_mb", "random", 1),
    }
    return table(records, columns, "ndcg@10")


def later_100k(results: Results) -> str:
    """Lists of the latest rows of MovieLens 100K by contestant."""
    columns = {
        "MovieLens 100K, the latest fifth": name,
        "NDCG@10": middle("ndcg@10", "time", 4),
        "95 %": interval("ndcg_interval"),
        "beside popularity of late, 95 %": interval("ahead_interval"),
        "recall@20": middle("recall@20", "time", 4),
        "coverage@10": middle("coverage@10", "time", 3),
        "NDCG@10 of validation": middle("validation_ndcg@10", "time", 4),
        "chosen": chosen,
        "CPU s of a fit": middle("fit_cpu_s", "time", 2),
    }
    return table(of(results, "later", "ml-100k"), columns, "ndcg@10")


def similar_100k(results: Results) -> str:
    """Similar movies of MovieLens 100K by contestant."""
    columns = {
        "MovieLens 100K": name,
        "NDCG@10": over_seeds("ndcg@10", "users"),
        "recall@10": middle("recall@10", "users", 4),
        "coverage@10": middle("coverage@10", "users", 3),
        "chosen (seed 0)": chosen,
    }
    return table(of(results, "similar", "ml-100k"), columns, "ndcg@10")


def reach(results: Results) -> str:
    """RMSE and seconds by sweeps."""
    columns = {
        "fold u1": name,
        "RMSE": over_seeds("rmse", "u1"),
        "CPU s, median": median_of("fit_cpu_s"),
        "clock s, median": median_of("fit_s"),
    }
    return table(of(results, "reach", "ml-100k"), columns, "rmse")


def serving(results: Results) -> str:
    """What our models cost where they are served."""
    columns = {
        "trained on u1": name,
        "RMSE": over_seeds("rmse", "u1"),
        "AUC": over_seeds("auc", "u1"),
        "vector length (score, lists)": widths,
        "archive, MB": middle("archive_mb", "u1", 2),
        "a pair, ms": middle("pair_ms", "u1", 2),
        "a list of 10, ms": middle("list_ms", "u1", 2),
    }
    ours = [record for record in of(results, "ratings", "ml-100k") if "archive_mb" in record]
    return table(ours, columns, "auc")


def of(results: Results, table: str, data: str) -> list[Results]:
    return [record for record in results["records"] if (record["table"], record["data"]) == (table, data)]


def table(records: list[Results], columns: dict[str, Column], metric: str) -> str:
    """A row a contestant, the best by the first split's mean last; those without the metric come at the end."""
    by_name: dict[str, list[Results]] = {}
    for record in records:
        by_name.setdefault(record["name"], []).append(record)

    def place(group: list[Results]) -> float:
        first = min((record["split"] for record in group), default="")
        values = [record[metric] for record in group if metric in record and record["split"] == first]
        if not values:
            return float("inf")
        return -mean(values) if metric == "rmse" else mean(values)

    groups = sorted(by_name.values(), key=place)
    return markdown([list(columns), *([column(group) for column in columns.values()] for group in groups)])


def name(group: list[Results]) -> str:
    contestant = LABELS.get(group[0]["name"], group[0]["name"])
    return f"**{contestant}**" if contestant.startswith("ours") else contestant


def chosen(group: list[Results]) -> str:
    """What was tuned; in italics what was chosen at an end of what was tried."""
    record = next((record for record in group if record["seed"] == 0), {})
    settings, edge = record.get("chosen", {}), record.get("edge", [])
    texts = {name: f"{name} {value}" for name, value in settings.items()}
    return ", ".join(f"*{text}*" if name in edge else text for name, text in texts.items())


def widths(group: list[Results]) -> str:
    record = next((record for record in group if record["split"] == "u1"), None)
    return f"{record['width']}, {record['rank_width']}" if record else ""


def over_seeds(metric: str, split: str) -> Column:
    """The mean over seeds, with the range where there are several."""

    def cell(group: list[Results]) -> str:
        values = [record[metric] for record in group if record["split"] == split and metric in record]
        return spread(values) if values else ""

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


def interval(what: str) -> Column:
    """Where a record's value lies, from and to."""

    def cell(group: list[Results]) -> str:
        low, high = group[0][what]
        return f"{low:+.3f} to {high:+.3f}" if low < 0 else f"{low:.3f} to {high:.3f}"

    return cell


def median_of(what: str) -> Column:
    return lambda group: f"{median(record[what] for record in group):.1f}"


ON_THE_PAGE = (
    *(about, ratings_100k, later_ratings_100k, ratings_1m, ranking_100k, ranking_1m, ranking_gowalla, later_100k),
    *(similar_100k, reach, serving),
)
IN_THE_README = (quality,)


def write() -> None:
    """Write the tables into docs/benchmarks.md and README.md."""
    publish(load(), ON_THE_PAGE, IN_THE_README)


if __name__ == "__main__":
    write()
