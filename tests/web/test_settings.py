"""The settings of the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from web.settings import Settings, loaded_models


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment({"TORCHSERVE_URL": "http://ts:8080", "MODELS": "fm, mf", "MAX_BODY": "100"})
    assert settings == Settings(torchserve_url="http://ts:8080", models=("fm", "mf"), max_body=100)


@pytest.mark.parametrize("line", ["load_models=mf=mf.mar,fm=fm.mar", "load_models = mf.mar, fm=fm-1.0.mar"])
def test_the_models_are_those_that_torchserve_loads(line: str, tmp_path: Path) -> None:
    (tmp_path / "config.properties").write_text(f"inference_address=x\n{line}\n")
    assert loaded_models(tmp_path / "config.properties") == ("mf", "fm")


@pytest.mark.parametrize("text", ["", "load_models=\n", "inference_address=x\n"])
def test_a_configuration_without_models_is_an_error_that_says_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.properties").write_text(text)
    with pytest.raises(ValueError, match="names no models"):
        loaded_models(tmp_path / "config.properties")
