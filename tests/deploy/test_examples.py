"""The examples for other hosts: KServe's manifest by schemas, and Ray Serve as it runs."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import tyro
import yaml

from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from serving.asgi.command import Asgi
from serving.config import ROOT
from tests import ray_serve
from tests.conftest import Client
from tests.ray_serve import Ray
from tests.waiting import wait

EXAMPLES = ROOT / "deploy" / "examples"
OF_KSERVE = {"minReplicas", "maxReplicas"}  # beside the fields of a pod, in a predictor


class TestKServe:
    @pytest.fixture
    def predictor(self) -> dict[str, Any]:
        manifest = yaml.safe_load((EXAMPLES / "kserve.yaml").read_text())
        assert (manifest["apiVersion"], manifest["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
        assert set(manifest["spec"]) == {"predictor"}
        # Knative, the other mode, refuses terminationGracePeriodSeconds and automountServiceAccountToken.
        assert manifest["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}
        return manifest["spec"]["predictor"]

    def test_kubernetes_takes_its_pod(self, predictor: dict[str, Any]) -> None:
        """A predictor is a pod's specification with a few fields more."""
        pod = {name: value for name, value in predictor.items() if name not in OF_KSERVE}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "recommender"}, "spec": pod}
        kubernetes_validate.validate(manifest, "1.37", strict=True)
        assert predictor["minReplicas"] <= predictor["maxReplicas"]

    def test_the_server_takes_its_command(self, predictor: dict[str, Any]) -> None:
        (container,) = predictor["containers"]
        assert container["name"] == "kserve-container"  # by this name KServe knows it
        name, *options = container["args"]
        assert name == "asgi"
        command = tyro.cli(Asgi, args=options)
        assert command.options.store == Path("/mnt/models")  # where KServe puts what STORAGE_URI names
        ports = {container["ports"][0]["containerPort"], container["readinessProbe"]["httpGet"]["port"], command.port}
        assert len(ports) == 1
        assert command.drain < predictor["terminationGracePeriodSeconds"]


@pytest.fixture
def ray(mixed_store: Path, tmp_path: Path) -> Iterator[Ray]:
    if not ray_serve.IS_INSTALLED:
        pytest.skip("needs ray[serve]")
    with ray_serve.running(mixed_store, tmp_path / "ray.log") as running:
        yield running


@pytest.mark.slow
def test_ray_serve_gives_no_wrong_answer_while_a_replica_is_killed(ray: Ray, build: Path) -> None:
    client = Client(ray)
    services = {model: load_service(build / model) for model in ("mf", "fm", "deepfm")}
    bodies = [(model, body) for model, service in services.items() for body in some_requests(service)]
    expected = [json.loads(services[model].answer([json.dumps(body).encode()])[0].body) for model, body in bodies]
    codes: Counter[int] = Counter()
    wrong: list[Any] = []
    done = threading.Event()

    def ask(start: int) -> None:
        for place in range(start, 10**9):
            if done.is_set():
                return
            number = place % len(bodies)
            response = client.post(*bodies[number])
            codes[response.status_code] += 1
            if response.status_code == 200 and not alike(response.json(), expected[number]):
                wrong.append((bodies[number], response.text))

    threads = [threading.Thread(target=ask, args=(7 * start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(2)
        before = ray.replicas()
        os.kill(min(before), signal.SIGKILL)
        wait(lambda: len(ray.replicas() - before) == 1)
        time.sleep(5)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    print(f"answers by status: {dict(codes)}")
    assert not wrong
    assert codes[200] > 100
    assert set(codes) <= {200, 500, 503}  # of the requests that the killed replica had
    for number, body in enumerate(bodies):
        assert alike(client.post(*body).json(), expected[number])


def some_requests(service: Service) -> list[dict[str, Any]]:
    users, movies = service.model.users.ids, service.model.movies.ids
    pairs = [{"user_id": users[row], "movie_id": movies[2 * row]} for row in range(1, 15)]
    lists = [{"user_id": users[row], "k": 5} for row in range(1, 15)]
    return pairs + lists + [{"movie_id": movies[row], "k": 5} for row in range(1, 5)]


def alike(found: Any, expected: Any) -> bool:
    """Equal, but for the last digits of numbers."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(alike(found[name], value) for name, value in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(alike, found, expected))
    return found == (pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected)
