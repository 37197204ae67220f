"""The settings of the gateway."""

from __future__ import annotations

from web.settings import Settings


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment({"TORCHSERVE_URL": "http://ts:8080", "MODELS": "fm, mf", "MAX_BODY": "100"})
    assert settings == Settings(torchserve_url="http://ts:8080", models=("fm", "mf"), max_body=100)
