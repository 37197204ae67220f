"""Archives that are almost another one: other versions, and broken in one way each."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from archives.contents import CHECKSUMS, MANIFEST, written_checksums


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
    users = json.loads(read(source, "users.json"))
    return repack(source, target, version, {"users.json": json.dumps(users[:-3]).encode()})


def zip_slip(source: Path, target: Path, version: str) -> Path:
    """One name leads out of the folder that the archive is unpacked in."""
    return repack(source, target, version, {"../../escaped.py": b"print('out')"})


def without_users(source: Path, target: Path, version: str) -> Path:
    """Packed carefully, with a dictionary that has nobody."""
    return repack(source, target, version, {"users.json": b"[]"})


def garbled(source: Path, target: Path, version: str) -> Path:
    """Packed carefully, with a dictionary that is no JSON."""
    return repack(source, target, version, {"users.json": b"[null, 1"})


BROKEN = {
    truncated: "no whole archive",
    tampered: "was changed: recommender_handler.py",
    mismatched: "cannot be loaded: .*users.json has",
    without_users: "cannot be loaded: users.json holds no list of users",
    garbled: "cannot be loaded: users.json holds no list of users",
    zip_slip: "leads out of its folder",
}
