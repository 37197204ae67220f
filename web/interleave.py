"""The lists of two versions merged into one, so that one user compares them: team-draft interleaving.

Radlinski, Kurup and Joachims, "How Does Clickthrough Data Reflect Retrieval Quality?", CIKM 2008, algorithm 2. Both
versions are at each position equally often, so who clicks at random prefers neither.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from typing import Any

from feedback.experiments import TEAM_A, TEAM_B

from .schema import id_of
from .torchserve import Answer

FIELD = "recommendations"


def team_draft(a: Sequence[Any], b: Sequence[Any], draw: random.Random) -> tuple[list[Any], str]:
    """Merge two rankings, the best first, into one as long as the longer of them; and the team of each position.

    In turn each team adds its best item that is not there yet. The team with fewer items goes next; where both have as
    many, a coin decides.
    """
    best = {TEAM_A: iter(a), TEAM_B: iter(b)}
    merged: list[Any] = []
    teams, there = "", set()
    while len(merged) < max(len(a), len(b)):
        ahead = teams.count(TEAM_A) - teams.count(TEAM_B)
        first = TEAM_B if ahead > 0 else TEAM_A if ahead < 0 else draw.choice((TEAM_A, TEAM_B))
        for team in (first, TEAM_A if first == TEAM_B else TEAM_B):  # the other one where the first has nothing left
            item = next((item for item in best[team] if item not in there), None)
            if item is not None:
                merged.append(item)
                there.add(item)
                teams += team
                break
    return merged, teams


def interleaved(a: Answer, b: Answer, draw: random.Random) -> Answer:
    """The answer of A with its list merged with that of B."""
    body, lists = a.json(), [answer.json()[FIELD] for answer in (a, b)]
    entries = [{id_of(entry): entry for entry in entries} for entries in lists]
    merged, teams = team_draft(list(entries[0]), list(entries[1]), draw)
    body[FIELD] = [entries[team == TEAM_B][movie] for movie, team in zip(merged, teams, strict=True)]
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    seconds = max(a.seconds, b.seconds)
    return dataclasses.replace(a, body=text, version=f"{a.version}+{b.version}", seconds=seconds, teams=teams)
