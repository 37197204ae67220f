"""A new fit beside the version that runs: both are asked the same questions, about rows that neither has seen.

The running archive has seen every row of its log. Of what has come since, a part is held out from the new fit, and
on these rows the two are measured by their answers. People whom the running version knows are measured apart from those
who came since: to the latter a new version is nearly always better, and that would hide what the former lose.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from archives.pack import lay_out

from ..data.log import RatingsLog
from ..data.splits import Split, split
from ..metrics import intervals
from ..metrics.ranking import MOST_USERS
from ..progress import stage
from .questions import Questions
from .running import Running

GROUPS = "known_users", "new_users"
HELD_OUT = 0.5  # of the new rows; of the whole log not more than an ordinary test takes
ORDINARY_TEST = 0.2
FEWEST_ROWS = 100  # with fewer an interval says nothing


@stage("hashing the test rows")
def digest(rows: pd.DataFrame) -> str:
    """A hex digest of ``rows``. Metrics of two versions on rows with the same digest can be compared."""
    return sha256(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()).hexdigest()


def split_of_new(running: Running, log: RatingsLog, how: str, seed: int) -> Split | None:
    """A split whose test rows are new since ``running``, and which leaves every other row to the new fit.

    Were old rows held out too, the new fit would know less of them than the running version does. None where there are
    too few new rows, and where ``how`` says by itself which rows are the test's.
    """
    is_new = running.places(log.ratings) < 0
    new = np.flatnonzero(is_new)
    if how not in ("random", "time") or len(new) * HELD_OUT < FEWEST_ROWS:
        return None
    share = min(HELD_OUT, ORDINARY_TEST * len(log) / len(new))
    test = new[split(log.with_rows(new), how, seed, validation=0.0, test=share).test]
    rest = np.setdiff1d(np.arange(len(log)), test)
    parts = split(log.with_rows(rest), how, seed, test=0.0)
    return Split(rest[parts.train], rest[parts.validation], test)


@stage("comparing with the running version")
def compare(
    running: Running, export: Callable[[Path], None], log: RatingsLog, measured: np.ndarray, held_out: pd.DataFrame
) -> dict[str, Any]:
    """What ``metrics.json`` says of ``running`` beside the fit that ``export`` writes to a folder, as to ``build/``.

    ``measured`` int64 [n]: the rows of ``log`` that the fit has seen. ``held_out``: rows that it has not; those of them
    that the running version has seen count for nothing.

    What is returned: ``running``: which version. ``new_rows``: how many rows of the log it has not seen.
    ``changed_ratings``: the share of those it has seen that have another rating now. ``rows``: how many both were
    measured on. ``known_users``, ``new_users``: their ``rows`` and ``users``, and for each metric what
    ``intervals.compared`` says, where there are users enough.

    Raises CannotAnswer where one of the two archives does not answer.
    """
    fresh = running.places(log.ratings) < 0
    rows = held_out[running.places(held_out) < 0]
    found: dict[str, Any] = {
        "running": {"version": running.version, "sha256": running.sha256},
        "new_rows": int(fresh.sum()),
        "changed_ratings": running.changed(log.ratings),
        "rows": 0,
        "confidence": intervals.CONFIDENCE,
    }
    if len(rows) < FEWEST_ROWS:
        return found
    rows = _of_some_users(rows)
    with TemporaryDirectory(prefix="measured-") as name:
        made, unpacked = Path(name) / "made", Path(name) / "unpacked"
        export(made)
        lay_out(made, unpacked)
        folders = running.folder, unpacked
        says = [json.loads((folder / "metadata.json").read_bytes()) for folder in folders]
        rows = _for_both(rows, *says)
        asked = Questions(rows, log.ratings.iloc[measured[fresh[measured]]], log, says[1]["like_above"])
        answers = [asked.ask(folder) for folder in folders]
    known = running.knows(asked.users)
    groups = dict(zip(GROUPS, (known, ~known), strict=True))
    of_groups = {name: asked.group(members, answers, _scales(*says)) for name, members in groups.items()}
    return found | {"rows": len(rows)} | of_groups


def summary(found: dict[str, Any]) -> str:
    """A comparison in a few lines, for the console."""
    version = found["running"]["version"]
    if not found["rows"]:
        return f"{found['new_rows']:,} rows are new since version {version}: too few to measure both on"
    lines = [f"beside version {version}, on {found['rows']:,} rows that neither has seen:"]
    for name in GROUPS:
        group = found[name]
        numbers = [
            f"{metric} {both['running']:.4f} -> {both['new']:.4f} ({both['low']:+.4f} to {both['high']:+.4f})"
            for metric, both in group.items()
            if isinstance(both, dict)
        ]
        lines.append(f"  {group['users']:,} {name.replace('_', ' ')}: " + (", ".join(numbers) or "too few"))
    return "\n".join(lines)


def _scales(running: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """The target that both have in common, ratings or probabilities of the same like; empty where these differ."""
    same = running["target"] == new["target"] and (
        new["target"] == "rating" or running["like_above"] == new["like_above"]
    )
    return {new["target"]} if same else set()


def _for_both(rows: pd.DataFrame, running: dict[str, Any], new: dict[str, Any]) -> pd.DataFrame:
    """The rows, without timestamps where one of the two has no drift.

    Most requests have no timestamp, and a drift of one version alone would hide that its other scores are worse.
    """
    both_drift = None not in (running.get("drift_seconds"), new.get("drift_seconds"))
    return rows if both_drift else rows.drop(columns="timestamp", errors="ignore")


def _of_some_users(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of at most ``MOST_USERS`` users, drawn at random, as an ordinary test measures the lists of so many."""
    users = rows["user_id"].unique()
    if len(users) <= MOST_USERS:
        return rows
    return rows[rows["user_id"].isin(np.random.default_rng(0).choice(users, MOST_USERS, replace=False))]
