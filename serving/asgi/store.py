"""What a model store holds: the archives that may be served, and which of them is each model's default."""

from __future__ import annotations

import logging
import sys
from itertools import islice
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


def archives_in(store: Path, others: int = sys.maxsize) -> list[Found]:
    """The archives of a store by model and version; each model has one default.

    ``others``: how many versions beside it each model has at most, the newest ones.

    The default is the version that ``<model>.mar`` is a copy of, or the newest one. Where a model has pinned archives,
    the others are left out, and so is one that was changed. Raises ArchiveRefused for a ``<model>.mar`` that is not a
    copy of a pinned archive, or is of another model, and where there is nothing to serve.
    """
    found, pinned = [], pins(store)
    for model, versions in sorted(_by_model(store, pinned).items()):
        default = _of_copy(store / default_name(model), model)
        newest = iter(sorted(versions.keys() - {default}, key=lambda version: numbers(version) or (), reverse=True))
        # No more of them are read than are served: a store has an archive of each night.
        unchanged = (version for version in newest if _is_unchanged(versions[version], pinned))
        if default is None:
            default = next(unchanged, None)
        elif default not in versions or not _is_unchanged(versions[default], pinned):
            versions[default] = store / default_name(model)
        chosen = {default, *islice(unchanged, others)} - {None}
        found += [Found(model, version, versions[version], version == default) for version in sorted(chosen)]
        if left_out := list(newest):
            logger.info(
                f"{model} {', '.join(left_out)}: in the store and not loaded, as other_versions is {others}; "
                f"make register MODEL={model} VERSION=... loads one"
            )
    if not found:
        raise ArchiveRefused(f"{store} holds no archive that may be served: make archive packs one")
    return found


def _of_copy(copy: Path, model: str) -> str | None:
    """The version that a model's ``<model>.mar`` is a copy of; None where there is none. Raises ArchiveRefused."""
    if not copy.is_file():
        return None
    check_default(copy)
    named = named_in(copy)
    if named is None:
        raise ArchiveRefused(f"{copy} is no archive: copy or pack it again")
    if named[0] != model:
        raise ArchiveRefused(f"{copy} is of {named[0]} by its manifest: copy an archive of {model} there")
    return named[1]


def _by_model(store: Path, pinned: dict[str, str]) -> dict[str, dict[str, Path]]:
    """The numbered archives that may be served if unchanged, and an empty entry for a model with a default alone."""
    models: dict[str, dict[str, Path]] = {}
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
    if path.name in pinned or not any(name.rpartition("-")[0] == model for name in pinned):
        return True
    logger.info("%s is not pinned and is not served: make rollout verifies and pins it", path.name)
    return False


def _is_unchanged(path: Path, pinned: dict[str, str]) -> bool:
    if path.name not in pinned or sha256_of(path) == pinned[path.name]:
        return True
    logger.error("%s was changed after it was pinned, and is not served", path)
    return False
