"""The record of which version was the default when."""

from pathlib import Path

from serving.record import Record


def test_the_version_before_is_the_one_to_return_to(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert record.before("fm", "1.0") is None
    for version in ("1.0", "1.1", "1.1", "1.2"):
        record.add("fm", version, "rollout")
    assert [line["version"] for line in record.lines("fm")] == ["1.0", "1.1", "1.2"]
    assert record.before("fm", "1.2") == "1.1"
    record.add("fm", "1.1", "rollback")
    assert record.before("fm", "1.1") == "1.0"  # not 1.2 again
    assert record.superseded("fm", "1.1")[0] == "1.2"
    record.add("fm", "1.0", "rollback")
    assert record.before("fm", "1.0") is None
    assert record.before("mf", "1.0") is None


def test_a_default_that_the_record_has_not_caught_up_with_counts(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.add("fm", "1.0", "found")
    assert record.before("fm", "1.1") == "1.0"  # killed between the switch and its line
    assert record.before("mf", "1.0", "1.1") == "1.0"  # set by hand: nothing is on record, and 1.0 is on the disk


def test_what_was_kept_is_left_alone_until_it_answers_again(tmp_path: Path) -> None:
    record = Record(tmp_path)
    for version, keep in (("1.0", False), ("1.1", True), ("1.2", False)):
        record.add("fm", version, "rollout", keep=keep)
    assert record.superseded("fm", "1.2") == ["1.1"]
    assert record.superseded("fm", "1.1") == ["1.2"]
    record.add("fm", "1.0", "rollback")
    assert record.superseded("fm", "1.0") == ["1.2", "1.1"]
    record.add("fm", "1.2", "rollout")
    assert record.superseded("fm", "1.2") == ["1.0", "1.1"]


def test_the_rollout_that_kept_a_version_takes_it_out_when_run_again_without_keep(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.add("fm", "1.0", "found")
    record.add("fm", "1.1", "rollout", keep=True)
    assert record.superseded("fm", "1.1") == ["1.0"]
