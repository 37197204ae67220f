"""Clients that ask a server all the time, and remember what each answer was, from when to when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import requests

from client.recommender_client import Recommender, RecommenderError


class Answered(NamedTuple):
    """One request: when it was sent, when it was answered, the status (or the exception's name) and the version."""

    start: float
    end: float
    status: int | str
    version: str | None


class Clients:
    """``count`` threads with a connection each, which ask again ``pause`` seconds after an answer."""

    def __init__(
        self,
        address: str,
        model: str,
        body: dict[str, Any],
        count: int,
        pause: float = 0,
    ) -> None:
        self.server, self.model = address, model
        self.address = f"{address}/predictions/{model}"
        self.body = body
        self.answers: list[Answered] = []
        self._pause = pause
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]

    @contextmanager
    def asking(self) -> Iterator[Clients]:
        """Asks while the block runs."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join(timeout=60)

    def slow(self, instances: int = 1000) -> threading.Thread:
        """One request for many answers, on its way when this returns."""
        many = {"instances": [self.body] * instances}
        with requests.Session() as session:
            thread = threading.Thread(target=self._one, args=(session, many))
            thread.start()
        time.sleep(0.05)
        return thread

    def seconds(self, since: float = 0) -> list[float]:
        """How long each answer to a request that was sent ``since`` then took, the slowest last."""
        return sorted(one.end - one.start for one in self.answers if one.start >= since)

    def since_quiet(self, seconds: float, slowest: float = 0.3, tries: int = 5) -> float:
        """Since when the machine has let these clients be answered within ``slowest``, for ``seconds`` by now.

        Skips the test where it does not: what is slow then is not the server's management API.
        """
        for _ in range(tries):
            start = time.monotonic()
            time.sleep(seconds)
            found = self.seconds(start)
            if found and found[-1] <= slowest:
                return start
        pytest.skip(f"the machine is too busy to be timed: {found[-1:]} s for an answer while nothing else was asked")

    def failed(self) -> list[Answered]:
        """The requests that no client would call answered."""
        return [one for one in self.answers if one.status != 200]

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self._ended.is_set():
                self._one(session, self.body)
                self._ended.wait(self._pause)

    def _one(self, session: requests.Session, body: dict[str, Any]) -> None:
        start = time.monotonic()
        try:
            response = session.post(self.address, json=body, timeout=60)
            outcome = (response.status_code, response.headers.get("X-Model-Version"))
        except requests.RequestException as error:
            outcome = (type(error).__name__, None)
            time.sleep(0.05)
        self.answers.append(Answered(start, time.monotonic(), *outcome))


class ClientsThatAskAgain(Clients):
    """Threads with the project's client, which sends a request again that met a dying worker."""

    def _ask(self) -> None:
        with Recommender(self.server, self.model, timeout=60, retries=8) as client:
            while not self._ended.is_set():
                start = time.monotonic()
                try:
                    client.ask(self.body)
                    status: int | str = 200
                except (RecommenderError, requests.RequestException) as error:
                    status = type(error).__name__
                self.answers.append(Answered(start, time.monotonic(), status, None))
                self._ended.wait(self._pause)
