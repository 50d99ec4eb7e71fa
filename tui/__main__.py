"""The way in, for `freezetui` and `python -m tui`."""

from __future__ import annotations

import gc
import sys

RARE_LOOKS = (50_000, 10, 10)
"""When Python looks for garbage: torch alone makes a million objects that stay, and with Python's own 700 its looks at them
would be a tenth of each start."""


def main() -> None:
    """Open the wizard, or run a command; the exit code says how it ended."""
    gc.set_threshold(*RARE_LOOKS)
    try:
        _main()
    finally:
        # Python looks for garbage a last time at its end, at torch's million objects too: a second for nothing.
        gc.freeze()


def _main() -> None:
    if len(sys.argv) == 1 and sys.stdin.isatty() and sys.stdout.isatty():
        # Not by way of the commands: what they need would keep the first screen waiting.
        from pathlib import Path

        from tui.cli.errors import run_guarded
        from tui.launcher import open_wizard

        sys.exit(run_guarded(lambda: open_wizard(Path())))
    from tui.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
