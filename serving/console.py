"""A rollout on the console: how far it is, and the checks of the new version as a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from .gate import Check
from .rollout import Rollout


def run(rollout: Rollout) -> None:
    """Run a rollout, show its steps and its checks, and print what answers afterwards."""
    rollout.report = report
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn()) as progress:
        rollout.say = partial(progress.console.print, soft_wrap=True, highlight=False)
        task = progress.add_task("", total=len(rollout.steps()))

        @contextmanager
        def watch(step: str) -> Iterator[None]:
            progress.update(task, description=f"{rollout.model} {rollout.version}: {step}")
            yield
            progress.advance(task)

        rollout.run(watch)
    print(f"{rollout.model} {rollout.version} answers")


def report(checks: list[Check]) -> None:
    """Print a table with one row a check."""
    table = Table("check", "running", "new", "difference", "allowed", "")
    for check in checks:
        numbers = ("" if number is None else f"{number:.4g}" for number in (check.old, check.new))
        between = "" if check.interval is None else "{:+.3g} to {:+.3g}".format(*check.interval)
        table.add_row(check.name, *numbers, between, check.limit, check.note if check.good else "refused")
    Console().print(table)
