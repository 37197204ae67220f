import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from archives.contents import version_in
from archives.errors import ArchiveRefused, StoreError
from archives.store import check_default
from serving import answers
from serving import rollout as rollout_module
from serving.config import ROOT
from serving.gate import Tolerance
from serving.management import Management, ManagementError
from serving.record import Record
from serving.rollout import Rollout, RolloutRefused, rollback
from serving.server import Server
from serving.versions import BY_HAND, Versions
from tests.archives.packing import BROKEN, array, read, repack, stored
from tests.archives.test_packed_before import PACKED as PACKED_BEFORE
from tests.serving.programs import killed_rollout

pytestmark = pytest.mark.usefixtures("few_samples")

SERVICE = "recommender/api/service.py"
# TorchServe takes longer, and what these tests state depends little on the host.
SLOW_ON_TORCHSERVE = pytest.mark.parametrize(
    "fm_server", [pytest.param("torchserve", marks=pytest.mark.slow), "asgi"], indirect=True
)
CALM = Tolerance(p99=1e6)  # of a machine that runs other tests: one answer may take any time there


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ROUNDS", 1)
    monkeypatch.setattr(answers, "TIMED", 20)


def served(server: Server) -> tuple[str, list[str], str | None]:
    """The default, all versions, and the version that would answer after a restart."""
    management = Management(server.management)
    versions = sorted(one["modelVersion"] for one in management.versions("fm"))
    return management.describe("fm")["modelVersion"], versions, version_in(server.store / "fm.mar")


def test_a_rollout_replaces_a_version_and_a_rollback_returns(fm: Server) -> None:
    checks, said = [], []
    Rollout(fm, "fm", "1.1", tolerance=CALM, drain=0.5, report=checks.extend, say=said.append).run()
    assert said == ["fm answers with 1.1 now; waiting for the requests that 1.0 still has"]
    assert served(fm) == ("1.1", ["1.1"], "1.1")
    numbers = {check.name: check.new for check in checks}
    assert numbers["correlation"] == pytest.approx(1)
    assert numbers["top-10 overlap"] == 1
    assert numbers["errors"] == 0
    assert numbers["test rmse"] == json.loads(read(fm.store / "fm-1.1.mar", "metrics.json"))["test"]["rmse"]
    rollback(fm, "fm", drain=0).run()
    assert served(fm) == ("1.0", ["1.0"], "1.0")
    assert [line["why"] for line in Record(fm.store).lines("fm")] == ["found", "rollout", "rollback"]
    with pytest.raises(RolloutRefused, match=r"no version of fm answered before 1\.0"):
        rollback(fm, "fm")


def test_an_archive_of_an_earlier_release_is_rolled_out_and_compared_with_one_of_today(fm: Server) -> None:
    archive = Path(shutil.copy(PACKED_BEFORE, fm.store))
    if fm.host == "asgi":
        with pytest.raises(ManagementError, match=r"a release that knew TorchServe alone: pack the model again"):
            Rollout(fm, "fm", "0.9", tolerance=None, drain=0, downgrade=True).run()
        archive.unlink()
        assert served(fm) == ("1.0", ["1.0"], "1.0")
        return
    Rollout(fm, "fm", "0.9", tolerance=None, drain=0, downgrade=True).run()
    assert served(fm) == ("0.9", ["0.9"], "0.9")
    checks = []
    of_another_log = Tolerance(p99=1e6, correlation=-1, overlap=0, unknown=1)
    Rollout(fm, "fm", "1.0", tolerance=of_another_log, drain=0, report=checks.extend).run()
    assert served(fm) == ("1.0", ["1.0"], "1.0")
    assert {"errors", "unknown ids", "correlation", "top-10 overlap", "p99 in ms"} <= {check.name for check in checks}
    archive.unlink()


def test_a_rollout_of_what_is_served_already_changes_nothing(fm: Server) -> None:
    Rollout(fm, "fm", "1.0", drain=0).run()
    assert served(fm) == ("1.0", ["1.0"], "1.0")


@SLOW_ON_TORCHSERVE
def test_an_older_version_needs_a_word_for_it(fm: Server) -> None:
    made_the_default_by_hand(fm, "1.1")
    with pytest.raises(RolloutRefused, match=r"fm 1\.0 is older than the running 1\.1: --downgrade .*make rollback"):
        Rollout(fm, "fm", "1.0", drain=0).run()
    assert served(fm) == ("1.1", ["1.0", "1.1"], "1.0"), "what was refused for its name alone stays registered"
    Rollout(fm, "fm", "1.0", tolerance=None, drain=0, downgrade=True).run()
    assert served(fm)[0] == "1.0"


