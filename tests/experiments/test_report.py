"""From a month of planted clicks in a real store to the report's words and page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from experiments.report import DAY, lines_of, report_on, write
from feedback.experiments import Experiment, stop
from feedback.store import Event, Impression, Store

USERS, DAYS = 600, 30


@pytest.fixture
def month(store: Store, experiment: Experiment) -> Experiment:
    """A list a user every third day; who gets A clicks on a tenth of them, who gets B on a quarter."""
    draw = np.random.default_rng(0)
    lists, events = [], []
    for user in map(str, range(USERS)):
        version = experiment.version_of(user)
        for day in np.flatnonzero(draw.random(DAYS) < 1 / 3):
            at = experiment.started + int(day) * DAY + int(draw.integers(DAY - 3600))
            lists.append(Impression(user, None, "fm", version, at, [1, 2, 3], experiment.id))
            if draw.random() < {"1.0": 0.1, "1.1": 0.25}[version]:
                events.append(Event(user, "2", "click", None, at + 60, at + 60, f"{at}"))
    store.add_impressions(lists)
    store.add_events([events])
    return experiment


def test_a_planted_difference_in_the_store_is_found_and_its_interval_has_it(store: Store, month: Experiment) -> None:
    report = report_on(store, month, month.started + DAYS * DAY)
    clicks, likes = report.metrics
    assert clicks.comparison.verdict == "better"
    assert clicks.comparison.low < 0.15 < clicks.comparison.high
    (low_a, high_a), (low_b, high_b) = clicks.intervals
    assert low_a < 0.1 < high_a < low_b < 0.25 < high_b
    assert (likes.metric, likes.comparison.verdict) == ("like", "too few")
    assert [round(day) for day, _ in report.looks] == list(range(1, DAYS + 1))
    assert not report.uneven


def test_the_report_in_words(store: Store, month: Experiment) -> None:
    lines = list(lines_of(report_on(store, month, month.started + DAYS * DAY)))
    assert lines[0] == "fm: A = 1.0, B = 1.1 for 0.5 of the users, 2023-11-14 22:13 to 2023-12-14 22:13 UTC, running"
    assert re.match(r"A 1\.0 +\d{3} +\d,\d{3} +0\.0990 \(0\.0\d{3} to 0\.1\d{3}\)", lines[2])
    assert re.match(r"B - A, clicks a list: \+0\.1\d+ \(\+0\.\d+ to \+0\.\d+\), \+1\d\d\.\d%.*, p = ", lines[4])
    assert lines[5] == "B - A, likes a list: too few users or events"
    assert lines[-1] == "B is better than A. (Judged by clicks, at all looks together: 95 %.)"


def test_the_page_says_the_same(store: Store, month: Experiment, tmp_path: Path) -> None:
    path = write(report_on(store, month, month.started + DAYS * DAY), tmp_path / "reports")
    page = path.read_text()
    assert [file.name for file in path.parent.iterdir()] == ["experiment-fm.html"]
    assert '<p id="verdict">B is better than A.</p>' in page
    (svg,) = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    band, line, zero = (shape.get("points").split() for shape in ElementTree.fromstring(svg))
    assert len(band) == 2 * len(line)
    assert 10 < len(line) <= DAYS
    assert all(0 <= float(number) <= 640 for point in band + zero for number in point.split(","))
    assert "://" not in page


def test_an_experiment_that_nobody_has_seen(store: Store, experiment: Experiment, tmp_path: Path) -> None:
    report = report_on(store, experiment, experiment.started)
    assert list(lines_of(report))[-1].startswith("There are too few users or events")
    assert "<svg" not in write(report, tmp_path).read_text()


def test_one_that_has_ended_is_measured_until_its_last_lists_can_earn_nothing_more(
    store: Store, month: Experiment
) -> None:
    ended = stop(store, "fm", month.started + 10 * DAY)
    report = report_on(store, ended, month.started + DAYS * DAY)
    assert report.until == ended.stopped + ended.window
    assert ", ended" in next(lines_of(report))


def test_lists_of_b_that_are_missing_are_noticed(store: Store, month: Experiment) -> None:
    sql = "DELETE FROM impressions WHERE version = '1.1' AND user_id < '4'"
    store.run(lambda connection: connection.exec_driver_sql(sql))
    report = report_on(store, month, month.started + DAYS * DAY)
    assert report.uneven
    assert any("the comparison is not fair" in line for line in lines_of(report))


def test_a_long_experiment_is_looked_at_thirty_times_at_most(store: Store, month: Experiment) -> None:
    assert len(report_on(store, month, month.started + 400 * DAY).looks) <= 30
