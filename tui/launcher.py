"""Opens the wizard: loads its state, prepares the terminal, runs the app."""

from __future__ import annotations

import gc
import logging
import os
from contextlib import suppress
from pathlib import Path

from engine.files import make_folder
from engine.messages import BadInput
from engine.workspace import logs_folder
from tui.cli.console import OutputClosed, print_line
from tui.cli.errors import BAD_INPUT, DEFECT, print_error
from tui.terminal.announcer import Announcer
from tui.terminal.graphics import query_graphics
from tui.terminal.stdio import can_show_screens, driver_class, redirect_stdio
from tui.terminal.web import is_web
from tui.text import _, parse_language
from tui.wizard.state import load_state
from tui.wizard.steps import SCREEN_ORDER

GC_THRESHOLDS = (1_000, 10, 50)
"""For Python's garbage collector, which stops the app while it runs: frequent collections of few objects, rare full ones."""


def open_wizard(
    workspace: Path,
    *,
    data: str | None = None,
    preset: str | None = None,
    language: str | None = None,
    watched_run: Path | None = None,
) -> int:
    """Run the wizard until it ends; returns the exit code.

    `data` and `preset` replace what was entered the last time. `language` is that of this session and is not saved.
    `watched_run`: the run of another process that is shown at once.

    Raises:
        BadInput: there is no such preset or language, or the workspace cannot be written to.
    """
    if not can_show_screens():
        print_error(
            _(
                "This terminal (TERM={term}) cannot show the wizard. Set TERM to what it is, for example xterm-256color, or use the "
                "commands; see: freezetui --help",
                term=os.environ.get("TERM", ""),
            )
        )
        return BAD_INPUT
    state = load_state(workspace)
    offer_resume = state.has_entries and data is None and preset is None and watched_run is None
    if not offer_resume:
        state.screen_name = SCREEN_ORDER[0]
    if watched_run is not None:
        if state.data is None:
            from tui.wizard.train_again import use_data_of

            with suppress(BadInput):  # the run is watched all the same
                use_data_of(state, watched_run)
        state.visit("train")
    if data is not None and data != state.data:
        state.set_data(data)
    if preset is not None:
        from engine.recipe.presets import find_preset

        state.preset, state.settings = find_preset(preset, workspace).name, {}
        state.preset_origin = "chosen"
    own_language = None if language is None else parse_language(language)
    from tui.app import Freezetui

    graphics, announcer = query_graphics(), Announcer()
    log = logs_folder(workspace) / "wizard.log"
    gc.set_threshold(*GC_THRESHOLDS)
    make_folder(log.parent)
    handler = logging.FileHandler(log, encoding="utf-8", delay=True)
    for package in ("engine", "tui"):
        logging.getLogger(package).addHandler(handler)
    with redirect_stdio(log):
        app = Freezetui(
            state,
            workspace,
            offer_resume=offer_resume,
            driver_class=driver_class(lambda: app.hang_up(), announcer),
            graphics=graphics,
            announcer=announcer,
            language=own_language,
            watched_run=watched_run,
        )
        app.run()
    code = app.return_value if app.return_value is not None else app.return_code or 0
    with suppress(BadInput, OutputClosed):  # the terminal may be closed
        for line in app.farewell:
            (print_error if is_web() else print_line)(line)  # standard output is the browser's
    if code == DEFECT:
        print_error(_("The wizard crashed. Please report this, with the file {log}.", log=log))
    if app.preload.is_alive():
        # Everything is saved and closed. Without this, Python would first finish the import of torch.
        os._exit(code)
    return code
