"""TorchServe's configuration files, and the models that they name."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config.properties"


def properties(*paths: Path) -> dict[str, str]:
    """The settings in TorchServe configuration files; a later file's win."""
    lines = (line.strip() for path in paths for line in path.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def loaded_models(settings: dict[str, str]) -> dict[str, str]:
    """The archive's file name of each model in ``load_models``, which is ``model=file`` or ``file``, with commas."""
    names = [pair.strip() for pair in settings.get("load_models", "").split(",") if pair.strip()]
    return {name.split("=")[0].removesuffix(".mar"): name.split("=")[-1] for name in names}


MODELS = tuple(loaded_models(properties(CONFIG)))
