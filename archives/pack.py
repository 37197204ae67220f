"""From ``build/<model>/`` to a checked ``model_store/<model>-<version>.mar``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import yaml

from . import alone
from .contents import (
    CHECKSUMS,
    CONFIG,
    HANDLER,
    MANIFEST,
    METADATA,
    NETWORKS,
    Format,
    checksums_in,
    copied,
    default_name,
    file_name,
    sha256_of,
    written_checksums,
)
from .errors import ArchiveRefused, CannotAnswer
from .unpack import aligned_entry, unpack
from .version import check_version

Profile = Literal["throughput", "latency"]

HANDLERS = Path(__file__).resolve().parents[1] / "handlers"
_NETWORK_FILES = tuple(f"*{suffix}" for suffix in NETWORKS.values())
DETAILS = "report.json"  # what only the report shows, and what training was asked for: it stays in build/


def archive(
    model: str,
    version: str,
    build: Path,
    store: Path,
    profile: Profile = "throughput",
    network_format: Format = "torchscript",
) -> Path:
    """Pack ``build/<model>`` as ``store/<model>-<version>.mar``, check it, and move it into place.

    ``profile``: how it is served (``config_of``). ``network_format``: which of the network's files it gets.

    An archive never changes once it is written: the same version again is accepted when its contents are the same.
    ``<model>.mar``, which ``config.properties`` loads, is made where there is none.

    Raises ArchiveRefused where ``version`` is not a version, where there is nothing to pack, where the version exists
    with other contents, or where the archive cannot answer a request on its own.
    """
    check_version(version)
    source = build / model
    network = source / f"{model}{NETWORKS[network_format]}"
    if not (source / METADATA).is_file() or not network.is_file():
        raise ArchiveRefused(f"{source} holds no model: train it first (make train MODEL={model})")
    target, default = store / file_name(model, version), store / default_name(model)
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{model}-{version}-", dir=store) as work_name:
        work = Path(work_name)
        _stage(source, work / "contents", config_of(profile))
        if target.exists():
            _check_same(target, written_checksums(_digests(network, work / "contents")))
        else:
            os.replace(_pack(version, network, work), target)
        if not default.exists():
            copy = shutil.copyfile(target, work / default.name)
            os.replace(copy, default)
    return target


def config_of(profile: Profile) -> str:
    """The text of an archive's ``model-config.yaml``: that of ``handlers/``, with the values of the profile."""
    text = (HANDLERS / CONFIG).read_text()
    if profile == "throughput":
        return text
    changed = (HANDLERS / f"model-config.{profile}.yaml").read_text()
    return yaml.safe_dump(yaml.safe_load(text) | yaml.safe_load(changed), sort_keys=False)


def lay_out(source: Path, folder: Path) -> None:
    """Make ``folder`` what an archive of ``source``, a folder like ``build/<model>``, is when it is unpacked.

    Its arrays are links to those of ``source``.
    """
    (network,) = source.glob(f"*{NETWORKS['torchscript']}")
    _stage(source, folder, config_of("throughput"))
    (folder / CHECKSUMS).write_text(written_checksums(_digests(network, folder)))
    for path in _added(network):
        shutil.copyfile(path, folder / path.name)
    _link(_arrays(source), folder)
    (folder / MANIFEST).parent.mkdir()
    (folder / MANIFEST).write_text(json.dumps({"model": {"modelVersion": "not packed"}}))


def _stage(source: Path, contents: Path, config: str) -> None:
    """Lay out what goes to the archive's root, except for arrays and for what torch-model-archiver adds itself."""
    contents.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", HANDLER, *_NETWORK_FILES, "*.npy", "model-config*.yaml", DETAILS)
    shutil.copytree(HANDLERS, contents, ignore=ignored, dirs_exist_ok=True)
    (contents / CONFIG).write_text(config)
    shutil.copytree(source, contents, ignore=ignored, dirs_exist_ok=True)


def _added(network: Path) -> list[Path]:
    """What torch-model-archiver takes from where it lies: the handler and the network."""
    return [HANDLERS / HANDLER, network]


def _arrays(source: Path) -> list[Path]:
    return sorted(source.glob("*.npy"))


def _link(files: list[Path], folder: Path) -> None:
    for path in files:
        (folder / path.name).symlink_to(path.resolve())


def _digests(network: Path, contents: Path) -> dict[str, str]:
    """The SHA-256 of each file of the archive by its name in it; as many files at once as there are cores."""
    files = {path.name: path for path in [*_added(network), *_arrays(network.parent)]}
    files |= {str(path.relative_to(contents)): path for path in contents.rglob("*") if path.is_file()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(files, pool.map(sha256_of, files.values()), strict=True))


def _check_same(target: Path, checksums: str) -> None:
    """Raise ArchiveRefused where ``target`` holds other files than those that are listed."""
    lines = set(checksums_in(target).splitlines()) ^ set(checksums.splitlines())
    if lines:
        names = sorted({line.split("  ")[1] for line in lines})
        differing = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise ArchiveRefused(
            f"{target} exists with other contents ({differing}), and an archive never changes: "
            "give another VERSION, or delete the file if nothing serves it"
        )


def _pack(version: str, network: Path, work: Path) -> Path:
    """Make the archive in ``work``, and check that it works on its own.

    torch-model-archiver makes it of all but the arrays, because it copies what it packs: the arrays are added from
    where they lie. The list of checksums is of what was written, and the finished archive is unpacked as a server
    unpacks it: files that changed while they were copied do not fit each other there.
    """
    made, unpacked = work / f"{network.stem}.mar", work / "unpacked"
    _run_archiver(version, network, work)
    with zipfile.ZipFile(made, "a") as packed:
        digests = {}
        for name in set(packed.namelist()) - {MANIFEST}:
            with packed.open(name) as file:
                digests[name] = copied(file, None)
        for path in _arrays(network.parent):
            entry, zip64 = aligned_entry(packed, path)
            with path.open("rb") as array, packed.open(entry, "w", force_zip64=zip64) as target:
                digests[path.name] = copied(array, target)
        packed.writestr(CHECKSUMS, written_checksums(digests))
    # A file that is written into would change under the workers that have it mapped; one that is moved there does not.
    made.chmod(made.stat().st_mode & ~0o222)
    unpacked.mkdir()
    unpack(made, unpacked)
    try:
        alone.check(unpacked)
    except CannotAnswer as error:
        raise ArchiveRefused(f"{made.name} does not work on its own: {error}") from error
    return made


def _run_archiver(version: str, network: Path, work: Path) -> None:
    # torch-model-archiver stages in <temporary folder>/<model>, so builds side by side need folders of their own.
    staging = work / "archiver"
    staging.mkdir()
    # fmt: off
    command = [
        sys.executable, "-m", "model_archiver.model_packaging",
        "--model-name", network.stem, "--version", version,
        "--serialized-file", str(network),
        "--handler", str(HANDLERS / HANDLER),
        "--extra-files", str(work / "contents"),
        "--config-file", str(work / "contents" / CONFIG),
        "--archive-format", "zip-store",
        "--export-path", str(work),
    ]
    # fmt: on
    result = subprocess.run(command, env=os.environ | {"TMPDIR": str(staging)}, capture_output=True, text=True)
    if result.returncode:
        raise ArchiveRefused(f"torch-model-archiver failed: {(result.stderr or result.stdout).strip()}")