def made_the_default_by_hand(server: Server, version: str) -> None:
    Versions(server, "fm").register_and_wait(version)
    Management(server.management).set_default("fm", version)


@SLOW_ON_TORCHSERVE
def test_a_default_that_was_set_by_hand_is_rolled_out_and_taken_back_like_any_other(fm: Server) -> None:
    made_the_default_by_hand(fm, "1.1")
    Rollout(fm, "fm", "1.1", drain=0).run()
    assert served(fm) == ("1.1", ["1.1"], "1.1")
    assert [line["version"] for line in Record(fm.store).lines("fm")] == ["1.0", "1.1"]
    rollback(fm, "fm", drain=0).run()
    assert served(fm) == ("1.0", ["1.0"], "1.0")


@SLOW_ON_TORCHSERVE
def test_a_default_that_was_set_by_hand_is_taken_back_at_once(fm: Server) -> None:
    made_the_default_by_hand(fm, "1.1")
    rollback(fm, "fm", drain=0).run()
    assert served(fm) == ("1.0", ["1.0"], "1.0")


@SLOW_ON_TORCHSERVE
def test_what_a_killed_rollout_left_is_retired_by_the_rollout_of_another_version(fm: Server) -> None:
    kill_rollout(fm, "switch", "after")
    archive = repack(fm.store / "fm-1.0.mar", fm.store / "fm-1.2.mar", "1.2")
    Rollout(fm, "fm", "1.2", tolerance=None, drain=0).run()
    archive.unlink()
    assert served(fm) == ("1.2", ["1.2"], "1.2")


@SLOW_ON_TORCHSERVE
@pytest.mark.parametrize("by_hand", [False, True], ids=["served by the disk's default", "by one set by hand"])
def test_a_server_starts_again_whatever_a_killed_rollout_had_pinned(fm: Server, monkeypatch, by_hand: bool) -> None:
    if by_hand:
        made_the_default_by_hand(fm, "1.1")
    pinned = []

    def killed(store: Path, *pin: str) -> None:
        pinned.append(pin[0])
        real(store, *pin)
        check_default(store / "fm.mar")  # what a start would say at this moment

    real = rollout_module.pin
    monkeypatch.setattr(rollout_module, "pin", killed)
    Rollout(fm, "fm", "1.1", tolerance=None, drain=0)._verify()
    assert pinned == ["fm-1.0.mar", "fm-1.1.mar"]


def test_a_kept_version_still_answers_by_its_name(fm: Server) -> None:
    Versions(fm, "fm").register("1.1", BY_HAND)  # found there: a 409
    rollout = Rollout(fm, "fm", "1.1", tolerance=CALM, keep=True)
    rollout.run()
    assert served(fm) == ("1.1", ["1.0", "1.1"], "1.1")
    assert rollout.asker.ask("1.0", {"catalogue": True})["total"]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_a_broken_archive_leaves_the_running_version_alone(fm: Server, broken) -> None:
    archive = broken(fm.store / "fm-1.0.mar", fm.store / "fm-1.2.mar", "1.2")
    before = (fm.store / "fm.mar").read_bytes()
    with pytest.raises(ArchiveRefused, match=BROKEN[broken]):
        Rollout(fm, "fm", "1.2").run()
    archive.unlink()
    assert served(fm) == ("1.0", ["1.0"], "1.0")
    assert (fm.store / "fm.mar").read_bytes() == before


def slower(server: Server) -> dict[str, bytes]:
    """One of 20 batches, once it is warm, takes longer than any machine lets an answer of the running version wait."""
    quick = read(server.store / "fm-1.0.mar", SERVICE).decode()
    first = "        counts = BatchCounts()\n"
    assert first in quick
    slow = "        number = next(BATCHES)\n        if number > 40 and number % 20 == 0: time.sleep(10)\n"
    code = quick.replace(first, slow + first, 1) + "\n\nimport itertools, time\nBATCHES = itertools.count(1)\n"
    return {SERVICE: code.encode()}


def less_accurate(server: Server) -> dict[str, bytes]:
    metrics = json.loads(read(server.store / "fm-1.0.mar", "metrics.json"))
    metrics["test"]["rmse"] *= 1.5
    return {"metrics.json": json.dumps(metrics).encode()}


