"""The benchmark of the settings: each variant changes what is served, and says so where it could not."""

from __future__ import annotations

import pytest
import yaml

from benchmarks.serving.settings import HANDLER, VARIANTS, YAML, Variant, changed
from serving.server import CONFIG, ROOT, properties


def served(name: str) -> str:
    return (ROOT / "handlers" / name).read_text()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_what_is_served(name: str) -> None:
    variant = VARIANTS[name]
    files = changed(variant, served)
    assert all(properties(CONFIG).get(key) != value for key, value in variant.changed.items())
    assert files.keys() == variant.replaced.keys()
    if HANDLER in files:
        compile(files[HANDLER], HANDLER, "exec")
        assert files[HANDLER] != served(HANDLER)
    if YAML in files:
        assert yaml.safe_load(files[YAML]) != yaml.safe_load(served(YAML))
    assert bool(variant.changed or files) == (name != "as they are")


def test_a_piece_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="no 'minWorkers: 7'"):
        changed(Variant(replaced={YAML: ("minWorkers: 7", "minWorkers: 8")}), served)
