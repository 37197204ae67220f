"""From ``build/<model>/`` to a checked ``model_store/<model>-<version>.mar``."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Literal

import yaml

from .alone import CannotAnswerError, ask
from .errors import MendableError

Profile = Literal["throughput", "latency"]

HANDLERS = Path(__file__).resolve().parents[1] / "handlers"
HANDLER = "recommender_handler.py"
CONFIG = "model-config.yaml"
CHECKSUMS = "SHA256SUMS"
MANIFEST = "MAR-INF/MANIFEST.json"
VERSION = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")  # of serving/archives.py too
DETAILS = "report.json"  # what only the report shows, and what was asked for: it stays in build/


class ArchiveRefused(MendableError):
    """An archive that must not reach the model store; the message says why."""


def archive(model: str, version: str, build: Path, store: Path, profile: Profile = "throughput") -> Path:
    """Pack ``build/<model>`` as ``store/<model>-<version>.mar``, check it, and move it into place.

    ``profile``: how it is served (``config_of``).

    An archive never changes once it is written: the same version again is accepted when its contents are the same.
    ``<model>.mar``, which ``config.properties`` loads, is made where there is none.

    Raises ArchiveRefused where ``version`` is none, where there is nothing to pack, where the version exists with other
    contents, or where the archive cannot answer a question when it stands alone.
    """
    if not VERSION.fullmatch(version):
        raise ArchiveRefused(f"version {version!r} is refused: a version is numbers separated by dots, such as 1.10")
    source = build / model
    if not (source / "metadata.json").is_file():
        raise ArchiveRefused(f"{source} holds no model: train it first (make train MODEL={model})")
    target = store / f"{model}-{version}.mar"
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{model}-{version}-", dir=store) as work_name:
        work = Path(work_name)
        contents = _stage(source, work / "contents", config_of(profile))
        if target.exists():
            lines = set(checksums_in(target).splitlines()) ^ set(contents.splitlines())
            if lines:
                differing = ", ".join(sorted({line.split("  ")[1] for line in lines}))
                raise ArchiveRefused(
                    f"{target} exists with other contents ({differing}), and an archive never changes: "
                    "give another VERSION, or delete the file if nothing serves it"
                )
        else:
            made = _pack(model, version, source, work)
            check(made, work / "unpacked")
            os.replace(made, target)
        default = store / f"{model}.mar"
        if not default.exists():
            set_default(target, default)
    return target


def config_of(profile: Profile) -> str:
    """The text of an archive's ``model-config.yaml``: that of ``handlers/``, with what a profile has in its place."""
    text = (HANDLERS / CONFIG).read_text()
    if profile == "throughput":
        return text
    instead = (HANDLERS / f"model-config.{profile}.yaml").read_text()
    return yaml.safe_dump(yaml.safe_load(text) | yaml.safe_load(instead), sort_keys=False)


def set_default(archive_path: Path, default: Path) -> None:
    """Replace ``<model>.mar`` by a copy of one version's archive, in one step."""
    with tempfile.NamedTemporaryFile(prefix=f".{default.name}-", dir=default.parent, delete=False) as copy:
        staged = Path(copy.name)
    try:
        shutil.copyfile(archive_path, staged)
        staged.chmod(0o644)
        os.replace(staged, default)
    finally:
        staged.unlink(missing_ok=True)


def check(archive_path: Path, folder: Path) -> None:
    """Unpack an archive into ``folder`` and ask it one question in a process that cannot see this project.

    Raises ArchiveRefused with what that process said.
    """
    with zipfile.ZipFile(archive_path) as unzipped:
        unzipped.extractall(folder)
    users = json.loads((folder / "users.json").read_bytes())
    try:
        ask(folder, [{"user_id": users[-1], "k": 1}])
    except CannotAnswerError as error:
        raise ArchiveRefused(f"{archive_path.name} does not work on its own: {error}") from error


def lay_out(source: Path, folder: Path) -> None:
    """What an archive of ``source``, a folder like ``build/<model>``, holds when it is unpacked."""
    _stage(source, folder, config_of("throughput"))
    for path in (HANDLERS / HANDLER, *source.glob("*.pt")):
        shutil.copyfile(path, folder / path.name)
    (folder / MANIFEST).parent.mkdir()
    (folder / MANIFEST).write_text(json.dumps({"model": {"modelVersion": "not packed"}}))


def checksums_in(archive_path: Path) -> str:
    """The archive's list of its contents, one ``<sha256>  <name>`` a line."""
    with zipfile.ZipFile(archive_path) as packed:
        return packed.read(CHECKSUMS).decode()


def _stage(source: Path, contents: Path, config: str) -> str:
    """Lay out what goes to the archive's root, with a list of checksums; returns that list."""
    contents.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", HANDLER, "*.pt", "model-config*.yaml", DETAILS)
    shutil.copytree(HANDLERS, contents, ignore=ignored, dirs_exist_ok=True)
    (contents / CONFIG).write_text(config)
    shutil.copytree(source, contents, ignore=ignored, dirs_exist_ok=True)
    files = [path for path in contents.rglob("*") if path.is_file()]
    named = {str(path.relative_to(contents)): path for path in files}
    named |= {HANDLER: HANDLERS / HANDLER} | {path.name: path for path in source.glob("*.pt")}
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n" for name, path in sorted(named.items())]
    (contents / CHECKSUMS).write_text("".join(lines))
    return "".join(lines)


def _pack(model: str, version: str, source: Path, work: Path) -> Path:
    # torch-model-archiver stages in <temporary folder>/<model>, so builds side by side need folders of their own.
    staging = work / "archiver"
    staging.mkdir()
    config = work / "contents" / CONFIG
    # fmt: off
    command = [
        sys.executable, "-m", "model_archiver.model_packaging",
        "--model-name", model, "--version", version,
        "--serialized-file", str(source / f"{model}.pt"),
        "--handler", str(HANDLERS / HANDLER),
        "--extra-files", str(work / "contents"),
        "--config-file", str(config),
        "--archive-format", "zip-store",
        "--export-path", str(work),
    ]
    # fmt: on
    result = subprocess.run(command, env=os.environ | {"TMPDIR": str(staging)}, capture_output=True, text=True)
    if result.returncode:
        raise ArchiveRefused(f"torch-model-archiver failed: {(result.stderr or result.stdout).strip()}")
    return work / f"{model}.mar"
