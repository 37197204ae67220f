"""``python -m experiments start | stop | report MODEL``: two versions of a model on live users."""

import argparse
import asyncio
import secrets
import sys
import time
from pathlib import Path

from feedback import experiments as stored
from feedback.database import URLError, without_password
from feedback.experiments import METRICS, Experiment, ExperimentError
from feedback.store import Store, StoreDown
from web.problems import NotRegistered, Problem
from web.settings import Settings
from web.torchserve import TorchServe

from . import report


def main() -> None:
    """Run one command; an error is one line."""
    settings, options = Settings.from_environment(), _options()
    try:
        if options.model not in settings.models:
            raise ExperimentError(f"the model is {options.model!r}: give one of {', '.join(settings.models)}")
        store = Store(settings.events_url)
        try:
            options.run(options, store, settings)
        finally:
            store.close()
    except (ExperimentError, URLError, OSError) as error:
        sys.exit(f"error: {error}")
    except StoreDown as error:
        sys.exit(f"error: {without_password(settings.events_url)} cannot be used: {error}")


def start(options: argparse.Namespace, store: Store, settings: Settings) -> None:
    """Begin an experiment with two versions that the server has."""
    experiment = Experiment(
        options.model, options.a, options.b, options.share, options.salt or secrets.token_hex(8), options.metric,
        options.like_above, stored.seconds(options.window), options.effect, int(time.time()),
        interleave=options.interleave,
    )  # fmt: skip
    stored.check(experiment)
    asyncio.run(_check_versions(experiment, settings))
    experiment = stored.start(store, experiment)
    what = f"lists of {experiment.a} and " if experiment.interleave else ""
    print(
        f"{experiment.share:.4g} of the users get {experiment.model} {what}{experiment.b}, all others {experiment.a}, "
        f"5 seconds from now. Report: make experiment-report MODEL={experiment.model}"
    )


def stop(options: argparse.Namespace, store: Store, settings: Settings) -> None:
    """End the experiment that runs."""
    ended = stored.stop(store, options.model, int(time.time()))
    print(f"The experiment with {ended.model} {ended.a} and {ended.b} has ended: everybody gets the default version.")


def show(options: argparse.Namespace, store: Store, settings: Settings) -> None:
    """Print the report on the latest experiment, and write its page."""
    measured = report.report_on(store, stored.latest(store, options.model), int(time.time()))
    for line in report.lines_of(measured):
        print(line)
    print(f"wrote {report.write(measured, options.reports)}")


async def _check_versions(experiment: Experiment, settings: Settings) -> None:
    torchserve = TorchServe(settings)
    try:
        for name, version in (("A", experiment.a), ("B", experiment.b)):
            try:
                await torchserve.card(experiment.model, version)
            except NotRegistered:
                advice = f"make register MODEL={experiment.model} VERSION={version} adds it"
                raise ExperimentError(f"{name} is {version}, which the server does not have: {advice}") from None
            except Problem as problem:
                raise ExperimentError(f"{experiment.model} {version} does not answer. {problem}") from None
    finally:
        await torchserve.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments", description="Two versions of a model on live users.")
    commands = parser.add_subparsers(required=True, metavar="start | stop | report")
    of_start = commands.add_parser("start", help="begin to send a share of the users to another version")
    of_start.set_defaults(run=start)
    of_start.add_argument("model")
    of_start.add_argument("--a", required=True, help="the version that most users get")
    of_start.add_argument("--b", required=True, help="the version that the share gets")
    of_start.add_argument("--share", type=float, required=True, help="the part of the users that get B, such as 0.1")
    of_start.add_argument("--metric", choices=METRICS, default=METRICS[0], help="what decides")
    of_start.add_argument("--window", type=float, default=24, help="hours after a list in which an event counts for it")
    of_start.add_argument("--like-above", type=float, default=3, help="a higher rating is a like")
    of_start.add_argument("--effect", type=float, default=0.1, help="the relative difference that is found soonest")
    of_start.add_argument("--salt", help="chooses who gets B; a new one each time, unless it is given")
    of_start.add_argument("--interleave", action="store_true", help="the share gets lists with movies of both versions")
    of_stop = commands.add_parser("stop", help="send everybody to the default version")
    of_stop.set_defaults(run=stop)
    of_stop.add_argument("model")
    of_report = commands.add_parser("report", help="what the versions earn, and how sure that is")
    of_report.set_defaults(run=show)
    of_report.add_argument("model")
    of_report.add_argument("--reports", type=Path, default=Path("reports"), help="the folder of the page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
