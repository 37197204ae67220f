"""The order of versions, and what is not a version."""

from __future__ import annotations

from itertools import pairwise

import pytest

from archives.errors import ArchiveRefused
from archives.version import check_version, is_older

NO_VERSIONS = ["banana", "", "1.", "v1.0", "1.0rc1", "1.0-2", "01.0", "1.0 ", "../1.0"]


@pytest.mark.parametrize("text", NO_VERSIONS)
def test_a_version_is_numbers_separated_by_dots(text: str) -> None:
    with pytest.raises(ArchiveRefused, match="is refused: a version is numbers separated by dots, such as"):
        check_version(text)


@pytest.mark.parametrize("text", ["0", "1", "1.0", "2026.11.26"])
def test_numbers_with_dots_are_versions(text: str) -> None:
    check_version(text)


def test_versions_come_in_the_order_of_their_numbers() -> None:
    ordered = ["banana", "1", "1.0", "1.9", "1.10", "1.10.1", "2.0"]
    for earlier, later in pairwise(ordered):
        assert is_older(earlier, later)
        assert not is_older(later, earlier)
    assert not is_older("1.0", "1.0")
