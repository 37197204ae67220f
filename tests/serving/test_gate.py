"""The checks of two archives' metrics: what is refused, what passes, and what is only shown."""

from __future__ import annotations

from typing import Any

import pytest

from serving.gate import TOO_FEW, Check, Tolerance, compare_metrics

RUNNING = "digest of the running version"
ROWS = "digest of the test rows"


def description(test: dict[str, float], test_sha256: str = ROWS, comparison: dict[str, Any] | None = None) -> dict:
    metrics = {"test": test, "test_sha256": test_sha256}
    return {"sha256": RUNNING, "metrics": metrics | ({"comparison": comparison} if comparison else {})}


def compared(of: str = RUNNING, rows: int = 500, changed: float | None = 0.0, **known: dict[str, float]) -> dict:
    """A comparison with the version whose digest is ``of``, by metrics of the users whom that version knows."""
    groups = {"known_users": {"rows": 300, "users": 40} | known, "new_users": {"rows": 20, "users": 5}}
    return {"running": {"sha256": of}, "changed_ratings": changed, "rows": rows, "new_rows": rows} | groups


def change(running: float, new: float, noise: float) -> dict[str, float]:
    """A metric of both versions, and an interval of that half width around the difference."""
    return {"running": running, "new": new, "low": new - running - noise, "high": new - running + noise}


def checked(new: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Check]:
    old = old or description({"rmse": 1.0, "auc": 0.8})
    return {check.name: check for check in compare_metrics(old, new, Tolerance())}


def refused(checks: dict[str, Check]) -> list[str]:
    return [check.name for check in checks.values() if not check.good]


@pytest.mark.parametrize(
    ("test", "names"),
    [
        ({"rmse": 1.04, "auc": 0.77}, []),
        ({"rmse": 0.5, "auc": 1.0}, []),
        ({"rmse": 1.06, "auc": 0.77}, ["test rmse"]),
        ({"rmse": 1.04, "auc": 0.75}, ["test auc"]),
    ],
)
def test_a_metric_of_the_same_test_rows_may_be_a_twentieth_worse(test: dict[str, float], names: list[str]) -> None:
    checks = checked(description(test))
    assert refused(checks) == names
    assert checks["test rmse"].limit == "at most 1.0500"
    assert checks["test auc"].limit == "at least 0.7600"


def test_a_drift_of_one_version_alone_hides_nothing() -> None:
    """The other version is measured without timestamps, so this one is too."""
    drifts = description({"rmse": 0.9, "ndcg@10": 0.5, "without_timestamps": {"rmse": 1.06}})
    plain = description({"rmse": 1.0, "ndcg@10": 0.5})
    assert refused(checked(drifts, plain)) == ["test rmse"]
    assert refused(checked(plain, drifts)) == []
    assert refused(checked(drifts, drifts)) == []
    assert checked(drifts, drifts)["test rmse"].new == 0.9


@pytest.mark.parametrize(
    "new",
    [
        description({"rmse": 2.0}, test_sha256="others"),
        description({"rmse": 2.0}, "others", compared("another version", rmse=change(1.0, 2.0, noise=0.1))),
    ],
    ids=["other rows", "beside another version than the one that runs"],
)
def test_metrics_that_cannot_be_compared_are_shown_and_refuse_nothing(new: dict[str, Any]) -> None:
    (check,) = checked(new).values()
    assert (check.name, check.good, check.note) == ("test rmse", True, "of other rows: says nothing")


@pytest.mark.parametrize(
    ("metric", "numbers", "good", "note"),
    [
        ("rmse", change(1.0, 1.2, noise=0.1), False, ""),
        ("rmse", change(1.0, 1.2, noise=0.3), True, "worse, but may be noise"),
        ("rmse", change(1.0, 1.04, noise=0.01), True, ""),
        ("auc", change(0.8, 0.7, noise=0.05), False, ""),
        ("auc", change(0.8, 0.7, noise=0.2), True, "worse, but may be noise"),
        ("auc", change(0.8, 0.9, noise=0.05), True, ""),
    ],
)
def test_a_metric_beside_the_running_version_is_refused_where_it_is_worse_and_no_noise(
    metric: str, numbers: dict[str, float], good: bool, note: str
) -> None:
    checks = checked(description({}, comparison=compared(**{metric: numbers})))
    check = checks[f"{metric}, users it knows"]
    assert (check.good, check.note, check.interval) == (good, note, (numbers["low"], numbers["high"]))
    assert checks["users it knows"].note == "of 300 rows that neither has seen"
    assert checks["users new since"].note == TOO_FEW


@pytest.mark.parametrize(("changed", "good"), [(0.1, True), (0.11, False)])
def test_a_log_most_of_whose_ratings_have_changed_is_refused(changed: float, good: bool) -> None:
    assert checked(description({}, comparison=compared(changed=changed)))["changed ratings"].good is good


def test_a_log_of_likes_has_no_changed_ratings() -> None:
    assert "changed ratings" not in checked(description({}, comparison=compared(changed=None)))


def test_too_few_new_rows_are_said_and_the_test_rows_are_compared() -> None:
    checks = checked(description({"rmse": 1.2}, comparison=compared(rows=0)))
    assert checks["rows new since"].note == TOO_FEW
    assert refused(checks) == ["test rmse"]
