"""Opens the wizard: its state, the terminal, the process around it."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from engine.messages import bad_input
from engine.workspace import logs_folder
from tui.cli.errors import DEFECT, print_error
from tui.terminal.graphics import graphics_of_terminal
from tui.terminal.stdio import driver_class, own_terminal
from tui.text import LANGUAGES, PSEUDO, _
from tui.wizard.state import load_state
from tui.wizard.steps import PLACES

SHORT_LOOKS = (1_000, 10, 50)
"""When Python looks for garbage in the wizard, where each look is a moment in which no key acts: at few objects, at all of them
rarely."""


def open_wizard(
    workspace: Path, *, data: str | None = None, preset: str | None = None, language: str | None = None
) -> int:
    """Run the wizard to its end; the exit code. What is given takes the place of what was entered the last time.

    Raises:
        BadInput: no such preset or language.
    """
    state = load_state(workspace)
    offer = state.begun and data is None and preset is None
    if not offer:
        state.place = PLACES[0]
    if data is not None and data != state.data:
        state.take_data(data)
    if preset is not None:
        from engine.recipe.presets import find_preset

        state.preset, state.settings = find_preset(preset, workspace).name, {}
    if language is not None:
        if language not in (*LANGUAGES, PSEUDO):
            raise bad_input(
                "wizard.language",
                "--lang: {language} is not spoken here; the nearest is {nearest}.",
                language=language,
                nearest=next((code for code in LANGUAGES if code[:2] == language[:2].lower()), "en"),
            )
        state.language = language
    from tui.app import Freezetui

    graphics = graphics_of_terminal()
    log = logs_folder(workspace) / "wizard.log"
    gc.set_threshold(*SHORT_LOOKS)
    with own_terminal(log):
        app = Freezetui(state, workspace, offer=offer, driver_class=driver_class(), graphics=graphics)
        app.run()
    code = app.return_value if app.return_value is not None else app.return_code or 0
    if code == DEFECT:
        print_error(_("A defect of freezetui ended the wizard; {log} says where. Please report it.", log=log))
    if app.preload.is_alive():
        # Nothing is open any more, and Python would wait until torch is imported for nothing.
        os._exit(code)
    return code
