"""The command line: ``python -m training {data,train,archive,report,recommend} --help``."""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import tyro
from tqdm.contrib.logging import logging_redirect_tqdm
from tyro.conf import OmitArgPrefixes, Positional

from archives.contents import Format, file_name
from archives.errors import ArchiveRefused, CannotAnswer
from archives.pack import Profile, archive

from . import progress
from .comparison.running import Running, opened
from .config import MODELS, Settings, Target, preset
from .data import RatingsLog, load, planted, read_pairs, with_events
from .data.weights import weighing
from .errors import SettingsError, UserError
from .fingerprint import differing, fingerprint, program

if TYPE_CHECKING:
    import torch  # slow to import, and most commands need none of it

Model = Literal[MODELS]
Preset = Literal["quick", "best"]


@dataclass(frozen=True)
class Source:
    """Where the ratings come from."""

    data: str | None = None
    """ml-100k (which it is where nothing is given), ml-1m, ml-latest-small, synthetic, synthetic:1m (5m, 25m, 100m), or
    a ratings file's path."""
    ratings: Path | None = None
    """In place of --data, your ratings: CSV, CSV.gz or Parquet with user_id, movie_id[, rating][, timestamp]."""
    users: Path | None = None
    """Your users: a file with user_id and side features."""
    movies: Path | None = None
    """Your movies: a file with movie_id, title, year, genres and other side features."""
    features: str = ""
    """Columns of these files that are side features, separated by commas (the usual ones by default)."""
    events: str | None = None
    """A store of events that join the log: its URL, or EVENTS_URL for this variable (or else events/events.db)."""

    event_weights: str = ""
    """What events of likes weigh by their type, as purchase=5,click=1; other types weigh what is usual."""
    half_life_days: float | None = None
    """Days after which a like counts half."""

    def load(self) -> RatingsLog:
        """The log."""
        names = tuple(name for name in self.features.split(",") if name)
        by = weighing(self.event_weights, self.half_life_days)
        log = load(self.data, ratings=self.ratings, users=self.users, movies=self.movies, features=names, by=by)
        return log if self.events is None else with_events(log, self.events)


@dataclass(frozen=True)
class Data:
    """Fetch and check a data set, and say what is in it."""

    source: OmitArgPrefixes[Source] = Source()

    def run(self) -> None:
        """Print a summary."""
        log = self.source.load()
        kind = f"ratings from {log.scale[0]:g} to {log.scale[1]:g}" if log.has_ratings else "likes"
        print(
            f"{log.name}: {len(log):,} {kind} by {log.ratings['user_id'].nunique():,} users "
            f"of {log.ratings['movie_id'].nunique():,} movies; sha256 {log.sha256}"
        )
        if log.events:
            print(f"{log.events.count:,} events are among them, the last one with the id {log.events.last_id}")
        if self.source.data in planted.NAMES:
            print(f"the best possible prediction has RMSE {planted.best_rmse(self.source.data):.4f}")


@dataclass(frozen=True)
class Train:
    """Train a model and write build/<model>/ (settings beside --preset change single values of it)."""

    model: Positional[Model]
    settings: OmitArgPrefixes[Settings]
    source: OmitArgPrefixes[Source] = Source()
    preset: Preset = "quick"
    """Which settings to start from."""
    split: str = "random"
    """random, time, leave-one-out, or u1 to u5 for ml-100k: what is kept for validation and test."""
    test: Path | None = None
    """Ratings to measure on, once at the end, instead of a share of the log."""
    allow_overlap: bool = False
    """Measure on rows of --test that the log has too, which training sees."""
    running: Path | None = None
    """The archive that runs now: half of the rows that are new to it become the test, and both are measured on them."""
    tune: int | None = None
    """Try so many settings on the validation rows first, for the scores and for the lists, and go on with the best."""
    seed: int = 0
    """Makes a run on a CPU repeatable."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks are fitted: auto takes a GPU where there is one."""
    threads: int | None = None
    """Threads on a CPU: 1 if nothing is given, and one a core from half a million ratings on."""
    refit: bool = True
    """Export a fit to every row of the log; --no-refit exports the one that was measured."""
    build: Path = Path("build")
    """Where the model goes."""
    runs: Path = Path("runs")
    """Where TensorBoard logs and loss curves go."""
    force: bool = False
    """Train even if build/<model>/ was made by the same command from the same log."""

    def __post_init__(self) -> None:
        """Raises SettingsError for numbers that cannot be."""
        if not 0 <= self.seed < 2**63:
            raise SettingsError(f"--seed is {self.seed}: give 0 or more, below 2^63")
        for name in ("threads", "tune"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"--{name} is {value}: give 1 or more")

    def run(self) -> None:
        """Train, unless that has been done, and print what was measured.

        Of the processes of ``torchrun`` the first one alone reads files, prints and writes; its options count.
        """
        from . import calls, distributed
        from .device import chosen

        device = chosen(self.device)
        with distributed.processes(device):
            if len(set(distributed.everyones(program()))) > 1:
                raise SettingsError("the processes of torchrun differ in their code or packages: give all the same")
            if not distributed.is_first():
                progress.logger.setLevel(logging.WARNING)
            calls.led(lambda: self._run(device))

    def _run(self, device: torch.device) -> None:
        log, folder = self.source.load(), self.build / self.model
        test = None if self.test is None else read_pairs(self.test, log, self.allow_overlap)
        with opened(self.running) as running:
            wanted = fingerprint(log, self.settings, self.split, self.seed, self.refit, test, running, self.tune)
            others = differing(folder, wanted)
            if others == [] and not self.force:
                print(f"{folder} is up to date: {log.name}, the same options and code (--force trains anyway)")
                return
            if running:
                running.check()
            metrics = self._train(log, test, running, others or [], device)
        numbers = {name: value for name, value in metrics["test"].items() if isinstance(value, float)}
        print(
            f"{self.model}: {metrics['seconds']} s; test "
            + ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())
            + f"; wrote {folder}"
        )
        if "comparison" in metrics:
            from .comparison.compare import summary

            print(summary(metrics["comparison"]))

    def _train(
        self,
        log: RatingsLog,
        test: pd.DataFrame | None,
        running: Running | None,
        others: list[str],
        device: torch.device,
    ) -> dict[str, Any]:
        from .device import threads, use_threads
        from .estimators import ESTIMATORS
        from .train import Run, train

        print(f"{self.model} on {device}", flush=True)
        if others:
            print(f"{self.build / self.model} is trained again; changed: {', '.join(others)}", flush=True)
        use_threads(threads(self.threads, len(log)))
        estimator = ESTIMATORS[self.model](self.settings, seed=self.seed, device=device)
        return train(Run(estimator, self.split, self.refit, self.build, self.runs, running, self.tune), log, test)


