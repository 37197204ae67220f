"""The answers of the examples are today's: of the README, and of an FM that is trained anew."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from handlers.recommender.loading import load_service
from tools.examples import answered, examples
from training.__main__ import main

ROOT = Path(__file__).parents[2]


def flat(value: Any, where: str = "") -> dict[str, Any]:
    """Every text and number of a JSON value, by where it stands."""
    if not isinstance(value, dict | list):
        return {where: value}
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return {place: one for key, each in inner for place, one in flat(each, f"{where}.{key}").items()}


def test_the_readme_shows_the_same_answer() -> None:
    shown = re.search(r"^```console\n\$ curl .*'(\{.*?\})'\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    one = examples()["recommend"]
    assert json.loads(shown[1]) == one.request
    assert json.loads(shown[2]) == one.answer


@pytest.mark.slow
def test_a_model_that_is_trained_today_gives_these_answers(tmp_path: Path) -> None:
    """Another processor may round otherwise, so numbers need only be near."""
    data = ["--data", "ml-100k", "--build", str(tmp_path / "build"), "--runs", str(tmp_path / "runs")]
    main(["train", "fm", *data])
    found = flat(answered(load_service(tmp_path / "build/fm")))
    expected = flat({name: one.answer for name, one in examples().items()})
    assert found.keys() == expected.keys()
    for place, value in expected.items():
        assert found[place] == (pytest.approx(value, abs=5e-3) if isinstance(value, float) else value), place
