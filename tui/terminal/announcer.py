"""What a terminal is told besides its screen: the title of its window, the bell, a desktop notification."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

SWITCH = "FREEZETUI_ANNOUNCE"
"""The environment variable that turns all of it off: `off`, `no`, `false` or `0`."""
MAX_LENGTH = 200
"""Characters of a title or notification; terminals cut or drop longer ones."""

_OFF = ("off", "no", "false", "0")
_WITHOUT_OSC = ("", "dumb", "unknown", "linux", "cons25")
"""Values of TERM whose terminals print such sequences as text; `linux` is the console without a window."""
_KNOWS_OSC_9 = ("iTerm.app", "WezTerm", "ghostty", "vscode")
"""Programs that understand OSC 9. Some understand OSC 777 too and would show a notification twice."""
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
_BELL = "\x07"
_SAVE_TITLE, _RESTORE_TITLE = "\x1b[22;2t", "\x1b[23;2t"


def one_line(text: str) -> str:
    """`text` without control characters: nothing in it can end the sequence that it is part of."""
    return " ".join(_CONTROLS.sub(" ", text).split())[:MAX_LENGTH]


def may_announce(environment: Mapping[str, str]) -> bool:
    """Whether the user wants titles and notifications, and the terminal may know them."""
    return environment.get(SWITCH, "").lower() not in _OFF and environment.get("TERM", "") not in _WITHOUT_OSC


class Announcer:
    """Writes titles and notifications while it is attached to a terminal; otherwise does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """`environment` says which terminal it is and what the user wants."""
        self._is_on = may_announce(environment)
        self._rings = environment.get(SWITCH, "").lower() not in _OFF
        self._in_tmux = bool(environment.get("TMUX"))
        knows_osc_9 = environment.get("TERM_PROGRAM") in _KNOWS_OSC_9 or bool(environment.get("KITTY_WINDOW_ID"))
        self._only_osc_9 = knows_osc_9 and not self._in_tmux
        self._write: Callable[[str], object] | None = None
        self._show_title: Callable[[str], object] | None = None
        self._title: str | None = None

    def attach(self, write: Callable[[str], object], show_title: Callable[[str], object] | None = None) -> None:
        """Write to a terminal from now on. `show_title` shows titles where escape sequences do not."""
        self._write, self._show_title = write, show_title

    def detach(self) -> None:
        """Restore the terminal's title and write no more."""
        write, self._write = self._write, None
        if write is not None and self._title is not None and self._show_title is None:
            # Terminals without a stack of titles ignore the second one; an empty title is their default.
            write(_title_sequence("") + _RESTORE_TITLE)

    def set_title(self, title: str) -> None:
        """Set the title of the terminal's window, if it is another one. The first time, the terminal saves the one it has."""
        if self._write is None or not self._is_on or title == self._title:
            return
        if self._show_title is not None:
            self._show_title(one_line(title))
        else:
            self._write((_SAVE_TITLE if self._title is None else "") + _title_sequence(title))
        self._title = title

    def announce(self, text: str) -> None:
        """Ring the bell and show a desktop notification."""
        if self._write is None or not self._rings:
            return
        self._write(_BELL)
        if self._is_on:
            for sequence in self._notifications(one_line(text)):
                self._write(f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\" if self._in_tmux else sequence)

    def _notifications(self, text: str) -> list[str]:
        # ConEmu and Windows Terminal take OSC 9 with a number as a command, so the name comes first.
        osc_9 = f"\x1b]9;freezetui: {text}{_BELL}"
        return [osc_9] if self._only_osc_9 else [osc_9, f"\x1b]777;notify;freezetui;{text}{_BELL}"]


def _title_sequence(title: str) -> str:
    return f"\x1b]2;{one_line(title)}{_BELL}"
