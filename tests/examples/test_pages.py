"""The pages of docs/examples: their questions have the answers that they show; servers are in tests/web."""

from __future__ import annotations

import json
import re

import pytest

from tests.examples.conftest import Example
from tools.pages import PAGES, steps

NAMES = sorted(page.stem for page in PAGES.glob("*.md"))
QUESTION = re.compile(r"--json '(\{[^']*\})'\s+(?:\\\n\s*)?localhost:8080/predictions")


@pytest.mark.parametrize("name", NAMES)
def test_answers_have_the_form_that_the_page_shows(name: str, request: pytest.FixtureRequest) -> None:
    example: Example = request.getfixturevalue(f"of_{name}")
    asked = [(json.loads(found[1]), step) for step in steps(PAGES / f"{name}.md")
             if (found := QUESTION.search(step.commands))]  # fmt: skip
    assert len(asked) >= 4
    for question, step in asked:
        assert step.agrees(json.dumps(example.ask(question))), step.commands


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_less_than_twenty_commands(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    commands = sum(len(step.commands.replace("\\\n", "").strip().splitlines()) for step in steps(PAGES / f"{name}.md"))
    said = int(re.search(r"\b(\d+) commands", text)[1])
    assert commands == said < 20
