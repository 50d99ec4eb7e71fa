"""Opens the wizard: its state, the terminal, the process around it."""

from __future__ import annotations

from pathlib import Path

from engine.messages import bad_input, nearest
from engine.presets import find_preset
from engine.runs import logs_folder
from tui.state import load_state
from tui.terminal import own_terminal, prepare_children
from tui.text import LANGUAGES, PSEUDO


def open_wizard(
    workspace: Path, *, data: str | None = None, preset: str | None = None, language: str | None = None
) -> int:
    """Run the wizard to its end; the exit code. What is given takes the place of what was entered the last time.

    Raises:
        BadInput: no such preset or language.
    """
    state = load_state(workspace)
    offer = state.begun and data is None and preset is None
    if data is not None and data != state.data:
        state.forget()
        state.data = data
    if preset is not None:
        state.preset, state.settings = find_preset(preset, workspace).name, {}
    if language is not None:
        if language not in (*LANGUAGES, PSEUDO):
            raise bad_input(
                "wizard.language",
                "--lang: {language} is not spoken here; the nearest is {nearest}.",
                language=language,
                nearest=nearest(language, LANGUAGES) or "en",
            )
        state.language = language
    from tui.app import Freezetui

    prepare_children()
    with own_terminal(logs_folder(workspace) / "wizard.log"):
        app = Freezetui(state, workspace, offer=offer)
        try:
            app.run()
        except OSError:
            if app.return_value is None:
                raise
            # It has ended, and cannot say so on a terminal that is closed.
    return app.return_value or 0
