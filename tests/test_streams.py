"""Standard streams that are closed, full, gone, or of another encoding; terminals that know no escape sequences; signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import command
from tests.small_training import child_environment
from tui.cli.console import without_controls
from tui.cli.errors import BAD_INPUT, OUT_OF_MEMORY, run_guarded
from tui.cli.run_loop import stop_on_signals
from tui.terminal.stdio import can_show_screens

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams as POSIX knows them")


def shell(redirection: str, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """`freezetui` with its streams as a shell redirects them."""
    line = f'exec "$0" -P -m tui "$@" {redirection}'
    return subprocess.run(
        ["sh", "-c", line, sys.executable, *words], capture_output=True, check=False, env=child_environment(**environment)
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
@pytest.mark.parametrize("words", [("presets",), ("presets", "--json"), ("--help",), ("--version",)])
def test_a_full_disk_behind_the_output_is_a_sentence(words: tuple[str, ...]) -> None:
    done = shell("> /dev/full", *words)
    assert done.returncode == BAD_INPUT
    assert done.stderr == b"Standard output cannot be written (the disk is full).\n"


def test_closed_streams_are_a_sentence_or_do_no_harm() -> None:
    closed = shell(">&-", "presets")
    assert closed.returncode == BAD_INPUT
    assert closed.stderr.startswith(b"Standard output is closed.")
    assert shell("<&- 2>&-", "presets").returncode == 0


def test_what_an_encoding_lacks_is_replaced_and_json_stays_json() -> None:
    done = shell("", "--lang", "zh_CN", "presets", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()


@pytest.mark.parametrize(("term", "is_able"), [("dumb", False), ("", False), ("xterm-256color", True)])
def test_a_terminal_without_escape_sequences_is_told_from_others(
    term: str, is_able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert can_show_screens() == is_able


def test_the_wizard_answers_a_dumb_terminal_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tui.launcher import open_wizard

    monkeypatch.setenv("TERM", "dumb")
    assert open_wizard(tmp_path) == BAD_INPUT
    printed = capsys.readouterr()
    assert "TERM=dumb" in printed.err
    assert "\x1b" not in printed.out + printed.err
    assert list(tmp_path.iterdir()) == []


def test_an_ignored_signal_stays_ignored() -> None:
    from engine.training.control import Control

    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        control = Control()
        with stop_on_signals(control):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not control.stop_requested
            os.kill(os.getpid(), signal.SIGTERM)
            assert control.stop_requested
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_memory_that_runs_out_before_there_is_a_run_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    def command_short_of_memory() -> None:
        raise MemoryError

    assert run_guarded(command_short_of_memory) == OUT_OF_MEMORY
    assert "not enough memory" in capsys.readouterr().err


def test_what_the_system_refuses_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    def command_refused() -> None:
        Path("x" * 300).read_text()

    assert run_guarded(command_refused) == BAD_INPUT
    assert "the name is too long" in capsys.readouterr().err


@pytest.mark.parametrize("logs", ["file", "dangling link"])
def test_logs_that_are_no_folder_are_a_sentence(tmp_path: Path, logs: str) -> None:
    from engine.messages import BadInput
    from engine.runs.folder import make_run_folder

    if logs == "file":
        (tmp_path / "logs").write_text("")
    else:
        (tmp_path / "logs").symlink_to("nowhere/else")
    with pytest.raises(BadInput, match="logs: cannot be created"):
        make_run_folder(tmp_path)


def test_a_shown_preset_has_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.toml").write_text("# \x9b2J\nseed = 3\n", encoding="utf-8")
    shown = command("presets", "show", "mine", "--workspace", str(tmp_path))
    assert shown.returncode == 0
    assert "\x9b" not in shown.stdout
    assert without_controls("a\tb\nc\x1b") == "a\tb\nc\N{REPLACEMENT CHARACTER}"


def test_one_bad_preset_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "good.toml").write_text("seed = 3\n")
    for name, text in {
        "syntax": "seed = ",
        "types": "[preset]\norder = 'first'\n",
        "value": "seed = 2024-01-01\n",
        "digits": f"seed = {'9' * 5000}\n",
        "nested": f"seed = {'[' * 5000}\n",
        "table": "preset = 3\n",
    }.items():
        (tmp_path / "presets" / f"{name}.toml").write_text(text)
    listed = command("presets", "--workspace", str(tmp_path))
    assert listed.returncode == 0
    assert "good" in listed.stdout
    assert "quick-cpu" in listed.stdout
    for name in ("syntax", "types", "value", "digits", "nested", "table"):
        assert f"{name}.toml" in listed.stderr
        assert command("presets", "show", name, "--json", "--workspace", str(tmp_path)).returncode == 2
    assert command("presets", "--json", "--workspace", str(tmp_path)).returncode == 0