def say(line: str) -> None:
    """Print a line, in the first process of ``torchrun`` alone."""
    from . import distributed

    if distributed.is_first():
        print(line, flush=True)


@dataclass(frozen=True)
class Archive:
    """Pack build/<model>/ as model_store/<model>-<version>.mar, checked before it gets there."""

    model: Positional[Model]
    version: str = "1.0"
    """The version that TorchServe will know it by."""
    build: Path = Path("build")
    """Where the model is."""
    store: Path = Path("model_store")
    """Where the archive goes."""
    profile: Profile = "throughput"
    """How it is served: many requests a second, or the shortest answer to one client."""
    format: Format = "torchscript"
    """The network: TorchScript, or programs of torch.export."""

    def run(self) -> None:
        """Pack and check."""

        if self.format == "export":
            from .programs import write_programs

            write_programs(self.build / self.model)
        target = self.store / file_name(self.model, self.version)
        verb = "kept, with the same contents," if target.exists() else "wrote"
        print(f"{verb} {archive(self.model, self.version, self.build, self.store, self.profile, self.format)}")


@dataclass(frozen=True)
class Report:
    """Show a trained model on one HTML page: losses, errors, calibration, a map of the movies, example lists."""

    model: Positional[Model]
    build: Path = Path("build")
    """Where the model is."""
    reports: Path = Path("reports")
    """Where <model>.html goes."""

    def run(self) -> None:
        """Write the page."""
        from .report import write

        print(f"wrote {write(self.model, self.build, self.reports)}")


@dataclass(frozen=True)
class Recommend:
    """Write the lists of all users with ratings to a Parquet file: user_id, rank, movie_id, score.

    What a user has rated is left out. Under torchrun the users are shared out among the processes.
    """

    model: Positional[Model]
    k: int = 100
    """How many movies a list has."""
    build: Path = Path("build")
    """Where the model is."""
    out: Path = Path("lists.parquet")
    """Where the lists go. The same command after one that was killed goes on where that stopped."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where the lists are made: auto takes a GPU where there is one."""
    diversity: float = 0.0
    """How much a list avoids similar movies, from 0 to 1."""
    popularity_damping: float = 0.0
    """How much less popular movies count, from 0 to 1."""

    def run(self) -> None:
        """Make the lists."""
        from . import distributed
        from .device import chosen
        from .recommend import recommend

        device = chosen(self.device)
        with distributed.processes(device):
            made = recommend(self.model, self.build, self.k, self.out, device, self.diversity, self.popularity_damping)
            say(f"wrote {self.out}" if made else f"{self.out} is up to date: the same model, options and code")


@dataclass(frozen=True)
class Choice:
    """What the defaults of ``train`` depend on."""

    model: Positional[Model] = "mf"
    preset: Preset = "quick"
    target: Target | None = None


COMMANDS = {"data": Data, "train": Train, "archive": Archive, "report": Report, "recommend": Recommend}


def parse(arguments: list[str]) -> Data | Train | Archive | Report | Recommend:
    """The command that the arguments ask for, the settings of ``train`` starting from its preset."""
    if arguments[:1] == ["train"]:
        beside_help = [word for word in arguments[1:] if word not in ("-h", "--help")]
        choice, _ = tyro.cli(Choice, args=beside_help, return_unknown_args=True)
        settings = preset(choice.preset, choice.model, choice.target)
        start = Train(model=tyro.MISSING, settings=settings, preset=choice.preset)
        return tyro.cli(Train, prog="python -m training train", args=arguments[1:], default=start)
    return tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="python -m training", args=arguments)


def main(arguments: list[str]) -> None:
    """Run one command; an error that the user can mend is one line, and exit code 1."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    progress.logger.setLevel(logging.INFO)
    # TorchScript says at every script, save and load that torch.export is its successor; docs/torchserve.md says more.
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*torch.jit.*")
    try:
        with logging_redirect_tqdm():
            parse(arguments).run()
    except (UserError, ArchiveRefused, CannotAnswer) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
