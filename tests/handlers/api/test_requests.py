"""The fields of the contract."""

from __future__ import annotations

from handlers.recommender.api.requests import FIELDS, Request


def test_every_field_belongs_to_a_kind() -> None:
    assert set().union(*FIELDS.values()) == set(Request.__struct_fields__)
