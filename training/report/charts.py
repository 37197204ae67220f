"""The page's charts, as SVG in data URLs; the only data in them are numbers."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, BLUE, ORANGE, PALE = "#444444", "#2b6cb0", "#c05621", "#bfd3e6"
STYLE: dict[str, Any] = {
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "legend.frameon": False,
    "svg.hashsalt": "report",  # the same numbers make the same page
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def losses(curves: dict[str, Sequence[float]]) -> str:
    """Losses by epoch (by sample, where posterior samples are averaged)."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3), layout="constrained")
        axes = figure.subplots()
        for (name, values), colour in zip(curves.items(), (BLUE, ORANGE), strict=True):
            if values:
                few = {"marker": "o", "markersize": 4} if len(values) <= 40 else {}
                axes.plot(range(1, len(values) + 1), values, label=name, color=colour, **few)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel="epoch or sample", ylabel="loss")
        axes.legend()
        return _url(figure)


def by_count(bins: Sequence[dict[str, float]], error: str, rows: str) -> str:
    """The error by how many ``rows`` (ratings, or users) a movie has."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3), layout="constrained")
        axes = figure.subplots()
        places = range(len(bins))
        axes.bar(places, [each["error"] for each in bins], width=0.7, color=PALE)
        for place, each in zip(places, bins, strict=True):
            above = place, each["error"]
            axes.annotate(f"{each['error']:.3f}", above, (0, 3), textcoords="offset points", ha="center")
        axes.set_xticks(places, [_span(each) for each in bins], fontsize=9)
        axes.tick_params(axis="x", length=0)
        axes.set(xlabel=f"{rows} in training", ylabel=error)
        return _url(figure)


def reliability(curve: dict[str, Sequence[float]]) -> str:
    """The share of likes by the predicted probability, and below it the number of predictions."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 5), layout="constrained")
        above, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
        above.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1)
        above.plot(curve["predicted"], curve["observed"], color=BLUE, marker="o", markersize=5)
        above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of likes")
        below.bar(curve["predicted"], curve["counts"], width=0.04, color=PALE)
        below.set(xlabel="predicted probability", ylabel="pairs")
        below.yaxis.set_major_formatter("{x:,.0f}")
        return _url(figure)


def _span(bin_: dict[str, float]) -> str:
    low, high = bin_["from"], bin_["to"]
    return f"{low:g}" if low == high else f"{low:g}\u2013{high:g}"


def _url(figure: Figure) -> str:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()
