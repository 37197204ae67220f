"""What Prometheus may know of the gateway; on a port of its own, because browsers reach the page's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, start_http_server


class Metrics:
    """The counters of one gateway."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = CollectorRegistry()

        def counter(name: str, meaning: str) -> Counter:
            return Counter(name, meaning, registry=self.registry)

        self.events_stored = counter("gateway_events_stored", "Events that were stored.")
        self.events_repeated = counter("gateway_events_repeated", "Events that were in the store already.")
        self.feedback_failed = counter("gateway_feedback_failed", "Requests with events that met a store that is down.")
        self.impressions_dropped = counter("gateway_impressions_dropped", "Lists whose impression was not stored.")
        self.experiment_missed = counter(
            "gateway_experiment_missed", "Requests whose version of an experiment the server does not have."
        )

    @contextmanager
    def served(self, port: int) -> Iterator[None]:
        """Show them at ``port`` of every interface, to whoever asks; nowhere where ``port`` is 0."""
        if not port:
            yield
            return
        server, thread = start_http_server(port, registry=self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
