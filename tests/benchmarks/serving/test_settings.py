"""The benchmark of the settings: each variant changes a setting that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from archives.contents import CONFIG as CONFIG_FILE
from benchmarks.serving import servers
from benchmarks.serving.settings import VARIANTS
from serving.config import CONFIG, properties


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_settings_that_are_there(name: str, store: Path) -> None:
    variant, mar = VARIANTS[name], store / "fm-1.0.mar"
    ours = properties(CONFIG)
    assert all(ours[key] != value for key, value in variant.server.items())
    packed = yaml.safe_load(servers.file_in(mar, CONFIG_FILE))
    changed = yaml.safe_load(servers.configured(mar, variant.archive)[CONFIG_FILE])
    assert changed.keys() == packed.keys()
    assert changed["handler"].keys() == packed["handler"].keys()
    assert {key for key in packed if packed[key] != changed[key]} == variant.archive.keys()
    assert bool(variant.server or variant.archive) == (name != "as they are")
