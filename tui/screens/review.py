"""The Plan on one page, before the training starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.binding import ActiveBinding, Binding, BindingType
from textual.widget import Widget

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.network.registry import KnownFile
from engine.planning.request import PlanRequest, PreparedPlan
from engine.recipe.presets import save_preset
from engine.runs.live import other_trainings
from engine.weights.download.registry import missing_file
from tui.dialogs.save_preset import SavePresetDialog
from tui.dialogs.second_training import second_training_dialog
from tui.screens.base import WizardScreen, described
from tui.text import N_, _
from tui.text.presets import SAVED_SUMMARY
from tui.text.sizes import format_size
from tui.text.stages import STAGE_NAMES
from tui.widgets.download_bar import DownloadBar
from tui.widgets.plan_page import PlanPage
from tui.wizard.approved_plan import ApprovedPlan
from tui.wizard.cli_equivalent import command_line, command_words
from tui.wizard.planner import NO_DATA, DryRunner
from tui.wizard.recipe_draft import RecipeDraft, copy_start_from, recipe_draft
from tui.wizard.recipe_fields import form_sentence
from tui.wizard.weights_catalog import model_folder
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.planning.dry_run.dry_run import DryRunResult
    from tui.wizard.training_status import TrainingStatus
    from tui.workers.wizard_protocol import Wizard


class ReviewScreen(WizardScreen):
    """Enter approves the Plan and starts the training."""

    screen_name: ClassVar[str] = "review"
    heading: ClassVar[str] = N_("This is what will run")
    reason: ClassVar[str] = N_("Both stages are checked before the first epoch, so that nothing fails after hours.")

    DEFAULT_CSS = """
    ReviewScreen.-low #head #reason { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "forward", N_("start training")),
        Binding("c", "copy_command", N_("copy command")),
        Binding("s", "save_preset", N_("save as preset")),
        Binding("down", "scroll_body(1)", show=False),
        Binding("up", "scroll_body(-1)", show=False),
        Binding("pagedown,space", "scroll_body(12)", show=False),
        Binding("pageup", "scroll_body(-12)", show=False),
        Binding("home", "scroll_body(-10000)", show=False),
        Binding("end", "scroll_body(10000)", show=False),
    ]

    _page = getters.query_one(PlanPage)
    _download = getters.query_one(DownloadBar)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._draft: RecipeDraft | None = None
        self.prepared: PreparedPlan | None = None
        self._plan_error: str | None = None
        self._missing_file: KnownFile | None = None
        """Weights that have to be downloaded before there can be a Plan."""
        self._out_of_memory: str | None = None
        """Set if the dry run ran out of memory."""
        self._start_when_ready = False
        self._was_training = wizard.is_training
        self._plan_query = LatestQuery(self, self._prepare, self._show_prepared, self._show_plan_error)
        self._dry_runner = DryRunner()
        self._dry_run_query = LatestQuery(self, self._dry_runner.dry_run, self._show_dry_run, None)

    def compose_body(self) -> Iterator[Widget]:
        """The page."""
        yield PlanPage()
        yield DownloadBar()

    def on_mount(self) -> None:
        """Request the Plan."""
        self._request_plan()

    def on_unmount(self) -> None:
        """Stop the dry run."""
        self._dry_runner.stop()

    def show_hardware(self, hardware: Hardware) -> None:
        """Request the Plan if the hardware was unknown before. Later changes are ignored: the page must not change while it is read."""
        if self.prepared is None and self._plan_error is None and not self._plan_query.is_pending:
            self._request_plan()

    # The Plan

    def _request_plan(self) -> None:
        source, hardware, workspace = self.state.source, self.wizard.hardware, self.wizard.workspace
        if source is None:
            self._show_no_plan(_(NO_DATA))
            return
        if hardware is None:
            return
        try:
            self._draft = recipe_draft(self.state, workspace)
            recipe = self._draft.recipe()
            self._missing_file = missing_file(recipe, workspace)
            if self._missing_file is None:
                self._plan_query.submit(PlanRequest(recipe, source, hardware, workspace, self._draft.preset.name))
            else:
                self._page.display = False
                self._show_download_hint(self._missing_file)
        except BadInput as error:
            self._show_plan_error(error)

    def _show_download_hint(self, file: KnownFile) -> None:
        self.show_hint(
            self._download.hint()
            or _("Enter downloads {name} ({size}) and continues.", name=file.name, size=format_size(file.bytes))
        )

    def on_download_bar_finished(self, event: DownloadBar.Finished) -> None:
        """Make the Plan, or show why there is no file."""
        event.stop()
        if isinstance(event.result, BadInput):
            self.show_bad_input(event.result)
        elif event.result is None:
            self.show_error(_("The download was stopped. The next one continues where it stopped."))
        else:
            self.show_error("")
            self.show_hint("")
            self._page.display = True
        self._request_plan()

    def _prepare(self, request: PlanRequest) -> PreparedPlan:
        return self.wizard.planner.prepare(request)

    def _show_prepared(self, prepared: PreparedPlan) -> None:
        self.prepared = prepared
        if self._start_when_ready:
            self.action_forward()
            return
        self.show_error("")
        # Too little memory on the processor may crash other programs; a card only raises an error.
        if not prepared.is_timed and (prepared.fits or prepared.plan.device.startswith("cuda")):
            self._dry_run_query.submit(prepared)
        self._show_page()
        self._show_enter_hint()

    def _show_enter_hint(self) -> None:
        if self.wizard.is_training:
            self.show_hint(_("A training is running; Enter shows it."))
        else:
            self.show_hint(_("Enter starts the training. Stopping it at any time loses nothing."))

    def _on_training_status(self, status: TrainingStatus | None) -> None:
        super()._on_training_status(status)
        if self.is_mounted and self._was_training != self.wizard.is_training:
            self._was_training = self.wizard.is_training
            self.refresh_bindings()
            if self.prepared is not None:
                self._show_enter_hint()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """All keys; while a training runs, Enter shows it."""
        return described(super().active_bindings, {"enter": _("show training")} if self.wizard.is_training else {})

    def _show_plan_error(self, error: BadInput) -> None:
        self._show_no_plan("\n".join(map(form_sentence, error.messages)))

    def _show_no_plan(self, reason: str) -> None:
        self._plan_error = reason
        self._start_when_ready = False
        self._page.display = False  # it has only titles, and says that a Plan is being made
        self.show_error(reason)

    def _show_dry_run(self, result: tuple[PreparedPlan, DryRunResult]) -> None:
        self.prepared, dry_run = result
        if dry_run.out_of_memory is not None:
            stage = _(STAGE_NAMES.get(dry_run.out_of_memory, dry_run.out_of_memory))
            self._out_of_memory = _(
                "Memory ran out during the first steps (stage: {stage}). Press Esc and choose a smaller batch size. "
                "The number of images does not matter.",
                stage=stage,
            )
            self.show_error(self._out_of_memory)
        elif dry_run.failed is not None:
            self.show_error(_("The first steps failed: {reason}", reason=dry_run.failed))
        self._show_page()

    def _show_page(self) -> None:
        if self.prepared is not None and self._draft is not None:
            unknown_time = _("measuring ...") if self._dry_run_query.is_pending else _("unknown")
            command = self._command(self._draft, self.prepared)
            inspection = self.wizard.inspection
            is_known = inspection is not None and inspection.source == self.state.source
            readable = inspection.readable if inspection is not None and is_known else None
            self._page.show(
                self.prepared,
                self._draft,
                command,
                goal=self.state.goal,
                readable=readable,
                unknown_time=unknown_time,
            )

    def _command(self, draft: RecipeDraft, prepared: PreparedPlan) -> str:
        return command_line(command_words(draft, prepared.plan.data, self.wizard.workspace))

    def help_text(self) -> str:
        """What the page shows."""
        return "\n\n".join(
            (
                _(self.reason),
                _("The memory bars show how much of the free memory each stage needs, with a safety margin."),
                _("The command does the same without the wizard: on a server, in a script, overnight."),
            )
        )

    # Keys

    def validation_error(self) -> str | None:
        """There must be a Plan that fits into memory."""
        return self._plan_error or self._out_of_memory

    def action_back(self) -> None:
        """Stop the download if there is one; otherwise show the previous screen."""
        if self._download.file is not None:
            self._download.stop()
        else:
            super().action_back()

    def action_forward(self) -> None:
        """Start the training, or show the one that is running. Without a Plan, start as soon as it is ready."""
        if self.wizard.is_training:
            self.wizard.show_screen("train")
        elif self._missing_file is not None:
            self._download.start(self._missing_file, model_folder(self.wizard.workspace))
            self._show_download_hint(self._missing_file)
        elif self.validation_error() is None and self.prepared is None:
            self._start_when_ready = True
            self.show_error(_("Still calculating. The training starts as soon as this is done."))
        elif self.validation_error() is None and (others := other_trainings(self.wizard.workspace)):
            dialog = second_training_dialog(others, self.wizard.hardware)
            self.app.push_screen(dialog, lambda confirmed: self._start() if confirmed else None)
        else:
            self._start()

    def _start(self) -> None:
        super().action_forward()

    def accept(self) -> None:
        """Approve the Plan; the Train screen starts it."""
        assert self.prepared is not None
        self._dry_runner.stop()
        self.wizard.approved_plan = ApprovedPlan(self.prepared.plan, self.prepared.dataset)
        self.state.run = None  # the run of an earlier training
        self.state.forget_saved_preset()

    def action_copy_command(self) -> None:
        """Copy the command line for the same run."""
        if self._draft is not None and self.prepared is not None:
            self.app.copy_to_clipboard(self._command(self._draft, self.prepared))
            self.notify(_("The command was copied to the clipboard, if this terminal supports it."), markup=False)

    def action_save_preset(self) -> None:
        """Ask for a name and save."""
        if self._draft is not None:
            name = self._draft.preset.name
            suggested = name if self._preset_path(name).exists() else "my-preset"
            self.app.push_screen(SavePresetDialog(suggested, self._save_preset), self._use_saved_preset)

    def _preset_path(self, name: str) -> Path:
        return self.wizard.workspace / "presets" / f"{name}.toml"

    def _save_preset(self, name: str, replace: bool) -> None:
        assert self._draft is not None
        preset, settings = self._draft.preset, self._draft.settings
        based_on = preset.name if preset.name != name else preset.based_on
        # In English; `based_on` makes it a sentence in the user's language.
        summary = preset.summary if based_on is None else SAVED_SUMMARY.format(preset=based_on)
        save_preset(self.wizard.workspace, name, settings, name, summary, based_on=based_on, replace=replace)

    def _use_saved_preset(self, name: str | None) -> None:
        if name is None:
            return
        self.state.preset, self.state.settings, self.state.preset_origin = name, {}, "saved"
        self.wizard.save_state()
        self._draft = recipe_draft(self.state, self.wizard.workspace)
        copy_start_from(self.state, self._draft.preset)
        self._show_page()
        self.notify(_("Saved: {path}", path=self._preset_path(name)), markup=False)

    def action_scroll_body(self, lines: int) -> None:
        """Scroll the page."""
        self.body.scroll_relative(y=lines, animate=False)
