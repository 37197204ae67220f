"""What the server has answered, and how much of it failed: from its Prometheus metrics, which both hosts have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import requests
from prometheus_client.parser import text_string_to_metric_families

from serving.server import Server

LEAST_FAILED = 5  # fewer failures may be one bad moment


class Count(NamedTuple):
    """Answers, and how many of them were failures of ours (5XX)."""

    failed: float = 0.0
    all: float = 0.0

    @property
    def ratio(self) -> float:
        """The share of failures; 0 where nothing was answered."""
        return self.failed / self.all if self.all else 0.0


class Traffic(NamedTuple):
    """Since the server's start. ``handler``: of one version. ``server``: of all, with those whose worker died."""

    handler: Count = Count()
    server: Count = Count()


def read(server: Server, model: str, version: str) -> Traffic:
    """The counts now. Raises requests' exceptions where the metrics address does not answer."""
    response = requests.get(f"{server.settings['metrics_address']}/metrics", timeout=10)
    response.raise_for_status()
    return parse(response.text, model, version)


def parse(text: str, model: str, version: str) -> Traffic:
    """The counts in metrics in Prometheus' text format."""
    failed = asked = server_failed = server_all = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            of_version = (sample.labels.get("ModelName"), sample.labels.get("ModelVersion")) == (model, version)
            if family.name == "RecommenderRequests" and of_version:
                asked += sample.value
            elif family.name == "RecommenderErrors" and of_version and sample.labels["Code"].startswith("5"):
                failed += sample.value
            elif family.name in ("Requests2XX", "Requests4XX", "Requests5XX"):
                server_all += sample.value
                server_failed += sample.value if family.name == "Requests5XX" else 0
    return Traffic(Count(failed, asked), Count(server_failed, server_all))


def since(last: Traffic, now: Traffic) -> Traffic:
    """What was answered between two readings. A count that fell began again at zero: the server was restarted."""
    return Traffic(*(_grown(a, b) for a, b in zip(last, now, strict=True)))


def plus(one: Traffic, other: Traffic) -> Traffic:
    """The sum of two counts."""
    return Traffic(*(Count(a.failed + b.failed, a.all + b.all) for a, b in zip(one, other, strict=True)))


def _grown(last: Count, now: Count) -> Count:
    return Count(now.failed - last.failed, now.all - last.all) if now.all >= last.all else now


def harm(before: Traffic, new: Traffic, more: float) -> Iterator[str]:
    """Why the new version does harm: a share of failures above that of the version before and ``more`` together."""
    for name, a, b in zip(("its handler's answers", "the server's answers"), before, new, strict=True):
        if b.failed >= LEAST_FAILED and b.ratio > a.ratio + more:
            yield f"{b.failed:,.0f} of {b.all:,.0f} of {name} failed ({b.ratio:.2%}; before the rollout {a.ratio:.2%})"
