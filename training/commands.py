"""The commands that are short: data, archive, report, recommend."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from archives.contents import Format, file_name
from archives.pack import Profile, archive

from .config import MODELS
from .data import planted
from .source import USUAL, Source

Model = Literal[MODELS]


@dataclass(frozen=True)
class Data:
    """Fetch and check a data set, and say what is in it."""

    source: OmitArgPrefixes[Source] = USUAL

    def run(self) -> None:
        """Print a summary."""
        log = self.source.load()
        kind = f"ratings from {log.scale[0]:g} to {log.scale[1]:g}" if log.has_ratings else "pairs without a rating"
        print(
            f"{log.name}: {len(log):,} {kind} of {log.ratings['user_id'].nunique():,} users "
            f"and {log.ratings['movie_id'].nunique():,} {log.words.many}; sha256 {log.sha256}"
        )
        if log.earlier is not None:
            print(f"{len(log.earlier):,} further rows repeat a pair")
        if log.events:
            print(f"{log.events.count:,} events are among them, the last one with the id {log.events.last_id}")
        if self.source.data in planted.NAMES:
            print(f"the best possible prediction has RMSE {planted.best_rmse(self.source.data):.4f}")


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
    """Write the lists of all users with ratings to a Parquet file: user_id, rank, movie_id (or item_id), score.

    What a user has rated is left out. Under torchrun the users are shared out among the processes.
    """

    model: Positional[Model]
    k: int = 100
    """How many movies a list has."""
    build: Path = Path("build")
    """Where the model is."""
    archive: Path | None = None
    """In place of --build, an archive: model_store/fm.mar is the version that answers."""
    out: Path = Path("lists.parquet")
    """Where the lists go. The same command after one that was killed goes on where that stopped."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where the lists are made: auto takes a GPU where there is one."""
    diversity: float = 0.0
    """How much a list avoids similar movies, from 0 to 1."""
    popularity_damping: float = 0.0
    """How much less popular movies count, from 0 to 1."""
    where: str = ""
    """Conditions that all movies of the lists meet, as in a request: '{"category": ["Bikes"], "price": {"max": 5}}'."""
    explore: float = 0.0
    """The share of places that go to exploration, from 0 to 1; a column explored then says which they are."""
    seed: int = 0
    """What fixes the draws of --explore, as in a request: another one each night tries other movies."""

    def run(self) -> None:
        """Make the lists."""
        from . import distributed
        from .device import chosen
        from .recommend import recommend, unpacked

        device = chosen(self.device)
        source = nullcontext(self.build) if self.archive is None else unpacked(self.archive, self.model)
        with distributed.processes(device), source as build:
            beyond = self.diversity, self.popularity_damping, self.where, self.explore, self.seed
            made = recommend(self.model, build, self.k, self.out, device, *beyond)
            if distributed.is_first():
                print(f"wrote {self.out}" if made else f"{self.out} is up to date: the same model, options and code")
