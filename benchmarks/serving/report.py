"""The committed results as tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.tables import markdown, publish

RESULTS = Path(__file__).with_name("results.json")
SOAK = Path(__file__).with_name("soak.json")
SETTINGS = Path(__file__).with_name("settings.json")
HOSTS = Path(__file__).with_name("hosts.json")
IN_SHORT = (
    "TorchServe as it comes",
    "ours, `throughput`",
    "ours, `latency`",
    "ours, without TorchServe",
    "FastAPI, 2 workers",
    "Mosec, batch 64, wait 2 ms",
)


def load() -> dict[str, Any]:
    """The committed results."""
    others = {"soak": SOAK, "settings": SETTINGS, "hosts": HOSTS}
    return json.loads(RESULTS.read_text()) | {name: json.loads(path.read_text()) for name, path in others.items()}


def pairs(results: dict[str, Any]) -> str:
    """Requests a second of single pairs, by server and clients."""
    return _rates(results["pairs"], list(next(iter(results["pairs"].values()))))


def speed(results: dict[str, Any]) -> str:
    """The rows and columns of ``pairs`` that the README shows."""
    return _rates({name: results["pairs"][name] for name in IN_SHORT}, ["1", "64", "256"])


def _rates(servers: dict[str, Any], clients: list[str]) -> str:
    rows = [["single pairs, requests a second", *(f"{n} client{'s' * (n != '1')}" for n in clients)]]
    for name, measured in servers.items():
        rows.append([name, *(f"{measured[n]['requests_per_second']:,.0f}" for n in clients)])
    return markdown(rows)


def latencies(results: dict[str, Any]) -> str:
    """p50 and p99 in milliseconds, by server and clients."""
    clients = list(next(iter(results["pairs"].values())))
    rows = [["p50 / p99, ms", *(f"{n} client{'s' * (n != '1')}" for n in clients)]]
    for name, by in results["pairs"].items():
        rows.append([name, *(f"{by[n]['p50_ms']:.1f} / {by[n]['p99_ms']:.1f}" for n in clients)])
    return markdown(rows)


def lists(results: dict[str, Any]) -> str:
    """Lists and many pairs a request, by model."""
    rows = [["", "top 10, 64 clients: requests a second", "p50, ms", "1,000 pairs a request: pairs a second"]]
    for model, found in results["lists"].items():
        many = 1000 * results["instances"][model]["requests_per_second"]
        rows.append([model, f"{found['requests_per_second']:,.0f}", f"{found['p50_ms']:.1f}", f"{many:,.0f}"])
    return markdown(rows)


def catalogue(results: dict[str, Any]) -> str:
    """A list out of a million movies, beside what it is compared to."""
    rows = [["top 10 of 1,000,000, one thread", "ours, ms", "compared to", "ms", "ratio"]]
    for model, found in results["catalogue"].items():
        if isinstance(found, dict):
            (other,) = found.keys() - {"ours", "ratio"}
            rows.append([model, f"{found['ours']:.0f}", other, f"{found[other]:.0f}", f"{found['ratio']:.2f}"])
    return markdown(rows)


def summary(results: dict[str, Any]) -> str:
    """Three sentences about ``pairs``: our rate at 64 clients, relative to the others."""
    at_64 = {name: by["64"]["requests_per_second"] for name, by in results["pairs"].items()}
    ratio = {name: at_64["ours, `throughput`"] / found for name, found in at_64.items()}
    fastapi, mosec = "FastAPI, 2 workers", "Mosec, batch 64, wait 2 ms"
    said = (
        f"At 64 clients, ours answers {ratio['TorchServe as it comes']:.0f} times as many requests as TorchServe as it "
        f"comes,\n{ratio[fastapi]:.1f} times as many as FastAPI, {ratio[mosec]:.2f} times as many as Mosec, "
        f"and {100 * ratio['a no-op handler behind `throughput`']:.0f} % of what a no-op handler answers.\n"
    )
    same, own = ", our encodings and kernel", "ours, without TorchServe"
    return said + (
        f"If all servers use our encodings and kernel, ours answers {ratio[fastapi + same]:.1f} times as many as "
        f"FastAPI\nand {ratio[mosec + same]:.2f} times as many as Mosec. Our own server, without TorchServe, answers "
        f"{at_64[own] / at_64[mosec + same]:.2f}\ntimes as many as that Mosec.\n"
    )


def workers(results: dict[str, Any]) -> str:
    """What a worker costs."""
    (ready, memory), (noop_ready, noop_memory) = (results["workers"][name].values() for name in ("ours", "no-op"))
    return (
        f"A worker is ready {ready:.1f} s after its registration ({noop_ready:.1f} s with a handler that does nothing)"
        f", and has {memory:.0f} MB\nof its own after a load ({noop_memory:.0f} MB).\n"
    )


def soak(results: dict[str, Any]) -> str:
    """Minutes of mixed requests by host: what was answered, and resident memory at three moments."""
    hosts = results["soak"]
    names = {"torchserve": "TorchServe", "asgi": "our server"}

    def row(said: str, value: Callable[[dict[str, Any]], str]) -> list[str]:
        return [said, *(value(found) for found in hosts.values())]

    def memory(name: str) -> Callable[[dict[str, Any]], str]:
        def three(found: dict[str, Any]) -> str:
            by_minute = found[f"{name}, MB"]
            return " / ".join(str(by_minute[minute]) for minute in (0, len(by_minute) // 2, -1))

        return three

    return markdown(
        [
            ["", *(names[host] for host in hosts)],
            row("minutes, clients, model", lambda one: f"{one['minutes']:g}, {one['clients']}, {one['model']}"),
            row("date", lambda one: one["date"]),
            row("requests answered", lambda one: f"{one['requests']:,}"),
            row("of those refused, as they should be (400)", lambda one: f"{one['refused']:,}"),
            row("answered by 500 or above, or not at all", lambda one: f"{one['failed'] + one['unanswered']:,}"),
            row("sampled, each equal to the answer given alone", lambda one: f"{one['sampled']:,}"),
            row("memory of the worker, first minute / half-way / last, MB", memory("worker")),
            row("memory of the JVM or the supervisor, MB", memory("server")),
        ]
    )


def settings(results: dict[str, Any]) -> str:
    """Single pairs under our settings, and with one thing changed: requests a second, and the share of ours."""
    found = results["settings"]["settings"]
    clients = list(next(iter(found.values())))
    ours = {n: found["as they are"][n]["requests_per_second"] for n in clients}
    rows = [["our settings, one thing changed", *(f"{n} clients" for n in clients)]]
    for name, by in found.items():
        rates = {n: by[n]["requests_per_second"] for n in clients}
        rows.append([name, *(f"{rates[n]:,.0f} ({rates[n] / ours[n]:.2f})" for n in clients)])
    return markdown(rows)


def hosts(results: dict[str, Any]) -> str:
    """Single pairs by server: rate and CPU time of a request at 64 clients, latency of one client, memory, start."""
    head = ["", "64 clients: requests a second", "CPU, µs a request", "p50 / p99, ms", "1 client: p50, ms"]
    rows = [[*head, "memory of its own, MB", "ready, s"]]
    for name, found in results["hosts"]["hosts"].items():
        many, one = found["clients"]["64"], found["clients"]["1"]
        rows.append(
            [
                name,
                f"{many['requests_per_second']:,.0f}",
                f"{many['cpu_us']:.0f}",
                f"{many['p50_ms']:.1f} / {many['p99_ms']:.0f}",
                f"{one['p50_ms']:.2f}",
                f"{found['unshared_mb']:.0f}",
                f"{found['ready_s']:.0f}",
            ]
        )
    return markdown(rows)


ON_THE_PAGE = (pairs, summary, latencies, lists, catalogue, workers, settings, hosts, soak)
IN_THE_README = (speed,)


def write() -> None:
    """Write the tables into docs/benchmarks.md and README.md."""
    publish(load(), ON_THE_PAGE, IN_THE_README)


if __name__ == "__main__":
    write()
