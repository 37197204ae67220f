"""The Job that trains on several machines: Kubernetes takes it, its parts fit together, training takes its command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from training.__main__ import Train, parse

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    found = yaml.safe_load_all((DEPLOY / "kubernetes-training.yaml").read_text())
    return {manifest["kind"]: manifest for manifest in found}


def test_kubernetes_takes_the_manifests(manifests) -> None:
    """By the schemas that Kubernetes publishes; a field that they do not know is an error."""
    assert set(manifests) == {"PersistentVolumeClaim", "Service", "Job", "NetworkPolicy"}
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_its_parts_fit_together(manifests) -> None:
    job, service = manifests["Job"], manifests["Service"]
    pod = job["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    options = dict(word[2:].split("=") for word in container["args"] if word.startswith("--"))
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == int(options["nnodes"])
    name = service["metadata"]["name"]
    assert pod["spec"]["subdomain"] == name
    assert options["master-addr"] == f"{job['metadata']['name']}-0.{name}"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {int(options["master-port"])} == {port["port"] for port in service["spec"]["ports"]}
    (claim,) = (one["persistentVolumeClaim"] for one in pod["spec"]["volumes"] if "persistentVolumeClaim" in one)
    assert claim["claimName"] == manifests["PersistentVolumeClaim"]["metadata"]["name"]
    folders = [volume["mountPath"] for volume in container["volumeMounts"]]
    assert container["workingDir"] in folders
    assert {Path(options[name]).parents[1] for name in ("data", "movies")} <= {Path(folder) for folder in folders}


def test_training_takes_its_command(manifests) -> None:
    (container,) = manifests["Job"]["spec"]["template"]["spec"]["containers"]
    place = container["args"].index("-m")
    assert container["args"][place + 1] == "training"
    command = parse(container["args"][place + 2 :])
    assert isinstance(command, Train)
    assert not command.build.is_absolute()
