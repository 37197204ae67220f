"""Models of the three examples, trained as their pages say, with settings that take a few seconds."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from examples import music, news, planted, shop
from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from tools.pages import PAGES, steps
from training.__main__ import parse

SMALL = {
    "--regularizations": "0.03",
    "--als-sweeps": "5",
    "--weight-powers": "0.5",
    "--list-weight-powers": "0.5",
    "--list-ridges": "1000",
    "--list-dampings": "0.2",
    "--list-strengths": "1",
    "--list-half-lives": "0",
    "--list-factors": "32",
}


class Example:
    """An archive's own code, which answers."""

    def __init__(self, service: Service):
        self.service = service

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        (answer,) = self.service.answer([json.dumps(body).encode()])
        assert answer.code == 200, answer.body
        return json.loads(answer.body)

    def shares(self, bodies: list[dict[str, Any]], column: str, liked: list[set[str]]) -> float:
        """Which part of the entries of lists have a value of a column that is liked, of those of each list."""
        lists = [self.ask(body)["recommendations"] for body in bodies]
        found = [entry["attributes"][column] in good for entries, good in zip(lists, liked) for entry in entries]
        return sum(found) / len(found)


def trained(name: str, folder: Path, more: dict[str, str], tables: dict[str, pd.DataFrame]) -> Example:
    """The example ``name`` from these tables, with the options of its page and small settings, or ``more``."""
    planted.write(folder / "data" / name, **tables)
    (command,) = [step.commands for step in steps(PAGES / f"{name}.md") if step.commands.startswith("make train")]
    given = dict(word.split("=", 1) for word in shlex.split(command.replace("\\\n", "")) if re.match("[A-Z]+=", word))
    options = f"--data {given['DATA']} {given['ARGS']}".replace(" data/", f" {folder}/data/")
    places = ["--build", str(folder / "build"), "--runs", str(folder / "runs")]
    small = [word for option in (SMALL | more).items() for word in option]
    parse(["train", given["MODEL"], *options.split(), *small, *places]).run()
    return Example(load_service(folder / "build" / given["MODEL"], Limits()))


@pytest.fixture(scope="session")
def of_shop(tmp_path_factory: pytest.TempPathFactory) -> Example:
    made = shop.generate()
    tables = {"purchases": made.purchases, "customers": made.customers, "products": made.products}
    return trained("shop", tmp_path_factory.mktemp("shop"), {"--list-strengths": "100"}, tables)


@pytest.fixture(scope="session")
def of_music(tmp_path_factory: pytest.TempPathFactory) -> Example:
    made = music.generate()
    return trained("music", tmp_path_factory.mktemp("music"), {}, {"plays": made.plays, "tracks": made.tracks})


@pytest.fixture(scope="session")
def of_news(tmp_path_factory: pytest.TempPathFactory) -> Example:
    made = news.known_at(news.HOURS)
    tables = {"clicks": made.clicks, "stories": made.stories}
    small = {"--list-half-lives": "0.06", "--list-weight-powers": "0", "--list-feature-weights": "2"}
    return trained("news", tmp_path_factory.mktemp("news"), small, tables)
