"""The wizard's app: its state, its places, its language; what a place shows is in `tui/screens/`."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.driver import Driver
from textual.message_pump import MessagePump
from textual.reactive import reactive

from engine.messages import BadInput
from tui.cli.errors import STOPPED
from tui.command_palette import Menu
from tui.dialogs.confirm import ConfirmDialog
from tui.dialogs.help import HelpDialog
from tui.dialogs.resume_session import ResumeSessionDialog
from tui.screens.registry import SCREENS
from tui.terminal.stdio import prepare_children
from tui.text import N_, _, language_of_locale, set_language, translate
from tui.wizard.state import WizardState, save_state
from tui.wizard.steps import PLACES
from tui.workers.hardware_monitor import HardwareMonitor

if TYPE_CHECKING:
    from engine.hardware import Hardware, TorchBuild
    from tui.terminal.graphics import Graphics
    from tui.wizard.approved_plan import ApprovedPlan
    from tui.wizard.dataset_inspection import DatasetInspection
    from tui.workers.training_session import TrainingSession

__all__ = ["SCREENS", "Freezetui"]


class Freezetui(App[int]):
    """Ends with the exit code of the command."""

    TITLE = "freezetui"
    CSS_PATH = "wizard.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Menu] | Callable[[], type[Menu]]]] = {Menu}  # type: ignore[assignment]

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+p", "command_palette", N_("menu"), priority=True),
        Binding("ctrl+q", "quit", N_("quit"), show=False, priority=True),
    ]

    hardware: reactive[Hardware | None] = reactive(None, repaint=False)
    """The latest look; screens watch it."""

    def __init__(
        self,
        state: WizardState,
        workspace: Path,
        *,
        offer: bool = False,
        torch_build: TorchBuild | None = None,
        driver_class: type[Driver] | None = None,
        graphics: Graphics | None = None,
    ) -> None:
        """Make the wizard; `run` shows it.

        Args:
            state: what was entered.
            workspace: the folder of logs/ and model_data/.
            offer: `state` is from another day; ask whether to go on with it.
            torch_build: judge the cards by this build instead of the installed one.
            driver_class: Textual's own for this system where it is not given.
            graphics: how the terminal shows pictures; None: out of half blocks.
        """
        super().__init__(driver_class=driver_class)
        self.state = state
        self.workspace = workspace
        self.graphics = graphics
        self._offer = offer
        self.opened: DatasetInspection | None = None
        """The data set that was opened last; whoever uses it compares its source with that of the state."""
        self.chosen: ApprovedPlan | None = None
        """What was agreed to in Review; Train begins with it."""
        self.preload = threading.Thread(target=self._warm, name="warming", daemon=True)
        """Imports the engine; nobody waits for its end."""
        self._live = HardwareMonitor(workspace, self._looked, lambda: self.trains, torch_build)
        self._leaving: int | None = None
        """The exit code, where only a training that is being stopped keeps the wizard from ending."""
        self._left_path_at: str | None = None
        set_language(state.language or language_of_locale())

    @cached_property
    def training(self) -> TrainingSession:
        """What trains in this process. Whoever ends the wizard asks it to stop first."""
        from tui.workers.training_session import (
            TrainingSession,  # the events' types; the first screen needs none of them
        )

        return TrainingSession(self, self.workspace)

    @property
    def trains(self) -> bool:
        """Whether a training runs."""
        return "training" in self.__dict__ and self.training.alive

    def on_mount(self) -> None:
        """Show the first place, then look at the hardware and warm the engine."""
        if self.state.theme in self.available_themes:
            self.theme = str(self.state.theme)
        self.push_screen(SCREENS[self.state.place]())
        if self._offer:
            self.push_screen(ResumeSessionDialog(self.state), self._offered)
        self.call_after_refresh(self._begin_work)
        self._listen_to_signals()

    def _offered(self, go_on: bool | None) -> None:
        if go_on is False:
            self.reset()

    def on_unmount(self) -> None:
        """Look no more. A training goes on in no wizard that is gone: it saves its checkpoint and stops."""
        self._live.stop()
        if self.trains:
            self.training.stop()

    def _begin_work(self) -> None:
        prepare_children()
        self._live.start()
        self.preload.start()

    def _warm(self) -> None:
        """The thread: torch takes seconds to import; whoever needs it first should find it there."""
        try:
            importlib.import_module("engine.runner.start")
            importlib.import_module("engine.training.gc_freeze").import_late_modules()
        except (ImportError, OSError, RuntimeError) as error:  # missing, a library that does not load, versions at odds
            pump: MessagePump = self
            pump.call_later(self._not_warmed, error)
        for place in SCREENS:
            SCREENS[place]

    def _not_warmed(self, error: Exception) -> None:
        sentence = _(
            "torch is installed but cannot be loaded ({reason}); nothing can be trained until it is installed again.",
            reason=f"{type(error).__name__}: {error}",
        )
        self.notify(sentence, severity="error", timeout=60, markup=False)

    def _looked(self, hardware: Hardware) -> None:
        pump: MessagePump = self
        pump.call_later(setattr, self, "hardware", hardware)  # posts a message, which is safe from any thread

    def go_to(self, place: str) -> None:
        """Show a place; what was entered elsewhere is kept."""
        if place not in PLACES and self.state.place in PLACES:
            self._left_path_at = self.state.place
        self.state.reach(place)
        self.keep_state()
        self.switch_screen(SCREENS[place]())

    def back_to_path(self) -> None:
        """From a place beside the path to where it was left."""
        self.go_to(self._left_path_at or self.state.furthest)

    def set_language(self, code: str) -> None:
        """Change the language; the place is made anew in it."""
        self.state.language = code
        set_language(code)
        self.go_to(self.state.place)

    def set_theme(self, theme: str) -> None:
        """Change the theme."""
        self.state.theme = theme
        self.theme = theme
        self.keep_state()

    def reset(self) -> None:
        """Forget what was entered."""
        self.state.forget()
        self.go_to(self.state.place)

    def keep_state(self) -> None:
        """Write the state; a folder that cannot be written to is said, and stops nothing."""
        try:
            save_state(self.state, self.workspace)
        except (BadInput, OSError) as error:
            sentences = (
                [translate(message) for message in error.messages] if isinstance(error, BadInput) else [str(error)]
            )
            self.notify("\n".join(sentences), severity="warning", markup=False)

    def action_explain(self) -> None:
        """More about the field that has the focus, or about the step, also where a question stands before it."""
        below = reversed(self.screen_stack[:-1])
        for one in (*(self.focused or self.screen).ancestors_with_self, *below):
            explain = getattr(one, "explain", None)
            if callable(explain) and (text := explain()):
                self.push_screen(HelpDialog(str(text)))
                return

    def action_command_palette(self) -> None:
        """The menu, in the user's language."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette([Menu], placeholder=_("Type to search ..."), id="--command-palette"))

    def action_help_quit(self) -> None:
        """Ctrl+C is a key here, and people press it to leave."""
        self.notify(_("Ctrl+Q quits. What was entered is kept."), markup=False)

    async def action_quit(self) -> None:
        """Keep the state and end; while something trains, ask first."""
        if not self.trains or self._leaving is not None:
            self.leave(0)
        elif not isinstance(self.screen, ConfirmDialog):
            question = ConfirmDialog(
                _("It still trains."),
                _("Stopping saves a checkpoint after the step that runs; Runs goes on from there."),
                deed=_("Stop and save"),
                key="s",
                else_=_("Keep training"),
            )
            self.push_screen(question, lambda sure: self.leave(STOPPED) if sure else None)

    def leave(self, code: int) -> None:
        """End with this exit code; a training that runs saves its checkpoint first."""
        self.keep_state()
        if not self.trains:
            self.exit(code)
            return
        self._leaving = code
        self.training.stop()
        self.notify(_("Saving a checkpoint, then leaving ..."), timeout=600, markup=False)

    def on_training_session_happened(self, message: TrainingSession.Happened) -> None:
        """Tell the screen; whoever waited for the training's end to leave leaves now."""
        shown = [screen for screen in self.screen_stack if isinstance(screen, SCREENS["train"])]
        for screen in shown:
            screen.happened(message.event)  # type: ignore[attr-defined]
        if message.event is None and self._leaving is not None:
            self.exit(self._leaving)
        elif message.event is None and self.screen not in shown:
            self.notify(_("The training has ended; Train says how."), markup=False)

    def hung_up(self) -> None:
        """The terminal is gone."""
        self.leave(STOPPED)

    def _listen_to_signals(self) -> None:
        """A killed wizard or a closed terminal ends like a stop that was asked for."""
        if sys.platform == "win32":
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with contextlib.suppress(RuntimeError, ValueError):  # not the main thread: the tests' own loops
                loop.add_signal_handler(number, self.leave, STOPPED)
