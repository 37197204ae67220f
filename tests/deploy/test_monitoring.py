"""Prometheus on a running server: the rules, and every query of the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import requests
import tenacity
import yaml

from autopilot.alert import Alert
from autopilot.state import State
from handlers.recommender.api.metrics import METRICS
from serving.config import ROOT
from serving.ports import free_ports
from serving.server import Server
from tests.conftest import Client
from web.metrics import Metrics

DEPLOY = ROOT / "deploy"
RULES, RULES_TEST = DEPLOY / "prometheus/rules.yml", DEPLOY / "prometheus/rules_test.yml"
OPERATIONS = ROOT / "docs/operations.md"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/recommender.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

needs_prometheus = pytest.mark.skipif(not shutil.which("promtool"), reason="needs prometheus and promtool")


@needs_prometheus
@pytest.mark.parametrize(
    "arguments", ["check config prometheus.yml", "check rules rules.yml", "test rules rules_test.yml"]
)
def test_promtool_is_content(arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments.split()], cwd=DEPLOY / "prometheus", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_in_the_operations_page() -> None:
    page = OPERATIONS.read_text()
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    for alert in (rule["alert"] for rule in rules if "alert" in rule):
        assert f"`{alert}`" in page


@pytest.mark.parametrize("text", [" ".join(QUERIES), RULES.read_text(), RULES_TEST.read_text()])
def test_only_metrics_that_the_handler_declares_are_named(text: str) -> None:
    named = set(re.findall(r"\bRecommender[A-Z]\w+\b", text))
    assert named
    assert named <= {metric.name for metric in METRICS}


def test_only_metrics_that_the_gateway_has_are_named() -> None:
    named = set(re.findall(r"\bgateway_\w+\b", RULES.read_text()))
    assert named
    assert named <= {sample.name for metric in Metrics().registry.collect() for sample in metric.samples}


def test_only_metrics_that_the_autopilot_writes_are_named(tmp_path: Path) -> None:
    Alert(textfiles=tmp_path).ended(State(model="fm", started=0, version="1.1", before="1.0", outcome="rolled out"))
    named = set(re.findall(r"\bautopilot_\w+\b", RULES.read_text()))
    assert named
    assert named <= set(re.findall(r"^(\w+)\{", (tmp_path / "autopilot-fm.prom").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def prometheus(server: Server, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus with our configuration that scrapes the shared server each second; its address."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "250ms"}
    config["rule_files"] = [str(RULES)]
    scrape, of_gateway = config["scrape_configs"]
    config["scrape_configs"].remove(of_gateway)
    scrape["static_configs"] = [{"targets": [server.settings["metrics_address"].removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:  # Prometheus begins to scrape after some five seconds, and a rate needs two scrapes
            client.ask("fm", {"user_id": 1, "k": 3})
            ask_badly(client)
            time.sleep(0.25)
            if query(address, "rate(RecommenderErrors[1m]) > 0"):
                break
            assert time.monotonic() < deadline, (folder / "log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def ask_badly(client: Client) -> None:
    """So that there is something to count of each kind: a pair of somebody unknown, and a wrong field."""
    client.ask("fm", {"user_id": 999_999, "movie_id": 1})
    assert client.post("fm", {"nonsense": 1}).status_code == 400


@tenacity.retry(  # Prometheus may not listen yet, or not be ready
    retry=tenacity.retry_if_exception_type(requests.RequestException),
    wait=tenacity.wait_fixed(0.25),
    stop=tenacity.stop_after_delay(60),
    reraise=True,
)
def query(address: str, expression: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{address}/api/v1/query", params={"query": expression}, timeout=60).json()
    assert answer["status"] == "success", (expression, answer)
    return answer["data"]["result"]


def found(address: str, expression: str) -> list[dict[str, Any]]:
    """What a query finds: for a moment nothing, where a busy server has not answered one scrape in time."""
    deadline = time.monotonic() + 60
    while not (values := query(address, expression)) and time.monotonic() < deadline:
        time.sleep(0.25)
    return values


@needs_prometheus
def test_prometheus_scrapes_the_server(prometheus: str) -> None:
    assert found(prometheus, 'up{job="torchserve"} == 1')
    rules = requests.get(f"{prometheus}/api/v1/rules", timeout=60).json()["data"]["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert not [rule["name"] for rule in rules if rule.get("state") == "firing"]


@needs_prometheus
@pytest.mark.parametrize("expression", QUERIES)
def test_each_query_of_the_dashboard_is_answered(prometheus: str, expression: str) -> None:
    assert found(prometheus, expression)


def test_dashboard_and_rules_ask_for_what_torchserve_has(server: Server, client: Client) -> None:
    ask_badly(client)
    rules = RULES.read_text()
    names = r"\b(?:ts_\w+|Requests\dXX|Worker\w+Time|GPU\w+|Recommender\w+)\b"
    asked = set(re.findall(names, rules + " ".join(QUERIES)))
    there: set[str] = set()
    deadline = time.monotonic() + 60
    while asked - there and time.monotonic() < deadline:  # workers report once a second
        time.sleep(0.2)
        text = requests.get(f"{server.settings['metrics_address']}/metrics", timeout=60).text
        there = set(re.findall(r"^# TYPE (\S+)", text, flags=re.MULTILINE))
    assert asked - there == set()


@pytest.mark.parametrize(
    "path",
    [
        "compose.yaml",
        *(f"grafana/provisioning/{one}" for one in ("datasources/prometheus.yml", "dashboards/files.yml")),
    ],
)
def test_the_other_files_are_yaml(path: str) -> None:
    assert all(yaml.safe_load_all((DEPLOY / path).read_text()))


def test_kubernetes_takes_the_manifests() -> None:
    """By the schemas that Kubernetes publishes; a field that they do not know is an error."""
    manifests = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    assert [one["kind"] for one in manifests] == ["ConfigMap", "Deployment", "Service", "NetworkPolicy"]
    for manifest in manifests:
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    manifests[1]["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readyProbe"):
        kubernetes_validate.validate(manifests[1], "1.37", strict=True)


def test_what_compose_starts_is_confined() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name in ("torchserve", "torchserve-gpu"):
        service = services[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert [port.rpartition(":")[2] for port in service["ports"]] == ["8080"]
        grace = int(service["stop_grace_period"].removesuffix("s"))
        assert grace > 10 + 30, "the drain and the workers' end"
    for name, service in services.items():
        assert ":latest" not in service["image"], name
        assert service["profiles"], name
    for mounted in (DEPLOY / "prometheus", DEPLOY / "grafana/provisioning", DEPLOY / "grafana/dashboards"):
        assert Path(mounted).is_dir()
