"""The quality benchmark's store of records and its tables; the measurements themselves need its own environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.quality.records import Records, Task


def task(name: str, settings: dict | None = None) -> Task:
    return Task("ratings", "planted", "u1", name, 0, settings or {"ranks": (1, 2)}, dict)


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    about = {"machine": "this", "versions": {"torch": "1"}}
    Records(tmp_path / "r.json", about).add(task("first"), {"rmse": 0.9})
    again = Records(tmp_path / "r.json", about)
    assert again.has(task("first"))
    assert not again.has(task("second"))
    again.add(task("second"), {"rmse": 0.8})
    assert [record["rmse"] for record in Records(tmp_path / "r.json", about).by_key.values()] == [0.9, 0.8]


def test_a_record_made_with_other_settings_is_measured_again(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.json", {})
    records.add(task("first"), {"rmse": 0.9})
    assert not records.has(task("first", {"ranks": (1, 3)}))


def test_records_of_two_machines_are_not_mixed(tmp_path: Path) -> None:
    Records(tmp_path / "r.json", {"machine": "this"}).add(task("first"), {})
    with pytest.raises(ValueError, match="machine was this, is that"):
        Records(tmp_path / "r.json", {"machine": "that"})
