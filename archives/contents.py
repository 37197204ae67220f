"""The names of an archive and of the files in it, and what can be read from it without loading the model."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import IO, Literal

CHECKSUMS = "SHA256SUMS"  # in an archive: of its files; in the store: of the archives (sha256sum -c reads both)
MANIFEST = "MAR-INF/MANIFEST.json"  # written by torch-model-archiver: the name of the model, its version, its handler
HANDLER = "recommender_handler.py"
CONFIG = "model-config.yaml"
PACKED = "packed.mar"  # in the folder of an unpacked archive: the archive, where the arrays were left in it
METADATA = "metadata.json"
METRICS = "metrics.json"  # how the model was trained, and what it was measured at
# Raised where a file is no zip file, is damaged, is encrypted or has a compression that Python does not read.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
Format = Literal["torchscript", "export"]  # of the network
NETWORKS: dict[Format, str] = {"torchscript": ".pt", "export": ".pt2"}  # the suffix of its file
PIECE = 1 << 20  # bytes of a file that are in memory at once


def file_name(model: str, version: str) -> str:
    """The file name of one version's archive in the model store."""
    return f"{model}-{version}.mar"


def default_name(model: str) -> str:
    """The file name of the copy of the default version, which TorchServe loads when it starts."""
    return f"{model}.mar"


def named_in(archive: Path) -> tuple[str, str] | None:
    """The model and the version in an archive's manifest; None where there is no readable archive."""
    try:
        with zipfile.ZipFile(archive) as packed:
            model = json.loads(packed.read(MANIFEST))["model"]
            return model["modelName"], model["modelVersion"]
    except (OSError, *DAMAGED, KeyError, ValueError, TypeError):
        return None


def version_in(archive: Path) -> str | None:
    """The version in an archive's manifest; None where there is no readable archive."""
    named = named_in(archive)
    return named and named[1]


def checksums_in(archive: Path) -> str:
    """The text of an archive's list of checksums (``parsed_checksums`` reads it)."""
    with zipfile.ZipFile(archive) as packed:
        return packed.read(CHECKSUMS).decode()


def parsed_checksums(text: str) -> dict[str, str]:
    """The SHA-256 of each file by its name, from lines ``<sha256>  <name>``."""
    return {name: digest for digest, name in (line.split("  ", 1) for line in text.splitlines() if line)}


def written_checksums(digests: dict[str, str]) -> str:
    """The inverse of ``parsed_checksums``, in the order of the names."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def copied(source: IO[bytes], target: IO[bytes] | None) -> str:
    """Read a file to its end, write it to ``target`` where there is one, and return the SHA-256 of what was read."""
    digest = hashlib.sha256()
    while piece := source.read(PIECE):
        digest.update(piece)
        if target:
            target.write(piece)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
