"""What a new version may be worse by, and what its metrics say of that: harm, noise, or nothing at all.

Metrics can be compared only where they are of the same rows. Training with ``--running`` measures the running version
and the new one on rows that neither has seen, and writes the interval of each difference into the new archive.
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
    """How much worse than the running version its successor may be."""

    metric: float = 0.05
    """A metric of the archive's test, relative to the running one's; more is refused where it is no noise."""
    changed: float = 0.1
    """The largest share of the ratings that the running version was fitted to which are other ones now."""
    correlation: float = 0.5
    """The least correlation of both versions' scores of the same pairs."""
    overlap: float = 0.05
    """The least share of the top ten that both versions have in common."""
    unknown: float = 0.05
    """The largest share of the running version's users and movies that the new one may not know."""
    p99: float = 0.5
    """The 99th percentile of the latency, relative to the running one's (and 5 ms more)."""


class Check(NamedTuple):
    """One number of both versions, and whether the new one is good enough.

    ``interval``: where the difference of the two lies, as far as that is known. ``note``: what else is to be known.
    """

    name: str
    old: float | None
    new: float
    limit: str
    good: bool
    interval: tuple[float, float] | None = None
    note: str = ""


def checks(old: dict[str, Any], new: dict[str, Any], tolerance: Tolerance) -> Iterator[Check]:
    """Of what the archives of two versions say of themselves: ``old`` runs, ``new`` is to succeed it.

    - Where the new one was measured beside this very running one, each metric of people whom the running one knows and
      of those who came since: refused is what is worse by more than the tolerance and has an interval on one side of
      zero.
    - Otherwise, where both have metrics of the same test rows: refused is what is worse by more than the tolerance.
    - Otherwise the metrics are of other rows. They are shown and refuse nothing.
    """
    found = new["metrics"].get("comparison")
    if not found or found["running"]["sha256"] != old["sha256"]:
        yield from _of_tests(old["metrics"], new["metrics"], tolerance)
        return
    changed, limit = found["changed_ratings"], tolerance.changed
    if changed is not None:
        yield Check("changed ratings", None, changed, f"at most {limit:g}", changed <= limit)
    if found["rows"]:
        for group, name in GROUPS.items():
            yield from _of_group(name, found[group], tolerance)
    else:
        yield Check("rows new since", None, found["new_rows"], "", True, note=TOO_FEW)
        yield from _of_tests(old["metrics"], new["metrics"], tolerance)


def _of_group(name: str, group: dict[str, Any], tolerance: Tolerance) -> Iterator[Check]:
    numbers = {metric: one for metric, one in group.items() if isinstance(one, dict)}
    note = f"of {group['rows']:,} rows that neither has seen" if numbers else TOO_FEW
    yield Check(name, None, group["users"], "", True, note=note)
    for metric, one in numbers.items():
        lower = metric in LOWER_IS_BETTER
        limit, within = _limit(lower, one["running"], one["new"], tolerance)
        noise = one["low"] <= 0 if lower else one["high"] >= 0
        yield Check(
            f"{metric}, {name}",
            one["running"],
            one["new"],
            limit,
            within or noise,
            (one["low"], one["high"]),
            "" if within or not noise else "worse, but may be noise",
        )


def _of_tests(old: dict[str, Any], new: dict[str, Any], tolerance: Tolerance) -> Iterator[Check]:
    rows = [metrics.get("test_sha256") for metrics in (old, new)]
    same = rows[0] == rows[1] and rows[0] is not None
    before, after = old.get("test", {}), new.get("test", {})
    for name in sorted((LOWER_IS_BETTER | HIGHER_IS_BETTER) & before.keys() & after.keys()):
        if same:
            limit, within = _limit(name in LOWER_IS_BETTER, before[name], after[name], tolerance)
            yield Check(f"test {name}", before[name], after[name], limit, within)
        else:
            yield Check(f"test {name}", before[name], after[name], "", True, note="of other rows: says nothing")


def _limit(lower: bool, before: float, after: float, tolerance: Tolerance) -> tuple[str, bool]:
    """What is allowed, in words, and whether ``after`` is."""
    limit = before * (1 + tolerance.metric if lower else 1 - tolerance.metric)
    return f"at {'most' if lower else 'least'} {limit:.4f}", bool(after <= limit if lower else after >= limit)
