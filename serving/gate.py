"""How much worse than the running version a new version may be, and the checks of its metrics.

Metrics can be compared only where they are of the same rows. Training with ``--running`` measures the running and the
new version on rows that neither has seen, and writes the interval of each difference into the new archive.

A new tolerance is a field of ``Tolerance``, which is its option of the command line too, and a ``Check`` that reads it:
here for numbers that the archives hold, in ``answers.py`` for answers of the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

LOWER_IS_BETTER = {"rmse", "mae", "log_loss"}
HIGHER_IS_BETTER = {"auc", "ndcg@10", "recall@20"}
GROUPS = {"known_users": "users it knows", "new_users": "users new since"}
TOO_FEW = "too few to measure both versions on"


@dataclass(frozen=True)
class Tolerance:
    """How much worse than the running version the new version may be."""

    metric: float = 0.05
    """A metric of the archive's test, relative to the running version's; more is refused unless it may be noise."""
    changed: float = 0.1
    """The largest share of the ratings that the running version was fitted to and that have another value now."""
    correlation: float = 0.5
    """The least correlation of both versions' scores of the same pairs."""
    overlap: float = 0.05
    """The least share of their lists that both versions have in common."""
    unknown: float = 0.05
    """The largest share of the running version's users and movies that the new version does not know."""
    p99: float = 0.5
    """The 99th percentile of the latency, relative to the running one's (and 5 ms more)."""


class Check(NamedTuple):
    """One number of both versions, and whether the new version's is good enough.

    ``interval``: the confidence interval of the difference, where it is known. ``note``: a remark for the table.
    """

    name: str
    old: float | None
    new: float
    limit: str
    good: bool
    interval: tuple[float, float] | None = None
    note: str = ""


def compare_metrics(old: dict[str, Any], new: dict[str, Any], tolerance: Tolerance) -> Iterator[Check]:
    """The checks of the metrics in the descriptions of two archives: ``old`` runs, ``new`` is to replace it.

    - Where the new version was measured beside this running version: each metric, of users whom the running version
      knows and of users who came since. A metric fails that is worse by more than the tolerance and whose interval
      does not hold zero.
    - Otherwise, where both have metrics of the same test rows: a metric fails that is worse by more than the tolerance.
      Where one of the two alone has a drift, its metrics are those without timestamps, as the other's are.
    - Otherwise the metrics are of different rows. They are shown, and none fails.
    """
    comparison = new["metrics"].get("comparison")
    if not comparison or comparison["running"]["sha256"] != old["sha256"]:
        yield from _of_tests(old["metrics"], new["metrics"], tolerance)
        return
    changed, limit = comparison["changed_ratings"], tolerance.changed
    if changed is not None:
        yield Check("changed ratings", None, changed, f"at most {limit:g}", changed <= limit)
    if comparison["rows"]:
        for group, name in GROUPS.items():
            yield from _of_group(name, comparison[group], tolerance)
    else:
        yield Check("rows new since", None, comparison["new_rows"], "", True, note=TOO_FEW)
        yield from _of_tests(old["metrics"], new["metrics"], tolerance)


def _of_group(name: str, group: dict[str, Any], tolerance: Tolerance) -> Iterator[Check]:
    metrics = {name: numbers for name, numbers in group.items() if isinstance(numbers, dict)}
    note = f"of {group['rows']:,} rows that neither has seen" if metrics else TOO_FEW
    yield Check(name, None, group["users"], "", True, note=note)
    for metric, numbers in metrics.items():
        lower = metric in LOWER_IS_BETTER
        limit, within = _limit(lower, numbers["running"], numbers["new"], tolerance)
        noise = numbers["low"] <= 0 if lower else numbers["high"] >= 0
        yield Check(
            f"{metric}, {name}",
            numbers["running"],
            numbers["new"],
            limit,
            within or noise,
            (numbers["low"], numbers["high"]),
            "" if within or not noise else "worse, but may be noise",
        )


def _of_tests(old: dict[str, Any], new: dict[str, Any], tolerance: Tolerance) -> Iterator[Check]:
    same_rows = old.get("test_sha256") == new.get("test_sha256") and old.get("test_sha256") is not None
    before, after = old.get("test", {}), new.get("test", {})
    if ("without_timestamps" in before) != ("without_timestamps" in after):  # one of the two has a drift
        before, after = ({**test, **test.get("without_timestamps", {})} for test in (before, after))
    for name in sorted((LOWER_IS_BETTER | HIGHER_IS_BETTER) & before.keys() & after.keys()):
        if same_rows:
            limit, within = _limit(name in LOWER_IS_BETTER, before[name], after[name], tolerance)
            yield Check(f"test {name}", before[name], after[name], limit, within)
        else:
            yield Check(f"test {name}", before[name], after[name], "", True, note="of other rows: says nothing")


def _limit(lower: bool, before: float, after: float, tolerance: Tolerance) -> tuple[str, bool]:
    """The limit in words, and whether ``after`` is within it."""
    limit = before * (1 + tolerance.metric if lower else 1 - tolerance.metric)
    return f"at {'most' if lower else 'least'} {limit:.4f}", bool(after <= limit if lower else after >= limit)
