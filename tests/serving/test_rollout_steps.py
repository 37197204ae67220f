"""The steps of rollouts that fail or are killed between them; nothing here needs TorchServe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from archives import store as archive_store
from archives.contents import version_in
from archives.errors import StoreError
from serving.__main__ import main
from serving.asgi.store import archives_in
from serving.gate import Tolerance
from serving.record import Record
from serving.rollout import Rollout, rollback
from serving.versions import Versions


def rollout(versions: Versions, version: str, warm: Callable[[], None] = lambda: None) -> Rollout:
    """A rollout in which ``warm`` stands in the place of the requests that warm the new version."""
    made = Rollout(versions.server, "fm", version, tolerance=None, drain=0)
    made._warm = warm
    return made


def fails() -> None:
    raise requests.ConnectionError("the worker has died")


def killed() -> None:
    raise SystemExit


def test_a_rollout_that_fails_takes_out_what_it_put_in(versions: Versions) -> None:
    with pytest.raises(requests.ConnectionError):
        rollout(versions, "1.1", fails).run()
    assert versions.registered() == ["1.0"]


def test_a_default_that_somebody_has_deleted_is_asked_for(versions: Versions) -> None:
    (versions.server.store / "fm.mar").unlink()
    made = rollout(versions, "1.1")
    made.tolerance = Tolerance()
    with pytest.raises(StoreError, match=r"fm\.mar is missing, or no archive: .*\(cp .*fm-1\.0\.mar .*fm\.mar\)"):
        made.run()
    assert versions.registered() == ["1.0"]


def test_a_rollout_that_fails_leaves_what_somebody_else_had_put_in(versions: Versions) -> None:
    versions.register_and_wait("1.1")
    with pytest.raises(requests.ConnectionError):
        rollout(versions, "1.1", fails).run()
    assert versions.registered() == ["1.0", "1.1"]


def test_what_a_rollout_left_that_was_killed_before_its_switch_goes_with_the_next(versions: Versions) -> None:
    versions.register_and_wait("1.3")
    with pytest.raises(SystemExit):
        rollout(versions, "1.1", killed).run()
    assert versions.registered() == ["1.0", "1.3", "1.1"]
    rollout(versions, "1.2").run()
    assert versions.registered() == ["1.3", "1.2"], "what was put in by hand is left alone"


def test_what_was_kept_outlives_the_next_rollout(versions: Versions) -> None:
    rollout(versions, "1.1").run()
    kept = rollout(versions, "1.2")
    kept.keep = True
    kept.run()
    rollout(versions, "1.3").run()
    assert versions.registered() == ["1.1", "1.3"]


@pytest.mark.parametrize(("history", "back_to"), [(["1.1"], "1.0"), (["1.1", "1.2"], "1.1")], ids=["two", "three"])
def test_a_rollback_that_was_killed_inside_its_switch_is_completed(versions, history, back_to, monkeypatch) -> None:
    for version in history:
        rollout(versions, version).run()

    def replace(staged: Path, path: Path) -> None:
        if path.suffix == ".mar":
            killed()
        staged.rename(path)

    def back() -> Rollout:
        made = rollback(versions.server, "fm", drain=0)
        made._warm = lambda: None
        return made

    with monkeypatch.context() as patch:
        patch.setattr(archive_store.os, "replace", replace)
        with pytest.raises(SystemExit):
            back().run()
    assert versions.default() == back_to
    assert version_in(versions.server.store / "fm.mar") == history[-1]
    back().run()
    assert versions.default() == version_in(versions.server.store / "fm.mar") == back_to
    assert versions.registered() == [back_to]
    assert Record(versions.server.store).lines("fm")[-1]["version"] == back_to


@pytest.mark.parametrize(("before", "asked", "said"), [("1.0", "rollout", "1.1"), ("1.1", "rollback", "1.0")])
def test_it_is_said_at_once_that_the_default_has_switched(versions, before, asked, said, monkeypatch, capsys) -> None:
    """The wait for the last requests of the version before comes after that, and takes a minute."""
    monkeypatch.setattr(Rollout, "_warm", lambda _: None)
    monkeypatch.setattr("serving.options.ServerOptions.running", lambda _: versions.server)
    rollout(versions, before).run()
    heard: list[str] = []
    monkeypatch.setattr("serving.versions.time.sleep", lambda _: heard.append(capsys.readouterr().out))
    monkeypatch.setattr(Rollout, "_compare", lambda _: None)
    main([asked, "fm", *(["--version", "1.1"] if asked == "rollout" else [])])
    assert f"fm answers with {said} now; waiting for the requests that {before} still has\n" in heard[-1]
    assert f"fm {said} answers\n" not in heard[-1]
    assert capsys.readouterr().out.endswith(f"fm {said} answers\n")


def test_nothing_is_said_of_a_wait_where_no_version_is_waited_for(versions: Versions) -> None:
    said: list[str] = []
    kept = rollout(versions, "1.1")
    kept.keep, kept.say = True, said.append
    kept.run()
    assert said == []


def test_after_a_rollback_a_server_of_either_kind_starts_with_what_it_chose(versions: Versions, monkeypatch) -> None:
    """TorchServe loads fm.mar; our own server loads the newer archives too, by their numbers."""
    monkeypatch.setattr(Rollout, "_warm", lambda _: None)
    for version in ("1.1", "1.2"):
        rollout(versions, version).run()
    store = versions.server.store
    for back_to in ("1.1", "1.0"):
        rollback(versions.server, "fm", drain=0).run()
        assert version_in(store / "fm.mar") == back_to
        assert [one.version for one in archives_in(store) if one.is_default] == [back_to]
        assert [one.version for one in archives_in(store)] == ["1.0", "1.1", "1.2"]
