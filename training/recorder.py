"""TensorBoard logs and a picture of the losses of a training, under ``runs/``."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from .config import Settings


class Recorder:
    """Writes one run's losses to ``folder/<time>/`` as they come."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        # Imported here: TensorBoard takes a second to import, and only training needs it.
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder / time.strftime("%Y%m%d-%H%M%S")
        self.losses: dict[str, list[float]] = {"train": [], "validation": []}
        self.writer = SummaryWriter(str(self.folder))
        self.writer.add_text("settings", json.dumps(dataclasses.asdict(settings), indent=2))

    def epoch(self, epoch: int, train: float, validation: float | None) -> None:
        """Record one epoch's losses."""
        for name, value in (("train", train), ("validation", validation)):
            if value is not None:
                self.losses[name].append(value)
                self.writer.add_scalar(f"loss/{name}", value, epoch)

    def finish(self, metrics: dict[str, Any]) -> None:
        """Record the metrics and draw ``loss.png``."""
        for part in ("validation", "test"):
            for name, value in metrics[part].items():
                if isinstance(value, float):
                    self.writer.add_scalar(f"{part}/{name.replace('@', '_at_')}", value)
        self.writer.close()
        self._draw()

    def _draw(self) -> None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for name, values in self.losses.items():
            if values:
                axes.plot(range(1, len(values) + 1), values, label=name, marker=".")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()
        figure.savefig(self.folder / "loss.png", dpi=120)
