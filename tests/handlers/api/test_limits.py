"""The limits of an archive."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from handlers.recommender.api.limits import Limits

CONFIG = Path(__file__).resolve().parents[3] / "handlers" / "model-config.yaml"


def test_an_archive_is_packed_with_the_default_limits() -> None:
    settings = yaml.safe_load(CONFIG.read_text())["handler"]
    defaults = msgspec.to_builtins(Limits())
    assert {name: settings.get(name) for name in defaults} == defaults
