"""The report on an experiment, as lines for a terminal and as an HTML page."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from feedback.experiments import METRICS, Experiment
from feedback.store import Store

from .outcomes import outcomes
from .sequential import Comparison, Counts, compare, interval, is_uneven

DAY = 86_400  # seconds
MOST_LOOKS = 30  # in the chart
WIDTH, HEIGHT = 640, 220  # of the chart

VERDICTS = {
    "better": "B is better than A.",
    "worse": "B is worse than A.",
    "open": "No difference is shown yet.",
    "too few": "There are too few users or events to conclude anything.",
}


class Measured(NamedTuple):
    """One metric of both versions."""

    metric: str
    a: Counts
    b: Counts
    effect: float
    paired: Counts | None = None

    @property
    def comparison(self) -> Comparison:
        """B beside A."""
        return compare(*self[1:])

    @property
    def intervals(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Those of the rates of A and B."""
        return interval(self.a, *self[1:4]), interval(self.b, *self[1:4])

    @property
    def preference(self) -> str:
        """B's part of the events that the lists of both have earned."""
        total = self.a.rate + self.b.rate
        middle, low, high = (min(max(0.5 + 0.5 * one / total, 0.0), 1.0) for one in self.comparison[:3])
        return f"{middle:.1%} ({low:.1%} to {high:.1%})"


class Report(NamedTuple):
    """What an experiment has shown until a moment."""

    experiment: Experiment
    until: int  # seconds since 1970
    metrics: list[Measured]  # the one that decides is the first
    looks: list[tuple[float, Comparison]]  # of that one: days since the start, and what was known then

    @property
    def uneven(self) -> bool:
        """Whether lists of one version are missing."""
        return not self.experiment.interleave and is_uneven(self.metrics[0].a, self.metrics[0].b, self.experiment.share)


def report_on(store: Store, experiment: Experiment, now: int) -> Report:
    """Measure an experiment. One that has ended is measured when its last lists can earn nothing more.

    Raises StoreDown.
    """
    until = now if experiment.stopped is None else min(now, experiment.stopped + experiment.window)
    until = max(until, experiment.started + 1)
    names = sorted(METRICS, key=lambda name: name != experiment.metric)
    days = math.ceil((until - experiment.started) / DAY)
    step = DAY * math.ceil(days / MOST_LOOKS)
    measured = {name: outcomes(store, experiment, name, until, step) for name in names}
    metrics = [
        Measured(name, looks[-1].a, looks[-1].b, experiment.effect, looks[-1].paired)
        for name, looks in measured.items()
    ]
    looks = [
        (min(place * step, until - experiment.started) / DAY, compare(a, b, experiment.effect, paired))
        for place, (a, b, paired) in enumerate(measured[experiment.metric], 1)
    ]
    return Report(experiment, until, metrics, looks)


def lines_of(report: Report) -> Iterator[str]:
    """The report, for a terminal."""
    one = report.experiment
    yield f"{one.model}: A = {one.a}, {_who(one)}, {_period(report)}"
    yield f"{'':11}{'users':>8}{'lists':>9}" + "".join(f"{of.metric + 's a list':>30}" for of in report.metrics)
    for place, name in enumerate(("A", "B")):
        cells = (f"{_rate(of[1 + place].rate, of.intervals[place]):>30}" for of in report.metrics)
        counts = report.metrics[0][1 + place]
        yield f"{name} {(one.a, one.b)[place]:<9}{counts.users:>8,}{counts.n:>9,}" + "".join(cells)
    for of in report.metrics:
        yield f"B - A, {of.metric}s a list: {_difference(of.comparison, of.a.rate)}"
    decides = report.metrics[0]
    if one.interleave and decides.comparison.enough:
        yield f"B's part of all {one.metric}s on lists of both: {decides.preference}"
    if report.uneven:
        yield _uneven(report)
    yield f"{VERDICTS[decides.comparison.verdict]} (Judged by {one.metric}s, at all looks together: 95 %.)"


def write(report: Report, reports: Path) -> Path:
    """Write ``reports/experiment-<model>.html``, which refers to nothing outside itself; returns its path.

    Raises OSError where it cannot be written; the page before it stays then.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"period": _period, "uneven": _uneven}
    environment.globals |= {"rate": _rate, "difference": _difference, "verdicts": VERDICTS}
    text = environment.get_template("page.html").render(report=report, chart=_chart(report.looks))
    reports.mkdir(parents=True, exist_ok=True)
    path = reports / f"experiment-{report.experiment.model}.html"
    with tempfile.TemporaryDirectory(prefix=".", dir=reports) as folder:
        staged = Path(folder) / path.name
        staged.write_text(text, encoding="utf-8")
        os.replace(staged, path)
    return path


def _chart(looks: list[tuple[float, Comparison]]) -> dict[str, Any] | None:
    """The points of the chart: the interval of the difference by day. None below two looks with enough events."""
    shown = [(day, one) for day, one in looks if one.enough]
    if len(shown) < 2:
        return None
    low = min(0.0, *(one.low for _, one in shown))
    high = max(0.0, *(one.high for _, one in shown))
    first, last = shown[0][0], shown[-1][0]

    def point(day: float, value: float) -> str:
        x, y = WIDTH * (day - first) / (last - first), HEIGHT * (high - value) / ((high - low) or 1.0)
        return f"{x:.1f},{y:.1f}"

    ends = [point(day, one.low) for day, one in shown] + [point(day, one.high) for day, one in reversed(shown)]
    middle = [point(day, one.difference) for day, one in shown]
    zero = [point(day, 0.0) for day in (first, last)]
    return {"width": WIDTH, "height": HEIGHT, "first": first, "last": last, "low": low, "high": high} | {
        name: " ".join(points) for name, points in (("band", ends), ("line", middle), ("zero", zero))
    }


def _period(report: Report) -> str:
    began, until = (
        f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (report.experiment.started, report.until)
    )
    return f"{began} to {until} UTC" + (", ended" if report.experiment.stopped is not None else ", running")


def _who(one: Experiment) -> str:
    return f"B = {one.b}" + (", in one list" * one.interleave) + f" for {one.share:.4g} of the users"


def _rate(rate: float, interval: tuple[float, float]) -> str:
    if math.isinf(interval[1]):
        return f"{rate:.4f}"
    return f"{rate:.4f} ({interval[0]:.4f} to {interval[1]:.4f})"


def _difference(comparison: Comparison, rate_of_a: float) -> str:
    if not comparison.enough:
        return "too few users or events"
    difference, low, high, p = comparison[:4]
    text = f"{difference:+.4f} ({low:+.4f} to {high:+.4f})"
    if rate_of_a:
        text += f", {difference / rate_of_a:+.1%} ({low / rate_of_a:+.1%} to {high / rate_of_a:+.1%})"
    return f"{text}, p = {p:.2g}"


def _uneven(report: Report) -> str:
    a, b = report.metrics[0].a.users, report.metrics[0].b.users
    return (
        f"B has {b:,} of {a + b:,} users, which is not the share of {report.experiment.share:.4g}: lists are missing, "
        "and the comparison is not fair. Did both versions answer all the time?"
    )
