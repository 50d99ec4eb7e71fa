"""The wizard's app: its state, its places, its language; what a place shows is in `tui/screens/`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.message_pump import MessagePump
from textual.reactive import reactive

from engine.hardware import Hardware
from engine.messages import BadInput
from tui.live_hardware import LiveHardware
from tui.menu import Menu
from tui.path import PLACES
from tui.screens.data import DataStep
from tui.screens.explanation import ExplanationScreen
from tui.screens.going_on import GoingOnScreen
from tui.screens.hardware import HardwareStep
from tui.screens.question import QuestionScreen
from tui.screens.recipe import RecipeStep
from tui.screens.results import ResultsStep
from tui.screens.review import ReviewStep
from tui.screens.runs import RunsStep
from tui.screens.step import Step
from tui.screens.train import TrainStep
from tui.screens.tune import TuneStep
from tui.screens.weights import WeightsStep
from tui.session import TrainingSession
from tui.state import WizardState, save_state
from tui.text import N_, _, language_of_locale, set_language, worded

if TYPE_CHECKING:
    from tui.chosen import Chosen

STEPS: dict[str, type[Step]] = {
    step.place: step
    for step in (
        HardwareStep,
        DataStep,
        WeightsStep,
        RecipeStep,
        TuneStep,
        ReviewStep,
        TrainStep,
        ResultsStep,
        RunsStep,
    )
}


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

    hardware: reactive[Hardware | None] = reactive(None)
    """The latest look; screens watch it."""

    def __init__(self, state: WizardState, workspace: Path, *, offer: bool = False) -> None:
        """`offer`: `state` is from another day; ask whether to go on with it."""
        super().__init__()
        self.state = state
        self.workspace = workspace
        self._offer = offer
        self.training = TrainingSession(self, workspace)
        """What trains in this process. Whoever ends the wizard asks it to stop first."""
        self.chosen: Chosen | None = None
        """What Review has agreed to and Train begins."""
        self.left = state.place if state.place in PLACES else state.furthest
        """The place of the path from which one went to Runs."""
        self._quitting = False
        self._live = LiveHardware(workspace, self._looked)
        set_language(state.language or language_of_locale())

    def on_mount(self) -> None:
        """Show the first place, then look at the hardware and warm the engine."""
        if self.state.theme in self.available_themes:
            self.theme = str(self.state.theme)
        self.push_screen(STEPS[self.state.place]())
        if self._offer:
            self.push_screen(GoingOnScreen(self.state), self._offered)
        self.call_after_refresh(self._begin_work)
        self._listen_to_signals()

    def _offered(self, go_on: bool | None) -> None:
        if go_on is False:
            self.begin_anew()

    def on_unmount(self) -> None:
        """Look no more."""
        self._live.stop()

    def _begin_work(self) -> None:
        self._live.start()
        # torch takes seconds to import; whoever needs it first should find it there.
        self.run_worker(_warm_engine, thread=True, group="warming", exit_on_error=False)

    def _looked(self, hardware: Hardware) -> None:
        pump: MessagePump = self
        pump.call_later(setattr, self, "hardware", hardware)  # posts a message, which is safe from any thread

    def go_to(self, place: str) -> None:
        """Show a place; what was entered elsewhere is kept."""
        if self.state.place in PLACES:
            self.left = self.state.place
        self.state.reach(place)
        self.keep_state()
        self.switch_screen(STEPS[place]())

    def speak(self, code: str) -> None:
        """Change the language; the place is made anew in it."""
        self.state.language = code
        set_language(code)
        self.go_to(self.state.place)

    def wear(self, theme: str) -> None:
        """Change the theme."""
        self.state.theme = theme
        self.theme = theme
        self.keep_state()

    def begin_anew(self) -> None:
        """Forget what was entered."""
        self.state.forget()
        self.go_to(self.state.place)

    def keep_state(self) -> None:
        """Write the state; a folder that cannot be written to is said, and stops nothing."""
        try:
            save_state(self.state, self.workspace)
        except (BadInput, OSError) as error:
            sentences = [worded(message) for message in error.messages] if isinstance(error, BadInput) else [str(error)]
            self.notify("\n".join(sentences), severity="warning", markup=False)

    def action_explain(self) -> None:
        """More about the field that has the focus, or about the step."""
        node = self.focused or self.screen
        for one in node.ancestors_with_self:
            explain = getattr(one, "explain", None)
            if callable(explain) and (text := explain()):
                self.push_screen(ExplanationScreen(str(text)))
                return

    def action_command_palette(self) -> None:
        """The menu, in the user's language."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette([Menu], placeholder=_("Type to search ..."), id="--command-palette"))

    def action_help_quit(self) -> None:
        """Ctrl+C is a key here, and people press it to leave."""
        self.notify(_("Ctrl+Q quits. What was entered is kept."), markup=False)

    async def action_quit(self) -> None:
        """Keep the state and end; ask before, where it trains."""
        if not self.training.alive:
            self.keep_state()
            self.exit(0)
        elif not isinstance(self.screen, QuestionScreen):
            self.push_screen(
                QuestionScreen(
                    _("It still trains."),
                    _("Stopping saves a checkpoint after the step that runs; Runs goes on from there."),
                    deed=_("Stop and save"),
                    key="s",
                    else_=_("Keep training"),
                ),
                self._quit_answered,
            )

    def _quit_answered(self, stop: bool | None) -> None:
        if not stop:
            return
        self._quitting = True
        self.training.stop()
        self.notify(_("Stops after this step, saves and quits ..."), markup=False)
        if not self.training.alive:
            self._quit_now()

    def _quit_now(self) -> None:
        self.keep_state()
        self.exit(0)

    def on_training_session_happened(self, message: TrainingSession.Happened) -> None:
        """Tell the screen; quit where that waited for the training's end."""
        for screen in self.screen_stack:
            if isinstance(screen, TrainStep):
                screen.happened(message.event)
        if message.event is None and self._quitting:
            self._quit_now()
        elif message.event is None and not isinstance(self.screen, TrainStep):
            self.notify(_("The training has ended; Train says how."), markup=False)

    def _listen_to_signals(self) -> None:
        """A killed wizard or a closed terminal ends like a stop that was asked for."""
        if sys.platform == "win32":
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(RuntimeError, ValueError):  # not the main thread: the tests' own loops
                loop.add_signal_handler(number, self._end)

    def _end(self) -> None:
        self.training.stop()  # its thread worker writes a checkpoint; the exit waits for it
        self.keep_state()
        self.exit(130)


def _warm_engine() -> None:
    import engine.launch  # noqa: F401
