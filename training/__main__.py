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

from archives.errors import ArchiveRefused, CannotAnswer

from . import packed_as, progress
from .commands import Archive, Data, Model, Recommend, Report
from .comparison.running import Running, opened
from .config import Settings, Target, preset
from .data import RatingsLog, read_pairs
from .errors import SettingsError, UserError
from .fingerprint import IN_WORDS, differing, fingerprint, program
from .source import USUAL, Source

if TYPE_CHECKING:
    import torch  # slow to import, and most commands need none of it

Preset = Literal["quick", "best"]


@dataclass(frozen=True)
class Train:
    """Train a model and write build/<model>/ (settings beside --preset change single values of it)."""

    model: Positional[Model]
    settings: OmitArgPrefixes[Settings]
    source: OmitArgPrefixes[Source] = USUAL
    preset: Preset = "quick"
    """Which settings to start from."""
    split: str = "random"
    """random, time, leave-one-out, or u1 to u5 for ml-100k: what is kept for validation and test. time:0.02 (or
    random:0.02) keeps 2 % of the rows for the test and 1 % for validation; without a number it is 20 % and 10 %."""
    test: Path | None = None
    """Ratings to measure on, once at the end, instead of a share of the log."""
    allow_overlap: bool = False
    """Measure on rows of --test that the log has too, which training sees."""
    running: Path | None = None
    """The archive that runs now: half of the rows that are new to it become the test, and both are measured on them."""
    packed_as: Path | None = None
    """The archive that the model goes to (make train archive): if it is of another training already, none begins."""
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
            if self.packed_as:
                packed_as.check(self.packed_as, log, self.settings, self.seed, self.refit, tuned=self.tune is not None)
            if running:
                running.check_log(log)
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
            changed = ", ".join(IN_WORDS.get(name, name) for name in others)
            print(f"{self.build / self.model} is trained again; changed: {changed}", flush=True)
        use_threads(threads(self.threads, len(log)))
        estimator = ESTIMATORS[self.model](self.settings, seed=self.seed, device=device)
        return train(Run(estimator, self.split, self.refit, self.build, self.runs, running, self.tune), log, test)


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
