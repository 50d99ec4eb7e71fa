"""The lock of a run: held by one process, released when it dies, checked without side effects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.messages import BadInput
from engine.runs.lock import is_running, run_lock

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