def shuffled(server: Server) -> dict[str, bytes]:
    encodings = array(server.store / "fm-1.0.mar", "item_encodings")
    return {"item_encodings.npy": stored(np.concatenate([encodings[:1], encodings[:0:-1]]))}


@pytest.mark.parametrize(
    ("change", "tolerance", "reason"),
    [
        (slower, Tolerance(p99=0.1), r"p99 in ms is \S{4,} \(the running 1\.0 has"),
        (less_accurate, CALM, r"test rmse is \d\.\d+ \(the running 1\.0 has \d\.\d+\), allowed is at most"),
        pytest.param(shuffled, CALM, r"correlation is -?0\.\d+, allowed is at least 0\.5", marks=pytest.mark.slow),
    ],
    ids=["slower", "less accurate", "shuffled"],
)
def test_a_worse_version_is_refused_with_the_number(fm: Server, change, tolerance: Tolerance, reason: str) -> None:
    archive = repack(fm.store / "fm-1.0.mar", fm.store / "fm-1.2.mar", "1.2", change(fm))
    with pytest.raises(RolloutRefused, match=reason):
        Rollout(fm, "fm", "1.2", tolerance=tolerance).run()
    archive.unlink()
    assert served(fm) == ("1.0", ["1.0"], "1.0")


def kill_rollout(server: Server, step: str, when: str) -> None:
    arguments = [str(server.store), str(server.home), step, when, str(server.home / "config.properties")]
    result = subprocess.run([sys.executable, "-m", killed_rollout.__name__, *arguments], cwd=ROOT)
    assert result.returncode == killed_rollout.KILLED


STEPS = [name for name, _ in Rollout.steps(Rollout.__new__(Rollout))]
MOMENTS = [("switch", "inside"), *((step, "after") for step in STEPS)]
FAST = [("switch", "inside")]


@pytest.mark.parametrize(
    ("step", "when"),
    [pytest.param(*moment, marks=() if moment in FAST else pytest.mark.slow) for moment in MOMENTS],
)
def test_a_rollout_that_was_killed_completes_when_it_is_run_again(fm: Server, step: str, when: str) -> None:
    kill_rollout(fm, step, when)
    Rollout(fm, "fm", "1.1", tolerance=CALM, drain=0).run()
    assert served(fm) == ("1.1", ["1.1"], "1.1")
    assert [line["version"] for line in Record(fm.store).lines("fm")] == ["1.0", "1.1"]
    assert not list(fm.store.glob(".*"))


@pytest.fixture
def small_disk(fm: Server, tmp_path: Path):
    """The server's store seen through a tmpfs of 7 MB that holds copies of its archives and little else."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", mounted], capture_output=True).returncode:
        pytest.skip("mounting needs root")
    for name in ("fm-1.1.mar", "fm.mar"):
        (mounted / name).write_bytes((fm.store / name).read_bytes())
    yield mounted
    subprocess.run(["umount", mounted], check=True)


@SLOW_ON_TORCHSERVE
def test_a_full_disk_is_a_clear_error_and_nothing_is_half_written(fm: Server, small_disk: Path) -> None:
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize))
    before = {path.name: path.read_bytes() for path in small_disk.iterdir()}
    rollout = Rollout(fm, "fm", "1.1", tolerance=None, drain=0)
    rollout.store, rollout.default, rollout.record = small_disk, small_disk / "fm.mar", Record(small_disk)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\)"):
        rollout.run()
    with pytest.raises(StoreError, match=r"fm.mar cannot be written \(No space left on device\)"):
        rollout._switch()
    assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == before
    assert served(fm) == ("1.0", ["1.0"], "1.0")


@SLOW_ON_TORCHSERVE
def test_a_read_only_store_is_a_clear_error(fm: Server, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    rollout = Rollout(fm, "fm", "1.1", tolerance=None, drain=0)
    rollout.store, rollout.default, rollout.record = small_disk, small_disk / "fm.mar", Record(small_disk)
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\)"):
        rollout.run()
    assert served(fm) == ("1.0", ["1.0"], "1.0")


def test_the_same_default_answers_after_a_restart(fm: Server) -> None:
    Rollout(fm, "fm", "1.1", tolerance=None, drain=0).run()
    process = fm.process()
    process.kill()
    process.wait()
    fm.start()
    # Our own server serves every pinned archive of the store by its number.
    assert served(fm) == ("1.1", ["1.1"] if fm.host == "torchserve" else ["1.0", "1.1"], "1.1")
