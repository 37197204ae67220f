"""deploy/config.production.properties with TLS: what it lets through, and what it refuses."""

from __future__ import annotations

import shutil
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from archives.contents import sha256_of
from serving.config import CONFIG, ROOT, loaded_models, properties
from serving.gate import Tolerance
from serving.management import Management, ManagementError
from serving.rollout import Rollout
from serving.server import Server
from serving.versions import Versions
from tests.archives.packing import repack
from tests.conftest import server_on_free_ports

PRODUCTION = ROOT / "deploy/config.production.properties"
TLS = ROOT / "deploy/config.tls.properties"
BODY = {"user_id": 1, "k": 3}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "tls.crt", folder / "tls.key"
    # fmt: off
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", made[0], "-keyout", made[1]],
        check=True, capture_output=True,
    )
    # fmt: on
    return made


@pytest.fixture(scope="module")
def production(
    store: Path, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("production_store")
    shutil.copyfile(store / "fm-1.0.mar", folder / "fm-1.0.mar")
    shutil.copyfile(store / "fm-1.0.mar", folder / "fm.mar")
    free = server_on_free_ports(folder, tmp_path_factory.mktemp("production"))
    ports = {name: value for name, value in free.settings.items() if name.endswith(("_address", "_port"))}
    overrides = ports | {
        "inference_address": ports["inference_address"].replace("http://", "https://"),
        "certificate_file": str(certificate[0]),
        "private_key_file": str(certificate[1]),
        "load_models": "fm=fm.mar",
    }
    server = Server(folder, free.home, overrides, config=(PRODUCTION, TLS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_SECRET", "not for workers")
        patch.setenv("HARMLESS", "for all")
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        server.start()
        yield server
        server.stop()


def predict(server: Server, token: str | None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{server.inference}/predictions/fm", json=BODY, headers=headers, timeout=30)


def test_the_right_token_over_tls_is_answered(production: Server) -> None:
    response = predict(production, production.token("inference"))
    assert response.status_code == 200
    assert response.headers["X-Model-Version"] == "1.0"
    assert (production.home / "key_file.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("token", [None, "wrong", "management"])
def test_no_token_a_wrong_one_and_the_one_for_something_else_are_refused(production: Server, token: str | None) -> None:
    given = production.token("management") if token == "management" else token
    response = predict(production, given)
    assert response.status_code == 400
    assert response.json()["type"] == "InvalidKeyException"
    with pytest.raises(ManagementError, match="Token Authorization failed"):
        Management(production.management, token=lambda: token if token == "wrong" else None).models()
    with pytest.raises(ManagementError, match="Token Authorization failed"):
        Management(production.management, token=lambda: production.token("inference")).models()


def test_plain_http_is_refused(production: Server) -> None:
    response = requests.post(production.inference.replace("https", "http") + "/predictions/fm", json=BODY, timeout=30)
    assert response.status_code == 403
    assert "only accepts HTTPS" in response.text


def test_management_and_metrics_answer_this_machine_alone(production: Server) -> None:
    configured = properties(PRODUCTION)
    for name in ("management_address", "metrics_address", "grpc_inference_address", "grpc_management_address"):
        assert "127.0.0.1" in configured[name], name
    port = int(production.management.rpartition(":")[2])
    listening = [one.laddr.ip for one in production.process().net_connections() if one.laddr.port == port]
    assert all(ip.endswith("127.0.0.1") for ip in listening)
    outside = next(
        (
            address.address
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if address.family == socket.AF_INET and not address.address.startswith("127.")
        ),
        None,
    )
    if outside:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((outside, port), timeout=30)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/fm-1.1.mar",
        "https://example.org/fm-1.1.mar",
        "file:///tmp/fm-1.1.mar",
        "s3://bucket/other-1.1.mar",  # no scheme that it downloads: it looks for other-1.1.mar in the store
        "../fm-1.1.mar",
    ],
)
def test_registration_from_a_url_is_refused(production: Server, url: str) -> None:
    management = Versions(production, "fm").management
    with pytest.raises(ManagementError, match=r"404, .*(not match any allowed|not found|Relative path)"):
        management.register(url, "fm")
    assert management.models() == ["fm"]


def test_a_folder_of_this_machine_is_served_as_it_lies_there(production: Server, tmp_path: Path) -> None:
    """What no setting forbids (docs/security.md): who has the management token can serve what this machine holds."""
    archive = repack(production.store / "fm-1.0.mar", tmp_path / "elsewhere.mar", "7.7")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "elsewhere")
    versions = Versions(production, "fm")
    assert versions.management.register(str(tmp_path / "elsewhere"), "fm")
    versions.wait_until_ready("7.7")
    assert versions.management.describe("fm", "7.7")["modelUrl"] == str(tmp_path / "elsewhere")
    versions.unregister("7.7")
    assert (tmp_path / "elsewhere" / "MAR-INF").is_dir(), "a folder that is not ours is not ours to delete"


def test_a_rollout_passes_with_the_tokens_and_only_the_pinned_archive(production: Server) -> None:
    archive = repack(production.store / "fm-1.0.mar", production.store / "fm-1.1.mar", "1.1")
    Rollout(production, "fm", "1.1", sha256_of(archive), Tolerance(p99=1e6), drain=0).run()
    assert predict(production, production.token("inference")).headers["X-Model-Version"] == "1.1"


def test_a_renewed_token_replaces_the_old_one(production: Server) -> None:
    old, versions = production.token("inference"), Versions(production, "fm")
    headers = {"Authorization": f"Bearer {production.token('API')}"}
    for kind in ("inference", "management"):
        renewed = requests.get(f"{production.management}/token?type={kind}", headers=headers, timeout=30)
        assert renewed.status_code == 200
    assert versions.default() is not None  # the key of each call is read from the file
    assert predict(production, old).status_code == 400
    assert predict(production, production.token("inference")).status_code == 200


def test_a_body_over_the_limit_is_refused(production: Server) -> None:
    response = requests.post(
        f"{production.inference}/predictions/fm",
        data=b" " * (int(properties(PRODUCTION)["max_request_size"]) + 1),
        headers={"Authorization": f"Bearer {production.token('inference')}", "Content-Type": "application/json"},
        timeout=30,
    )
    assert response.status_code == 413


def test_a_worker_does_not_see_the_servers_secrets(production: Server) -> None:
    management = Versions(production, "fm").management
    (worker,) = management.describe("fm")["workers"]
    environment = psutil.Process(worker["pid"]).environ()
    assert "STORAGE_SECRET" not in environment
    assert environment["HARMLESS"] == "for all"
    assert "PYTHONPATH" not in environment or str(ROOT) not in environment["PYTHONPATH"].split(":")


def test_production_is_set_as_development_is_but_for_who_may_ask() -> None:
    development, production = properties(CONFIG), properties(PRODUCTION)
    assert loaded_models(production) == loaded_models(development)
    for name in development.keys() - {"inference_address", "disable_token_authorization", "vmargs"}:
        assert production.get(name) == development[name], name
    assert set(production["vmargs"].split()) - set(development["vmargs"].split()) == {"-XX:+ExitOnOutOfMemoryError"}
    assert set(development["vmargs"].split()) <= set(production["vmargs"].split())


def test_development_is_loopback_without_a_token() -> None:
    development = properties(CONFIG)
    for name, value in development.items():
        if name.endswith("_address"):
            assert "127.0.0.1" in value, name
    assert development["disable_token_authorization"] == "true"
    assert development["allowed_urls"] == properties(PRODUCTION)["allowed_urls"]
