"""The lock of a run: held by one process, released when it dies, checked without side effects."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.messages import BadInput
from engine.runs.delete import delete_run, sweep_deleted_runs
from engine.runs.folder import PLAN
from engine.runs.live import other_trainings
from engine.runs.lock import is_running, run_lock, write_process_info

PROJECT = Path(__file__).parent.parent

HOLD = """
import sys
from pathlib import Path
from engine.runs.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another_process(run: Path) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_second_process_is_refused_and_told_who_holds_the_run(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as holder:
        assert is_running(tmp_path)
        with (
            pytest.raises(BadInput, match=f"process {holder.pid} is training into this run") as refused,
            run_lock(tmp_path),
        ):
            pass
        assert refused.value.messages[0].code == "run.busy"
        assert is_running(tmp_path), "neither looking nor a refused attempt takes the lock away"


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as holder:
        holder.kill()
        holder.wait()
        assert not is_running(tmp_path)
        with run_lock(tmp_path):
            assert is_running(tmp_path)
    assert not is_running(tmp_path)


def test_looking_makes_no_file_and_needs_no_right_to_write(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with run_lock(tmp_path):
        pass
    (tmp_path / "run.lock").chmod(0o444)
    assert not is_running(tmp_path)


def test_a_lock_file_of_an_older_version_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("123456\n")
    assert not is_running(tmp_path)
    with run_lock(tmp_path):
        assert (tmp_path / "run.lock").read_text().split() == [str(os.getpid())]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert not is_running(tmp_path / "missing")
    with pytest.raises(OSError, match="missing"), run_lock(tmp_path / "missing"):
        pass


def test_two_processes_that_list_runs_do_not_take_each_other_for_a_training(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        pass
    with (tmp_path / "run.lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_running(tmp_path)


def test_a_run_that_was_deleted_while_another_process_waited_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    held, flock = run_lock(run), fcntl.flock

    def delete_before(descriptor: int, operation: int) -> None:
        (run / "run.lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", delete_before)
    with pytest.raises(BadInput, match="deleted or renamed"), held:
        pass


class TestWithoutLocksOfTheFileSystem:
    """As on some network file systems."""

    @pytest.fixture(autouse=True)
    def _no_flock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_descriptor: int, _operation: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)

    def test_a_file_keeps_others_out(self, tmp_path: Path) -> None:
        with run_lock(tmp_path):
            write_process_info(tmp_path)
            assert is_running(tmp_path)
            with pytest.raises(BadInput, match=f"process {os.getpid()} is training"), run_lock(tmp_path):
                pass
            assert is_running(tmp_path)
        assert not is_running(tmp_path)
        with run_lock(tmp_path):
            pass

    def test_the_file_of_a_process_that_died_keeps_nobody_out(self, tmp_path: Path) -> None:
        script = (
            "import errno, fcntl, os, sys; from pathlib import Path; from engine.runs.lock import *\n"
            "def refuse(*_): raise OSError(errno.ENOLCK, '')\n"
            "fcntl.flock = refuse\n"
            "with run_lock(Path(sys.argv[1])): write_process_info(Path(sys.argv[1])); os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=PROJECT, check=True)
        assert (tmp_path / "run.owner").exists()
        assert not is_running(tmp_path)
        with run_lock(tmp_path):
            write_process_info(tmp_path)
            assert is_running(tmp_path)

    def test_a_process_on_another_machine_is_not_taken_for_dead(self, tmp_path: Path) -> None:
        with run_lock(tmp_path):
            write_process_info(tmp_path)
            stored = json.loads((tmp_path / "process.json").read_text())
            (tmp_path / "process.json").write_text(json.dumps({**stored, "host": "elsewhere"}))
            assert is_running(tmp_path)
            with pytest.raises(BadInput, match=r"on the machine elsewhere .* delete .*run\.owner"), run_lock(tmp_path):
                pass


def test_the_trainings_of_other_processes_are_found_in_this_workspace_and_elsewhere(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here" / "logs" / "loss_a", tmp_path / "elsewhere" / "logs" / "loss_b"
    for run in (here, elsewhere):
        run.mkdir(parents=True)
        (run / PLAN).write_text("{}")
    with held_by_another_process(here) as holder, held_by_another_process(elsewhere) as other:
        found = {each.run: each for each in other_trainings(tmp_path / "here")}
        assert found[here.resolve()].pid == holder.pid
        assert (found[here.resolve()].memory_bytes or 0) > 2**20
        if sys.platform == "linux":
            assert found[elsewhere.resolve()].pid == other.pid
    left = {each.run for each in other_trainings(tmp_path / "here")}
    assert not left & {here.resolve(), elsewhere.resolve()}


RACE = """
import itertools, os, random, sys, time
from pathlib import Path
from engine.messages import BadInput
from engine.runs import delete, lock
from engine.runs.delete import delete_run, sweep_deleted_runs
from engine.runs.folder import PLAN
from engine.runs.lock import is_running, run_lock

run, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
FILES = {lock.__file__, delete.__file__, os.path.realpath(__file__) if "__file__" in globals() else ""}

def delay(frame, event, _argument):
    if frame.f_code.co_filename not in FILES:
        return None
    if event == "line" and random.random() < 0.3:
        time.sleep(random.random() * 0.001)
    return delay

sys.settrace(delay)
tries = alone = 0
end = time.monotonic() + seconds
while time.monotonic() < end or not tries:
    tries += 1
    try:
        if random.random() < 0.3:
            is_running(run)
        elif random.random() < 0.15:
            delete_run(run)
        else:
            run.mkdir(exist_ok=True)
            with run_lock(run):
                marker = run / "trains"
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))  # fails where another trains
                time.sleep(random.random() * 0.001)
                assert marker.exists(), "deleted while it trained"
                marker.unlink()
                (run / PLAN).write_text("{}")
                alone += 1
    except (BadInput, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError) and "trains" in str(error.filename):
            raise
print(tries, alone)
"""


def test_never_two_trainers_whatever_happens_between_a_check_and_the_lock(tmp_path: Path) -> None:
    """Three processes lock, list and delete one run, with a delay at any line of the lock and of the deletion."""
    seconds = "40" if "FREEZETUI_FUZZ" in os.environ else "2"
    run = tmp_path / "run"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(run), seconds, str(seed)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    outputs = [racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 3, "\n".join(stderr for _stdout, stderr in outputs)
    tries, alone = (sum(int(stdout.split()[n]) for stdout, _stderr in outputs) for n in (0, 1))
    assert tries >= (1000 if "FREEZETUI_FUZZ" in os.environ else 20)
    assert alone


def test_a_deletion_that_was_interrupted_is_finished_later(tmp_path: Path) -> None:
    from engine.runs.summary import list_runs

    logs = tmp_path / "logs"
    for name in (".loss_a.deleted", "loss_b", "loss_c"):
        (logs / name).mkdir(parents=True)
    (logs / ".loss_a.deleted" / "last.ckpt").write_text("")
    (logs / "loss_b" / f".{PLAN}.deleted").write_text("{}")
    (logs / "loss_b" / "events.jsonl").write_text("")
    (logs / "loss_c" / PLAN).write_text("{}")
    assert [run.name for run in list_runs(tmp_path)] == ["loss_c"]
    assert [folder.name for folder in logs.iterdir()] == ["loss_c"]


def test_a_run_with_a_name_as_long_as_names_can_be_is_deleted(tmp_path: Path) -> None:
    run = tmp_path / ("名" * 85)
    run.mkdir()
    (run / PLAN).write_text("{}")
    delete_run(run)
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_killed_before_its_plan_leaves_is_swept_and_nothing_else(tmp_path: Path) -> None:
    def make(name: str, *files: str, lock: bytes = b" 1\n") -> None:
        (tmp_path / "logs" / name).mkdir(parents=True)
        for file in files:
            (tmp_path / "logs" / name / file).write_text("")
        (tmp_path / "logs" / name / "run.lock").write_bytes(lock)

    make("killed", "classes.txt", "dataset.json", "recipe.toml", f".{PLAN}.vm.1.0123abcd.part")
    make("not_locked_yet", lock=b"")
    make("lost_its_plan", "classes.txt", "last.ckpt")
    make("has_notes", "classes.txt", "notes.txt")
    make("is_being_made", "classes.txt")
    logs = tmp_path / "logs"
    for name in ("loss_2026_01_02_03_04_05", "loss_2026_01_02_03_04_05_1", "mine", "loss_2026_01_02_03_04_06"):
        (logs / name).mkdir()
    (logs / "loss_2026_01_02_03_04_05_1" / "run.lock").touch()
    for name in ("loss_2026_01_02_03_04_05", "loss_2026_01_02_03_04_05_1", "mine"):
        os.utime(logs / name, (1e9, 1e9))  # of a process that was killed before it could lock its folder
    with run_lock(tmp_path / "logs" / "is_being_made"):
        sweep_deleted_runs(tmp_path)
    left = {folder.name for folder in (tmp_path / "logs").iterdir()}
    new = "loss_2026_01_02_03_04_06"
    assert left == {"not_locked_yet", "lost_its_plan", "has_notes", "is_being_made", "mine", new}
