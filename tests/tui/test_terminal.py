"""The wizard in a real terminal: how it ends, what it leaves behind, colours, and what happens without a terminal."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

pytest.importorskip("termios", reason="pseudo-terminals are POSIX's")

from engine.dataset.sample_dataset import draw_sample_dataset
from tests.small_training import PROJECT, freezetui
from tests.tui.terminal_session import session
from tui.terminal.graphics import may_show_graphics
from tui.wizard.state import WizardState, load_state, save_state

FIRST = "Hardware of this machine"
RESTORED = b"\x1b[?1049l"  # leaves the alternate screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal_keeps_the_state_and_ends_with_130(
    tmp_path: Path, number: signal.Signals
) -> None:
    data = tmp_path / "some [where]"
    data.mkdir()
    with session("--workspace", tmp_path, "--lang", "en", "--data", data) as terminal:
        before = terminal.modes
        terminal.see(FIRST)
        assert terminal.modes != before
        terminal.kill(number)
        assert terminal.ended() == 130
        assert terminal.modes == before
        assert RESTORED in terminal.printed
        assert b"Traceback" not in terminal.printed
    assert load_state(tmp_path).data == str(data)


def test_a_terminal_that_is_closed_ends_the_wizard_with_its_state_kept(tmp_path: Path) -> None:
    with session("--workspace", tmp_path, "--lang", "en", "--data", tmp_path) as terminal:
        terminal.see(FIRST)
        terminal.hang_up()
        assert terminal.ended() == 130
    assert load_state(tmp_path).data == str(tmp_path)
    assert "Traceback" not in (tmp_path / "logs" / "wizard.log").read_text()


def test_ctrl_q_leaves_at_once_with_0(tmp_path: Path) -> None:
    with session("--workspace", tmp_path, "--lang", "en") as terminal:
        before = terminal.modes
        terminal.see(FIRST)
        terminal.press("\x11")
        assert terminal.ended() == 0
        assert terminal.modes == before


def test_the_language_is_the_locales_or_that_of_the_option(tmp_path: Path) -> None:
    with session("--workspace", tmp_path, LC_ALL="zh_CN.UTF-8") as terminal:
        terminal.see("这台机器的配置")
    with session("--workspace", tmp_path, "--lang", "en", LC_ALL="zh_CN.UTF-8") as terminal:
        terminal.see(FIRST)


def test_the_language_of_the_option_is_not_kept(tmp_path: Path) -> None:
    save_state(WizardState(language="en"), tmp_path)
    with session("--workspace", tmp_path, "--lang", "zh_CN", "--data", tmp_path) as terminal:
        terminal.see("这台机器的配置")
        terminal.press("\x11")
        assert terminal.ended() == 0
    assert load_state(tmp_path).language == "en"
    assert load_state(tmp_path).data == str(tmp_path)


def test_a_language_that_is_not_spoken_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with session("--workspace", tmp_path, "--lang", "zh") as terminal:
        assert terminal.ended() == 2
        assert b"did you mean zh_CN?" in terminal.printed


def test_no_color_is_honoured(tmp_path: Path) -> None:
    coloured = re.compile(rb"\x1b\[[0-9;]*[34]8;2;(\d+);(\d+);(\d+)")
    with session("--workspace", tmp_path, "--lang", "en", NO_COLOR="1") as terminal:
        terminal.see("Recommended")
        shades = {found for found in coloured.findall(terminal.printed) if len(set(found)) > 1}
        assert shades == set()
    with session("--workspace", tmp_path, "--lang", "en") as terminal:
        terminal.see("Recommended")
        assert any(len(set(found)) > 1 for found in coloured.findall(terminal.printed))


@pytest.mark.parametrize(
    ("environment", "current", "other"),
    [
        ({}, rb"1;38;2;37;37;40;48;2;228;228;230m", rb"38;2;168;168;174;48;2;37;37;40m"),
        ({"NO_COLOR": "1"}, rb"1;38;2;37;37;37;48;2;228;228;228m", rb"38;2;168;168;168;48;2;37;37;37m"),
        ({"TERM": "xterm-16color", "COLORTERM": ""}, rb"1;30;107m", rb"37;40m"),
    ],
    ids=["true colour", "no colour", "16 colours"],
)
def test_the_current_step_is_the_strongest_and_every_step_is_seen(
    tmp_path: Path, environment: dict[str, str], current: bytes, other: bytes
) -> None:
    with session("--workspace", tmp_path, "--lang", "en", **environment) as terminal:
        terminal.see("Recommended")
    assert re.search(rb"\x1b\[" + current + "● Hardware".encode(), terminal.printed)
    assert re.search(rb"\x1b\[" + other + b"2 Data", terminal.printed)


def test_the_first_line_does_not_flash_when_the_screen_changes(tmp_path: Path) -> None:
    first_line = b"\x1b[1;1H"
    with session("--workspace", tmp_path, "--lang", "en") as terminal:
        terminal.see("Recommended")
        terminal.press("\r")
        terminal.see("Enter uses the sample set")
    after = terminal.printed.partition("● Data".encode())[2]
    unfinished = after.partition(b"Choose the training images")[0]
    assert first_line not in unfinished, "the first paint of a screen has all of it"
    assert after.count(first_line) <= 2


def test_libraries_that_print_do_not_draw_over_the_screen(tmp_path: Path) -> None:
    loud = tmp_path / "loud" / "torch"
    loud.mkdir(parents=True)
    (loud / "__init__.py").write_text(
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None)\n"
        "for number in (1, 2):\n"
        "    os.write(number, b'\\x1b[2J descriptor %d speaks\\n' % number)\n"
        "libc.puts(b'C speaks')\n"
        "libc.fflush(None)\n"
        "os.system('echo a child speaks >&2')\n"
        "print('Python speaks', file=sys.__stderr__ and sys.stderr, flush=True)\n"
        "raise ImportError('end of torch')\n"
    )
    with session(
        "--workspace", tmp_path, "--lang", "en", size=(140, 40), PYTHONPATH=f"{loud.parent}:{PROJECT}"
    ) as terminal:
        terminal.see("end of torch")
        terminal.press("\x11")
        assert terminal.ended() == 0
    assert b"speaks" not in terminal.printed
    log = (tmp_path / "logs" / "wizard.log").read_text()
    for voice in ("descriptor 1", "descriptor 2", "C", "a child"):
        assert f"{voice} speaks" in log


def test_sighup_stays_ignored_under_nohup(tmp_path: Path) -> None:
    with session("--workspace", tmp_path, "--lang", "en", nohup=True) as terminal:
        terminal.see(FIRST)
        terminal.kill(signal.SIGHUP)
        terminal.press("\r")
        terminal.see("Choose the training images")
        terminal.press("\x11")
        assert terminal.ended() == 0


def test_the_title_is_set_and_the_old_one_restored(tmp_path: Path) -> None:
    with session("--workspace", tmp_path, "--lang", "en", TMUX="") as terminal:
        terminal.see("\x1b[22;2t\x1b]2;freezetui\x07")
        terminal.press("\x11")
        assert terminal.ended() == 0
        assert terminal.printed.count(b"\x1b[23;2t") == 1
        assert terminal.printed.index(b"\x1b[23;2t") < terminal.printed.index(RESTORED)


def test_the_size_of_the_terminal_is_followed(tmp_path: Path) -> None:
    with session("--workspace", tmp_path, "--lang", "en", size=(60, 20)) as terminal:
        terminal.see("60x20")
        terminal.resize(70, 22)
        terminal.see("70x22")
        terminal.resize(130, 44)
        terminal.see(FIRST)


def test_another_day_enter_goes_on_where_one_left(tmp_path: Path) -> None:
    save_state(WizardState(data="somewhere", screen_name="recipe", furthest_screen="recipe", language="en"), tmp_path)
    with session("--workspace", tmp_path) as terminal:
        terminal.see("Continue your last session?")
        terminal.press("\r")
        terminal.press("\x11")
        assert terminal.ended() == 0
    assert load_state(tmp_path).screen_name == "recipe"


def test_without_a_terminal_the_help_is_printed(tmp_path: Path) -> None:
    done = freezetui("--workspace", str(tmp_path))
    assert done.returncode == 0
    assert "Without a command: the wizard." in " ".join(done.stdout.split())
    assert not (tmp_path / "logs").exists()


def test_a_torch_that_cannot_be_loaded_is_said_in_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libbroken.so: cannot open shared object file')\n")
    with session(
        "--workspace", tmp_path, "--lang", "en", size=(140, 40), PYTHONPATH=f"{broken.parent}:{PROJECT}"
    ) as terminal:
        terminal.see("libbroken.so")
        terminal.press("\x11")
        assert terminal.ended() == 0
        assert b"Traceback" not in terminal.printed


@pytest.mark.parametrize(
    ("environment", "able"),
    [
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM": "xterm-256color", "WT_SESSION": "1"}, True),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/tmux"}, False),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, False),
        ({}, False),
    ],
)
def test_only_terminals_that_call_themselves_able_are_asked_for_graphics(
    environment: dict[str, str], able: bool
) -> None:
    assert may_show_graphics(environment) is able


KITTY_SAYS_YES = "\x1b[?62c" + "\x1b_Gi=1;OK\x1b\\"
SIXEL_SAYS_YES = "\x1b[?62;4c"


@pytest.mark.parametrize(
    ("answers", "begins"), [(SIXEL_SAYS_YES, b"\x1bP"), (KITTY_SAYS_YES, b"\x1b_Ga=p,"), ("", None)]
)
def test_a_terminal_with_graphics_gets_a_real_picture(tmp_path: Path, answers: str, begins: bytes | None) -> None:
    draw_sample_dataset(tmp_path / "data", 8)
    save_state(
        WizardState(data=str(tmp_path / "data"), screen_name="data", furthest_screen="data", language="en"), tmp_path
    )
    with session("--workspace", tmp_path, size=(120, 40), TERM_PROGRAM="ghostty") as terminal:
        terminal.press(answers)  # what the terminal will be asked is answered before it is asked
        terminal.see("Continue your last session?")
        terminal.press("\r")
        terminal.see("F4 ◂ 1 of 8 ▸ F5")
        if begins is None:
            terminal.see("▀")
        else:
            terminal.see(begins.decode())
        terminal.press("\x11")
        assert terminal.ended() == 0
        assert ("▀".encode() in terminal.printed) is (begins is None)
