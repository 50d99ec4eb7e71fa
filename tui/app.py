"""The wizard's app: its state, the current screen, language, theme, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.driver import Driver
from textual.events import Key
from textual.message_pump import MessagePump
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.theme import Theme

from engine.messages import BadInput
from tui.cli.errors import STOPPED
from tui.command_palette import CommandProvider
from tui.dialogs.help import HelpDialog, HelpTopic
from tui.dialogs.quit_training import QuitChoice, QuitTrainingDialog
from tui.dialogs.resume_session import ResumeSessionDialog
from tui.screens.registry import SCREENS, screen_class
from tui.terminal.announcer import SWITCH, Announcer
from tui.terminal.stdio import start_resource_tracker
from tui.text import N_, _, language_of_locale, set_language, translate
from tui.text.joining import join_sentences
from tui.text.line_breaks import break_lines
from tui.theme import DARK, LIGHT, readable
from tui.wizard.state import OnHangup, WizardState, save_state
from tui.wizard.steps import SCREEN_ORDER
from tui.workers.hardware_monitor import HardwareMonitor, OpenHardwareSource

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from engine.planning.request import DatasetReader
    from tui.terminal.graphics import Graphics
    from tui.wizard.approved_plan import ApprovedPlan
    from tui.wizard.dataset_inspection import DatasetInspection
    from tui.wizard.planner import Planner
    from tui.wizard.training_status import TrainingStatus
    from tui.workers.training_session import TrainingSession

STATUS_PERIOD = 1.0
"""Seconds between two looks at a running training."""
TOAST_FRAME, MIN_TOAST_WIDTH = 4, 20
"""Columns of the border and the space around a notification, which takes at most 60 % of the width (wizard.tcss)."""
BUILTIN_DEFAULT = "textual-dark"
"""Textual's theme if neither the user nor the environment (TEXTUAL_THEME) names one; ours replaces it."""


