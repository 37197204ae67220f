"""Each model's movies, fetched once for each archive and kept."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from .problems import Problem
from .schema import Card
from .search import Index
from .torchserve import TorchServe

PAGE = 1000  # movies a request; a lower max_k of the archive makes the pages shorter


@dataclass(frozen=True)
class Catalogue:
    """The movies of one archive: for the page as JSON, for the search box as an index."""

    body: bytes
    etag: str
    index: Index


@dataclass
class Catalogues:
    """The catalogues and cards of all models; a card older than ``fresh`` seconds is asked for again."""

    torchserve: TorchServe
    fresh: float
    _cards: dict[str, tuple[float, Card]] = field(default_factory=dict)
    _kept: dict[str, tuple[str, Catalogue]] = field(default_factory=dict)

    async def card(self, model: str) -> Card:
        """The model's card."""
        asked, card = self._cards.get(model, (0.0, None))
        if card is None or time.monotonic() - asked > self.fresh:
            card = await self.torchserve.card(model)
            self._cards[model] = time.monotonic(), card
        return card

    async def any_card(self, first: str = "") -> Card:
        """A card, however old: for what is true of all models of a log. That of the model ``first``, where it is known.

        Raises a Problem if none is.
        """
        if first in self._cards:
            return self._cards[first][1]
        for _, card in self._cards.values():
            return card
        for model in self.torchserve.models:
            try:
                return await self.card(model)
            except Problem as problem:
                last = problem
        raise last

    async def of(self, model: str) -> Catalogue:
        """The model's movies. While TorchServe is away, the ones known from before."""
        known = self._kept.get(model)
        try:
            card = await self.card(model)
            archive = card.sha256 or card.version
            if known is None or known[0] != archive:
                known = self._kept[model] = archive, _made(await self._fetched(model), card.words["one"])
        except Problem:
            if known is None:
                raise
        return known[1]

    async def _fetched(self, model: str) -> list[dict[str, Any]]:
        movies: list[dict[str, Any]] = []
        while True:
            ask = {"catalogue": True, "offset": len(movies), "k": PAGE}
            answer = (await self.torchserve.ask(model, json.dumps(ask).encode())).json()
            movies += answer["catalogue"]
            if len(movies) >= answer["total"] or not answer["catalogue"]:
                return movies


def _made(movies: list[dict[str, Any]], noun: str) -> Catalogue:
    body = json.dumps({"movies": movies}, ensure_ascii=False, separators=(",", ":")).encode()
    return Catalogue(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', Index(movies, noun))
