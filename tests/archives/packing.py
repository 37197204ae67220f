"""Archives that are almost another one: other versions, and broken in one way each."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from archives.contents import CHECKSUMS, MANIFEST, written_checksums
from archives.verify import verify_into


def verify(archive: Path, model: str, version: str, sha256: str | None = None) -> str:
    """``verify_into`` a folder that is deleted again."""
    with TemporaryDirectory() as folder:
        return verify_into(Path(folder), archive, model, version, sha256)


def repack(
    source: Path, target: Path, version: str, files: dict[str, bytes] | None = None, listed: bool = True
) -> Path:
    """Copy an archive as another version with some files replaced or added; ``listed``: in its checksums too."""
    with zipfile.ZipFile(source) as packed:
        contents = {entry.filename: packed.read(entry) for entry in packed.infolist() if not entry.is_dir()}
    contents |= files or {}
    manifest = json.loads(contents[MANIFEST])
    manifest["model"]["modelVersion"] = version
    contents[MANIFEST] = json.dumps(manifest).encode()
    if listed:
        hashed = contents.keys() - {CHECKSUMS, MANIFEST}
        digests = {name: hashlib.sha256(contents[name]).hexdigest() for name in hashed}
        contents[CHECKSUMS] = written_checksums(digests).encode()
    with zipfile.ZipFile(target, "w") as made:
        for name, data in contents.items():
            made.writestr(name, data)
    return target


def read(archive: Path, name: str) -> bytes:
    """One file of an archive."""
    with zipfile.ZipFile(archive) as packed:
        return packed.read(name)


def array(archive: Path, name: str) -> np.ndarray:
    """One array of an archive."""
    return np.load(io.BytesIO(read(archive, f"{name}.npy")), allow_pickle=False)


def stored(values: np.ndarray) -> bytes:
    """What an archive holds of an array."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def truncated(source: Path, target: Path, version: str) -> Path:
    """The first half of an archive, as a broken copy leaves it."""
    data = repack(source, target, version).read_bytes()
    target.write_bytes(data[: len(data) // 2])
    return target


def tampered(source: Path, target: Path, version: str) -> Path:
    """Code was added to the handler after packing, and the list of checksums still says what it was."""
    handler = read(source, "recommender_handler.py") + b"\nimport os  # and send the data somewhere\n"
    return repack(source, target, version, {"recommender_handler.py": handler}, listed=False)


def mismatched(source: Path, target: Path, version: str) -> Path:
    """Packed carefully, with the dictionary of another model: three users less."""
    return repack(source, target, version, {"user_ids.npy": stored(array(source, "user_ids")[:-3])})


def zip_slip(source: Path, target: Path, version: str) -> Path:
    """One name leads out of the folder that the archive is unpacked in."""
    return repack(source, target, version, {"../../escaped.py": b"print('out')"})


def without_users(source: Path, target: Path, version: str) -> Path:
    """Packed carefully, with a dictionary that has nobody."""
    return repack(source, target, version, {"user_ids.npy": stored(np.zeros(0, np.int64))})


def garbled(source: Path, target: Path, version: str) -> Path:
    """Packed carefully, with a dictionary that is no array."""
    return repack(source, target, version, {"user_ids.npy": b"[null, 1"})


BROKEN = {
    truncated: "no whole archive",
    tampered: "was changed: recommender_handler.py",
    mismatched: "cannot be loaded: .*user_ids.npy has",
    without_users: "cannot be loaded: its dictionary holds no list of users",
    garbled: "cannot be loaded: its dictionary holds no list of users",
    zip_slip: "leads out of its folder",
}
