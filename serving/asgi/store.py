"""What a model store holds: the archives that may be served, and which of them is each model's default."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from archives.contents import default_name, file_name, named_in, sha256_of
from archives.errors import ArchiveRefused
from archives.store import check_default, pins
from archives.version import numbers

logger = logging.getLogger(__name__)


class Found(NamedTuple):
    """An archive of a store."""

    model: str
    version: str
    path: Path
    is_default: bool


def archives_in(store: Path) -> list[Found]:
    """The archives of a store by model and version; each model has one default.

    The default is the version that ``<model>.mar`` is a copy of, or the newest one. Where a model has pinned archives,
    the others are left out, and so is one that was changed. Raises ArchiveRefused for a ``<model>.mar`` that is not a
    copy of a pinned archive, or is of another model, and where there is nothing to serve.
    """
    found = []
    for model, versions in sorted(_by_model(store).items()):
        copy = store / default_name(model)
        if copy.is_file():
            check_default(copy)
            named = named_in(copy)
            if named is None:
                raise ArchiveRefused(f"{copy} is no archive: copy or pack it again")
            if named[0] != model:
                raise ArchiveRefused(f"{copy} is of {named[0]} by its manifest: copy an archive of {model} there")
            default = named[1]
            versions.setdefault(default, copy)
        else:
            default = max(versions, key=lambda version: numbers(version) or ())
        found += [Found(model, version, path, version == default) for version, path in sorted(versions.items())]
    if not found:
        raise ArchiveRefused(f"{store} holds no archive that may be served: make archive packs one")
    return found


def _by_model(store: Path) -> dict[str, dict[str, Path]]:
    """The numbered archives that may be served, and an empty entry for a model that has a default alone."""
    models: dict[str, dict[str, Path]] = {}
    pinned = pins(store)
    for path in sorted(store.glob("*.mar")):
        model, _, version = path.stem.rpartition("-")
        is_numbered = bool(model) and numbers(version) is not None
        named = named_in(path)  # None: damaged, which its unpacking tells
        if named and path.name not in (file_name(*named), default_name(named[0])):
            logger.error("%s is %s %s by its manifest, and is not served: give it that name", path, *named)
        elif not is_numbered:
            models.setdefault(path.stem, {})
        elif _may_be_served(path, model, pinned):
            models.setdefault(model, {})[version] = path
    return models


def _may_be_served(path: Path, model: str, pinned: dict[str, str]) -> bool:
    if not any(name.rpartition("-")[0] == model for name in pinned):
        return True
    if path.name not in pinned:
        logger.info("%s is not pinned and is not served: make rollout verifies and pins it", path.name)
        return False
    if sha256_of(path) != pinned[path.name]:
        logger.error("%s was changed after it was pinned, and is not served", path)
        return False
    return True
