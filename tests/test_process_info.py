"""Why a process ended that left no message."""

from __future__ import annotations

from pathlib import Path

from engine.hardware.process_info import ProcessInfo, current_process_info, kill_reason


def test_the_reason_follows_from_the_boot_and_the_count_of_kills() -> None:
    before = ProcessInfo("boot one", 3)
    assert kill_reason(before, ProcessInfo("boot two", 3)) == "restarted"
    assert kill_reason(before, ProcessInfo("boot one", 4)) == "out_of_memory"
    assert kill_reason(before, before) == "unknown"
    assert kill_reason(ProcessInfo("boot one", None), before) == "unknown"


def test_a_clock_that_was_set_is_not_a_restart() -> None:
    before = ProcessInfo("1795610903", None)
    assert kill_reason(before, ProcessInfo("1795610905", None)) == "unknown"
    assert kill_reason(before, ProcessInfo("1795614903", None)) == "restarted"


def test_boot_and_kills_are_read_from_proc(tmp_path: Path) -> None:
    assert current_process_info() == current_process_info()
    (tmp_path / "proc/sys/kernel/random").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text("abc\n")
    (tmp_path / "proc/vmstat").write_text("nr_free_pages 5\noom_kill 7\n")
    assert current_process_info(tmp_path) == ProcessInfo("abc", 7)
