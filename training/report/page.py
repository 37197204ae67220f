"""The report's page: its numbers, charts and lists, gathered and rendered."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from archives.pack import DETAILS
from handlers.recommender.api.answers import Presenter
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from handlers.recommender.model.errors import ArchiveError

from ..browsing import LAST_YEAR
from ..errors import UserError
from ..estimators import ESTIMATORS
from ..metrics.names import HEADLINES
from . import charts, movies

EXAMPLES = 3
LENGTH = 8


class Done(NamedTuple):
    """What the users of a log have done: a movie ``was`` rated, and has so many ``rows``, ratings."""

    was: str
    rows: str


RATED = Done("rated", "ratings")
CHOSEN = Done("chosen", "users")  # bought, played or read: nobody says which; each user counts once


class ReportError(UserError):
    """There is nothing to report on; the message says what to do."""


def write(model: str, build: Path, reports: Path) -> Path:
    """Write ``reports/<model>.html`` from ``build/<model>/``; returns its path.

    The page refers to nothing outside itself. Raises ReportError where there is no model, or one without its details.
    """
    folder = build / model
    try:
        details = json.loads((folder / DETAILS).read_text())
        service = load_service(folder)
    except (OSError, json.JSONDecodeError, ArchiveError) as error:
        raise ReportError(
            f"{folder} cannot be reported on ({error}): train it first (make train MODEL={model})"
        ) from error
    reports.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", prefix=f".{model}-", dir=reports, delete=False, encoding="utf-8") as page:
        staged = Path(page.name)
    try:
        staged.write_text(render(service, details), encoding="utf-8")
        staged.chmod(0o644)
        os.replace(staged, reports / f"{model}.html")
    finally:
        staged.unlink(missing_ok=True)
    return reports / f"{model}.html"


def render(service: Service, details: dict[str, Any]) -> str:
    """The page of a model, given what training left beside it (``details.py``)."""
    model = service.model
    metadata, metrics = model.metadata, model.metrics
    # Titles and genres are anybody's text, so everything is escaped.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "facts": lambda attributes: facts(attributes, metadata.added_by),
        "number": number,
        "name": lambda movie: movies.name_of(movie, metadata.words),
        "columns": columns,
    }
    parts = {"validation": metrics["validation"], "test": metrics["test"]}
    error = "RMSE" if metadata.target == "rating" else "log loss"
    bins, curve = details.get("by_count"), details.get("reliability")
    done = RATED if metadata.scale else CHOSEN
    return environment.get_template("page.html").render(
        name=ESTIMATORS[metadata.model].title if metadata.model in ESTIMATORS else metadata.model,
        headlines=HEADLINES,
        metadata=metadata,
        words=metadata.words,
        done=done,
        metrics=metrics,
        parts=_columns_of(parts),
        cold=[
            (part, called, values[side]["rows"], _floats(values[side]))
            for part, values in parts.items()
            for side, called in (("cold_users", "users"), ("cold_movies", metadata.words.many))
            if side in values
        ],
        error=error,
        bins=bins,
        losses=charts.losses(details["losses"]) if any(details["losses"].values()) else None,
        by_count=charts.by_count(bins, error, done.rows) if bins else None,
        reliability=charts.reliability(curve) if curve else None,
        map=movies.draw(Presenter(model).catalogue(0, len(model.catalogue)), metadata.words),
        tuning=details.get("tuning"),
        users=_users(service),
        similar=_similar(service),
    )


def facts(attributes: dict[str, Any], dates: str | None = None) -> str:
    """The attributes of an entry as one text: texts by themselves, numbers and flags with their names.

    ``dates``: the column whose numbers are seconds since 1970, or years.
    """
    return ", ".join(_fact(name, value, name == dates) for name, value in attributes.items())


def _fact(name: str, value: Any, is_date: bool) -> str:
    name = name.replace("_", " ")
    if isinstance(value, bool):
        return name if value else f"not {name}"
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, str):
        return value
    if is_date:
        moment = value if abs(value) <= LAST_YEAR else f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}"
        return f"{name} {moment}"
    return f"{name} {value:,.12g}"


def number(value: Any) -> str:
    """Four digits after the point for measurements, thousands apart for counts."""
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"
    return f"{value:,}"


def columns(rows: Sequence[dict[str, float]]) -> list[str]:
    """The names of the metrics in any of ``rows``, in their order."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _columns_of(parts: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The metrics by column of their table; a part whose scores have a drift has one more, without it."""
    found: dict[str, dict[str, float]] = {}
    for part, values in parts.items():
        if values:
            found[part] = {"rows": values["rows"]} | _floats(values)
        if "without_timestamps" in values:
            found[f"{part}, without timestamps"] = {"rows": values["rows"]} | values["without_timestamps"]
    return found


def _floats(values: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if isinstance(value, float)}


def _users(service: Service) -> list[dict[str, Any]]:
    """Users who have rated more than a quarter, half and three quarters of all: what they rated best, what is next."""
    counts = np.diff(service.model.arrays["seen_offsets"].numpy())
    rated = np.flatnonzero(counts)
    by_count = rated[np.argsort(counts[rated], kind="stable")]
    positions = dict.fromkeys(len(by_count) * quarter // 4 for quarter in range(1, 1 + EXAMPLES))
    found = []
    for row in by_count[list(positions)].tolist():
        user = service.model.users.ids[row]
        history = _ask(service, {"user_id": user, "history": True})["history"]
        best = sorted(history, key=lambda movie: -movie.get("rating", 0))[:LENGTH]
        listed = _ask(service, {"user_id": user, "k": LENGTH})["recommendations"]
        found.append({"id": user, "count": len(history), "best": best, "listed": listed})
    return found


def _similar(service: Service) -> list[dict[str, Any]]:
    """The most rated movies and those that are similar."""
    model, present = service.model, Presenter(service.model)
    rows = np.argsort(-model.catalogue.counts, kind="stable")[:EXAMPLES]
    return [
        {
            "movie": present.named(row),
            "listed": _ask(service, {"movie_id": model.movies.ids[row], "k": LENGTH})["similar"],
        }
        for row in rows.tolist()
    ]


def _ask(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    (answer,) = service.answer([json.dumps(request).encode()])
    return json.loads(answer.body)