class Freezetui(App[int]):
    """Returns the exit code of the command. Screens know it as `tui.workers.wizard_protocol.Wizard`."""

    TITLE = "freezetui"
    CSS_PATH = "wizard.tcss"

    # For dialogs; wizard screens have breakpoints and a message of their own.
    HORIZONTAL_BREAKPOINTS = [(0, "-too-narrow"), (80, "-wide-enough")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-too-low"), (24, "-high-enough")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+p", "command_palette", N_("menu"), priority=True),
        Binding("ctrl+q", "quit", N_("quit"), show=False, priority=True),
    ]

    hardware: reactive[Hardware | None] = reactive(None, repaint=False)
    """The newest result of the hardware monitor. Screens watch it."""

    training_status: reactive[TrainingStatus | None] = reactive(None, repaint=False)
    """How far the running training is; None: nothing is training. Screens watch it. Updated once a second."""

    def __init__(
        self,
        state: WizardState,
        workspace: Path,
        *,
        offer_resume: bool = False,
        open_hardware: OpenHardwareSource | None = None,
        driver_class: type[Driver] | None = None,
        graphics: Graphics | None = None,
        announcer: Announcer | None = None,
        language: str | None = None,
        watched_run: Path | None = None,
    ) -> None:
        """Create the app; `run` shows it.

        Args:
            state: what the user entered so far.
            workspace: the folder with logs/, presets/ and model_data/.
            offer_resume: ask whether to keep `state`, which is from an earlier session.
            open_hardware: opens the source of hardware information; None: this machine.
            driver_class: None: Textual's own.
            graphics: the terminal's graphics protocol; None: show images as half blocks.
            announcer: sets the terminal's title and announces the end of a training; None: nothing does.
            language: of this session, whatever language is saved; None: the saved one, or that of the locale.
            watched_run: the run of another process to show at first; None: none.
        """
        super().__init__(driver_class=driver_class)
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        saved = state.theme if state.theme in self.available_themes else None
        if saved is not None or self.theme == BUILTIN_DEFAULT:
            # Now, not when mounted: every change of the theme styles all widgets again.
            self.set_reactive(App.theme, saved or DARK.name)
            self.stylesheet.set_variables(self.get_css_variables())
        self.state = state
        self.workspace = workspace = workspace.absolute()  # runs are compared by their paths
        self.graphics = graphics
        self.announcer = announcer or Announcer({SWITCH: "off"})
        self.inspection: DatasetInspection | None = None
        self.approved_plan: ApprovedPlan | None = None
        self.preload = threading.Thread(target=self._preload_modules, name="preload", daemon=True)
        self._offer_resume = offer_resume
        self._watched_run = watched_run
        self._hardware_monitor = HardwareMonitor(
            workspace, self._post_hardware, lambda: self.is_training, open_hardware
        )
        self._exit_code_after_training: int | None = None
        """Set while the app only waits for the training to stop."""
        self._left_watched = False
        """Whether the app ended while another process trained the run that was watched."""
        self._screen_before_runs: str | None = None
        self.opened_from_runs = False
        set_language(language or state.language or language_of_locale())

    @cached_property
    def datasets(self) -> DatasetReader:
        """Reads the labels of a data set once, for all screens."""
        from engine.planning.request import DatasetReader  # imports numpy and pydantic: not for the first screen

        return DatasetReader()

    @cached_property
    def planner(self) -> Planner:
        """Makes the Plans of all screens."""
        from tui.wizard.planner import Planner

        return Planner(self.datasets)

    @cached_property
    def training(self) -> TrainingSession:
        """The training of this process. Stop it before the app ends."""
        from tui.workers.training_session import TrainingSession  # imports all events: not for the first screen

        return TrainingSession(self, self.workspace)

    @property
    def is_training(self) -> bool:
        """Whether a training runs in this process."""
        return self.shows_training and self.training.watched is None

    @property
    def shows_training(self) -> bool:
        """Whether a training runs in this process, or one of another process is watched."""
        return "training" in self.__dict__ and self.training.is_running

    @property
    def farewell(self) -> Iterator[str]:
        """What to print after the app has ended: about the training of this session, if there was one."""
        if "training" in self.__dict__ and (run := self.training.run) is not None:
            from tui.wizard.farewell import background_farewell, farewell

            if self._left_watched or self.training.watched is not None:
                yield from background_farewell(run, self.workspace)
            else:
                yield from farewell(run, self.training.last_event, self.workspace)

    # Start and end

    def on_mount(self) -> None:
        """Show the first screen, then start the threads."""
        if self._watched_run is not None:
            self.training.watch(self._watched_run)
        self.push_screen(screen_class(self.state.screen_name)(self))
        if self._offer_resume:
            self.push_screen(ResumeSessionDialog(self.state), lambda resume: self.reset() if resume is False else None)
        self.call_after_refresh(self._start_threads)
        self._handle_signals()

    def on_unmount(self) -> None:
        """Stop the threads. A running training saves its checkpoint."""
        self._hardware_monitor.stop()
        if self.shows_training:
            self._left_watched = self.training.watched is not None
            self.training.leave()

    def on_key(self, event: Key) -> None:
        """Take a capital letter that no widget and no binding used for the small one: the keys work with Caps Lock too."""
        if event.key.isupper() and len(event.key) == 1:
            event.stop()
            self.simulate_key(event.key.lower())

    def _start_threads(self) -> None:
        start_resource_tracker()
        self._hardware_monitor.start()
        self.announcer.set_title(self.TITLE)
        self.set_interval(STATUS_PERIOD, self._update_training_status)
        self.preload.start()

    def _preload_modules(self) -> None:
        """In a thread: import torch, which takes seconds, and the other screens before they are needed."""
        try:
            importlib.import_module("engine.runner.start")
            importlib.import_module("engine.training.gc_freeze").preload_modules()
        except (ImportError, OSError, RuntimeError) as error:  # missing, damaged, or versions that do not match
            pump: MessagePump = self
            pump.call_later(self._show_import_error, error)
        for name in SCREENS:
            screen_class(name)

    def _show_import_error(self, error: Exception) -> None:
        sentence = _(
            "torch is installed but cannot be loaded ({reason}). To train, install it again.",
            reason=f"{type(error).__name__}: {error}",
        )
        self.notify(sentence, severity="error", timeout=60, markup=False)

    def _post_hardware(self, hardware: Hardware) -> None:
        pump: MessagePump = self
        pump.call_later(setattr, self, "hardware", hardware)  # posts a message: safe from any thread

    def _handle_signals(self) -> None:
        """Stop and save when the process is terminated or the terminal is closed."""
        if sys.platform == "win32":
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) == signal.SIG_IGN:  # as under nohup
                continue
            with contextlib.suppress(RuntimeError, ValueError):  # not the main thread: the event loops of tests
                if number == signal.SIGHUP:
                    loop.add_signal_handler(number, self.hang_up)
                else:
                    loop.add_signal_handler(number, self.leave, STOPPED)

    def hang_up(self) -> None:
        """End the app because its terminal was closed. A running training stops, or moves into the background (`on_hangup`)."""
        if self.is_training and self.state.on_hangup == "detach" and self.training.phase != "stopping":
            self.leave_in_background()
        else:
            self.leave(STOPPED)

    def leave_in_background(self) -> None:
        """End the app as soon as a process in the background continues the training."""
        self.save_state()
        self._exit_code_after_training = 0
        self.training.detach()

    def leave(self, exit_code: int) -> None:
        """End the app. A running training saves its checkpoint first."""
        self.save_state()
        if not self.is_training:
            self.exit(exit_code)
            return
        if self.training.phase == "detaching":  # it is on its way into the background already
            self._exit_code_after_training = 0
            return
        self._exit_code_after_training = exit_code
        self.training.stop()
        self.notify(_("Saving a checkpoint before leaving ..."), timeout=600, markup=False)

    # Notifications and colours

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notification; Chinese text fills its lines. Textual breaks those of a notification at spaces only."""
        width = max(MIN_TOAST_WIDTH, self.size.width * 6 // 10 - TOAST_FRAME)
        lines = break_lines(message, width)
        super().notify(lines, title=title, severity=severity, timeout=timeout, markup=markup)

    def get_theme(self, theme_name: str) -> Theme | None:
        """The theme with the colours that our styles need, readable on its backgrounds."""
        theme = super().get_theme(theme_name)
        if theme is None:
            return None
        known = self._readable_themes
        if theme.name not in known:
            known[theme.name] = readable(theme)
        return known[theme.name]

    @cached_property
    def _readable_themes(self) -> dict[str, Theme]:
        return {}

    # Screens and state

    def show_screen(self, name: str) -> None:
        """Replace the current screen."""
        previous = self.state.screen_name
        if name not in SCREEN_ORDER and previous in SCREEN_ORDER and not self.opened_from_runs:
            self._screen_before_runs = previous
        if name != previous:
            self.opened_from_runs = previous not in SCREEN_ORDER
        self.state.visit(name)
        self.save_state()
        self._paint_once(self.switch_screen(screen_class(name)(self)))

    def _paint_once(self, switch: AwaitComplete) -> None:
        """Paint nothing until the next screen is laid out: half-built screens would flash."""
        batch = contextlib.ExitStack()
        batch.enter_context(self.batch_update())

        async def end() -> None:
            with batch:
                await switch
            self.screen.refresh(layout=True)

        pump: MessagePump = self
        pump.call_later(end)

    def back_to_steps(self) -> None:
        """From Runs, back to the screen that was left for it."""
        self.show_screen(self._screen_before_runs or self.state.furthest_screen)
        self.opened_from_runs = False

    def set_language(self, code: str) -> None:
        """Change the language and show the current screen again."""
        self.state.language = code
        set_language(code)
        self.show_screen(self.state.screen_name)

    def set_theme(self, theme: str) -> None:
        """Change the theme."""
        self.state.theme = theme
        self.theme = theme
        self.save_state()

    def set_on_hangup(self, on_hangup: OnHangup) -> None:
        """Choose what becomes of a training when the terminal is closed."""
        self.state.on_hangup = on_hangup
        self.save_state()
        self.notify(
            _("If the terminal is closed, the training moves into the background.")
            if on_hangup == "detach"
            else _("If the terminal is closed, the training stops and saves a checkpoint."),
            markup=False,
        )

    def reset(self) -> None:
        """Drop everything the user entered."""
        self.state.reset()
        self.show_screen(self.state.screen_name)

    def save_state(self) -> None:
        """Save what the user entered; if the folder cannot be written to, only show a warning."""
        try:
            save_state(self.state, self.workspace)
        except BadInput as error:
            advice = _("Your entries are not saved. Start freezetui in a folder that belongs to you.")
            sentences = join_sentences(*map(translate, error.messages), advice)
            self.notify(sentences, severity="warning", markup=False)
        except OSError as error:
            self.notify(str(error), severity="warning", markup=False)

    def on_training_session_updated(self, message: TrainingSession.Updated) -> None:
        """Publish an event of the training to the screens; after its end, leave if that was requested."""
        from engine.events import RunStarted

        event = message.event
        if isinstance(event, RunStarted):
            self.state.run = str(self.training.run or event.run)
            self.save_state()
        self.training.updates.publish(event)
        if event is None:
            self._update_training_status()
            self._announce_end()
        if event is None and self._exit_code_after_training is not None:
            self.exit(self._exit_code_after_training)
        elif event is None and (self.state.screen_name != "train" or isinstance(self.screen, ModalScreen)):
            self.notify(_("The training has ended. The Train screen shows how."), markup=False)

    def on_training_session_detached(self, _message: TrainingSession.Detached) -> None:
        """The training continues in the background: leave if that was requested."""
        self.training.updates.publish(self.training.last_event)
        if self._exit_code_after_training is not None:
            self.exit(self._exit_code_after_training)

    def _update_training_status(self) -> None:
        if not self.shows_training:
            self.training_status = None
            return
        from tui.wizard.training_status import training_status

        status = training_status(self.training.history)
        if status != self.training_status:
            self.training_status = status
            self.announcer.set_title(status.title)

    def _announce_end(self) -> None:
        """Say outside the window how the training ended, but not to a user who has stopped it just now."""
        from engine.events import Finished, Stopped
        from tui.wizard.training_status import terminal_title, training_status
        from tui.workers.run_outcome import run_outcome

        event = self.training.last_event
        state = (
            _("finished")
            if isinstance(event, Finished)
            else _("stopped")
            if isinstance(event, Stopped)
            else _("failed")
        )
        self.announcer.set_title(terminal_title(state, training_status(self.training.history).map50))
        if not isinstance(event, Stopped):
            self.announcer.announce(run_outcome(self.training, self).message)

    # Keys

    def action_show_help(self) -> None:
        """Show help on the focused widget; if it has none, on its dialog or screen."""
        for node in (self.focused or self.screen).ancestors_with_self:
            if isinstance(node, HelpTopic) and (text := node.help_text()):
                self.push_screen(HelpDialog(text))
                return

    def action_command_palette(self) -> None:
        """Open the command palette, in the user's language."""
        if not isinstance(self.screen, CommandPalette):
            palette = CommandPalette([CommandProvider], placeholder=_("Type to search ..."), id="--command-palette")
            self.push_screen(palette)

    def action_help_quit(self) -> None:
        """Ctrl+C does not quit a Textual app, so name the key that does."""
        self.notify(_("Ctrl+Q quits. Your entries are saved."), markup=False)

    async def action_quit(self) -> None:
        """Quit; ask first if a training is running."""
        if not self.is_training or self._exit_code_after_training is not None:
            self.leave(0)
        elif not isinstance(self.screen, QuitTrainingDialog):
            self.push_screen(QuitTrainingDialog(can_detach=self.training.can_detach), self._leave_training)

    def _leave_training(self, choice: QuitChoice | None) -> None:
        if choice == "detach":
            self.leave_in_background()
        elif choice == "stop":
            self.leave(STOPPED)
