"""Entry point of `freezetui` and `python -m tui`."""

from __future__ import annotations

import gc
import os
import sys

GC_THRESHOLDS = (50_000, 10, 10)
"""For Python's garbage collector. torch alone creates a million objects that stay; with Python's default of 700, collecting
would take a tenth of every start."""


def main() -> None:
    """Open the wizard or run a command, and exit with its exit code."""
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        _main()
    finally:
        # At exit Python collects garbage once more; without the million objects of torch that takes a second less.
        gc.freeze()


def _main() -> None:
    from tui.terminal.stdio import prepare_streams

    if not prepare_streams():
        from tui.cli.errors import BAD_INPUT, print_error
        from tui.text import _, language_of_locale, set_language

        set_language(language_of_locale())
        print_error(_("Standard output is closed. To print nowhere, add: > {null}", null=os.devnull))
        sys.exit(BAD_INPUT)
    is_bare = (
        len(sys.argv) == 1 and "_FREEZETUI_COMPLETE" not in os.environ
    )  # a shell asks for completions without arguments
    if is_bare and sys.stdin.isatty() and sys.stdout.isatty():
        # Not through the commands: what they import would delay the first screen.
        from pathlib import Path

        from tui.cli.errors import run_guarded
        from tui.launcher import open_wizard
        from tui.text import language_of_locale, set_language

        set_language(language_of_locale())
        sys.exit(run_guarded(lambda: open_wizard(Path())))
    from tui.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
