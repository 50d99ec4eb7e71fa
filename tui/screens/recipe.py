"""The choice of a preset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import OptionList

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.network.registry import KnownFile
from engine.plan import DEFAULT_SPLIT_SEED, DataSource
from engine.planning.advice import Goal
from engine.recipe import Recipe, make_recipe
from engine.recipe.presets import DEFAULT_PRESET, Preset, damaged_presets, list_presets
from engine.weights.download.registry import missing_file
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.text.sizes import format_size
from tui.widgets.card_choice import CardChoice
from tui.widgets.download_bar import DownloadBar
from tui.widgets.goal_choice import GoalChoice
from tui.widgets.label import Label
from tui.widgets.preset_list import PresetList
from tui.wizard.card_choice import card_options, switch_cards
from tui.wizard.carried_settings import carried_settings, drop_carried_settings
from tui.wizard.data_source import absolute_source
from tui.wizard.recipe_draft import apply_preset, draft_of, recipe_draft
from tui.wizard.recommendation import Recommendation, goal_options, recommend
from tui.wizard.weights_catalog import model_folder
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from tui.wizard.measured_times import TimesRequest
    from tui.workers.wizard_protocol import Wizard

STARTS = {"whole": N_("the whole network"), "backbone": N_("a backbone"), "scratch": N_("nothing (from scratch)")}


class RecipeScreen(WizardScreen):
    """Cards of presets, the recommended one first. Enter uses the highlighted one."""

    screen_name: ClassVar[str] = "recipe"
    heading: ClassVar[str] = N_("Choose a preset")
    reason: ClassVar[str] = N_("A preset is a tested set of values. You can change them on the next screen.")

    DEFAULT_CSS = """
    RecipeScreen #body { overflow: hidden; }
    RecipeScreen #carried-settings { height: auto; padding: 0 1; color: $warning; }
    RecipeScreen.-high GoalChoice, RecipeScreen.-high CardChoice { margin-bottom: 1; }
    RecipeScreen.-high PresetList > .option-list--option { padding: 0 1 1 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "switch_goal", N_("other goal")),
        Binding("m", "switch_cards", N_("all cards or one")),
        Binding("ctrl+r", "reset_settings", N_("reset settings"), show=False),
    ]

    _goal_choice = getters.query_one(GoalChoice)
    _card_choice = getters.query_one(CardChoice)
    _carried_settings = getters.query_one("#carried-settings", Label)
    _preset_list = getters.query_one(PresetList)
    _download = getters.query_one(DownloadBar)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._presets: tuple[Preset, ...] = ()
        self._images: dict[str, int] | None = None
        """Number of images in each split, once they are counted."""
        self._is_counting = False
        self._forward_when_counted = False
        self._recommendation: Recommendation | None = None
        self._user_moved = False
        self._preselected: set[str] = set()
        """Presets that this screen highlighted itself."""
        self._attempted: str | None = None
        """The preset that Enter was pressed on last, which an error is about."""
        self._measured_times: dict[str, Mapping[Goal, float]] = {}
        """By preset; empty where none was measured."""
        self._timed_preset: str | None = None
        """The preset of the latest look for measured times."""
        self._times_query = LatestQuery(self, self._find_times, self._show_times, None)

    def compose_body(self) -> Iterator[Widget]:
        """The goals, the settings that were changed before, the list of presets."""
        yield GoalChoice()
        yield CardChoice()
        yield Label(id="carried-settings")
        yield PresetList()
        yield DownloadBar()

    def on_mount(self) -> None:
        """Show the presets, then count the training images, which may change the recommendation."""
        self._presets = list_presets(self.wizard.workspace)
        if problems := damaged_presets(self.wizard.workspace):
            self.show_bad_input(BadInput(*problems))
        self._goal_choice.display = self._card_choice.display = self._carried_settings.display = False
        self._recommend()
        if self.state.source is not None:
            # Errors of the data set are shown on the Data screen.
            self._is_counting = True
            query = LatestQuery(self, self._count_images, self._set_image_counts, self._ignore_data_error)
            query.submit(self.state.source)

    def _count_images(self, source: DataSource) -> dict[str, int]:
        """In a thread: the number of images in each split."""
        located = absolute_source(source, self.wizard.workspace)
        return dict(self.wizard.datasets.open(located, DEFAULT_SPLIT_SEED).image_counts())

    def _set_image_counts(self, counts: dict[str, int]) -> None:
        self._is_counting = False
        if counts["train"] > 0:
            self._images, self.state.train_images = counts, counts["train"]
        self._recommend()
        self._update_notes()
        self._forward_if_asked()

    def _ignore_data_error(self, _error: BadInput) -> None:
        self._is_counting = False
        self._forward_if_asked()

    def _forward_if_asked(self) -> None:
        if self._forward_when_counted:
            self._forward_when_counted = False
            self.action_forward()

    def show_hardware(self, hardware: Hardware) -> None:
        """Recommend again: free memory may have changed."""
        self._recommend()

    def _recommend(self) -> None:
        names = {preset.name for preset in self._presets}
        recommendation = recommend(names, self.wizard.hardware, self.state.start, self.state.train_images)
        if recommendation == self._recommendation or self.wizard.hardware is None:
            return
        selected = self._preset_list.selected
        self._recommendation = recommendation
        highlighted = recommendation.preset
        if self.state.preset is not None and self.state.preset_origin != "recommended":
            highlighted = self.state.preset
        if self._user_moved and selected is not None:
            highlighted = selected.name
        self._preselected.add(highlighted)
        brings = {preset.name: text for preset in self._presets if (text := self._brings(preset))}
        self._preset_list.show(self._presets, recommendation, highlighted, brings)
        self._update_notes()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Update the goals and the hint; an error was about the preset that was highlighted before."""
        event.stop()
        if self._recommendation is not None:
            self._user_moved = self._user_moved or event.option_id not in self._preselected
            if self._attempted not in (None, event.option_id):
                self._attempted = None
                self.show_error("")
            self._update_notes()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Use the preset and show the next screen."""
        event.stop()
        self.action_forward()

    # What Enter uses

    def _update_notes(self) -> None:
        preset, hardware = self._preset_list.selected, self.wizard.hardware
        if preset is None or hardware is None:
            return
        self._request_times(preset, hardware)
        measured = self._measured_times.get(preset.name)
        options = () if self._images is None else goal_options(self.state, preset, self._images, hardware, measured)
        self._goal_choice.show(options, self.state.goal)
        self._card_choice.show(card_options(self.state, preset, self._images, hardware))
        self._preset_list.adapted = self._adapted_settings(preset)
        self.refresh_bindings()
        carried = carried_settings(self.state, preset)
        self._carried_settings.display = bool(carried)
        self._carried_settings.update(carried)
        self._update_hint()

    def _request_times(self, preset: Preset, hardware: Hardware) -> None:
        """Look in a thread whether this machine has timed a training with `preset`; not while one needs the processor."""
        source = self.state.source
        if source is None or self._images is None or preset.name == self._timed_preset or self.wizard.is_training:
            return
        self._timed_preset = preset.name
        if preset.name not in self._measured_times and preset.is_built_in:
            from tui.wizard.measured_times import TimesRequest  # imports numpy: not for the first screen

            state = replace(self.state, settings=dict(self.state.settings))
            self._times_query.submit(TimesRequest(state, preset, source, hardware, self.wizard.workspace))

    def _find_times(self, request: TimesRequest) -> tuple[str, Mapping[Goal, float]]:
        """In a thread; what it imports would delay the first screen."""
        from tui.wizard.measured_times import measured_times

        return request.preset.name, measured_times(request, self.wizard.datasets)

    def _show_times(self, result: tuple[str, Mapping[Goal, float]]) -> None:
        name, times = result
        self._measured_times[name] = times
        if times:
            self._update_notes()

    def _update_hint(self) -> None:
        preset = self._preset_list.selected
        if preset is None:
            return
        if downloading := self._download.hint():
            self.show_hint(downloading)
            return
        parts = [_("Enter uses: {title}", title=_(preset.title))]
        start = _start_of(preset)
        if start is not None and self.state.start not in (None, start):
            parts.append(_("starts from: {start}", start=_(STARTS[start])))
        if brings := self._brings(preset):
            parts.append(brings)
        self.show_hint(" · ".join(parts))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys of the goals and of the cards where there is no choice."""
        if action == "switch_cards" and not (self.is_mounted and self._card_choice.display):
            return False
        if action == "switch_goal" and not (self.is_mounted and self._goal_choice.display):
            return False
        return super().check_action(action, parameters)

    def action_switch_goal(self) -> None:
        """Adapt the epochs to the other goal."""
        self.state.goal = "good_result" if self.state.goal == "first_look" else "first_look"
        self._update_notes()

    def action_switch_cards(self) -> None:
        """Train on all cards instead of one, or on one instead of all."""
        switch_cards(self.state)
        self._update_notes()

    def action_reset_settings(self) -> None:
        """Drop the settings that were changed for an earlier training."""
        drop_carried_settings(self.state)
        self._update_notes()

    # The network and the weights that a preset brings

    def _brings(self, preset: Preset) -> str:
        """In what network and file the preset differs from what the Weights screen shows; empty if in none."""
        try:
            network = self._recipe_with(preset).network
        except BadInput:
            return ""
        changed = network != str(self.state.settings.get("network", Recipe.model_fields["network"].default))
        file = self._missing_file(preset)
        if file is None:
            return _("switches to {network}", network=network) if changed else ""
        size = format_size(file.bytes)
        if changed:
            return _("switches to {network}, downloads {name} ({size})", network=network, name=file.name, size=size)
        return _("downloads {name} ({size})", name=file.name, size=size)

    def _recipe_with(self, preset: Preset) -> Recipe:
        """The network and the start of the recipe once Enter is pressed on `preset`; other settings need not be valid.

        Raises:
            BadInput: the preset itself is not valid.
        """
        state = replace(self.state, settings=dict(self.state.settings))
        apply_preset(state, preset)
        settings = recipe_draft(state, self.wizard.workspace).settings
        names = {"method", "network", "model_path", "pretrained"}
        start = {name: value for name, value in settings.items() if name in names}
        return make_recipe({**start, "freeze_train": False})

    def _adapted_settings(self, preset: Preset) -> Mapping[str, Any]:
        """The epochs of `preset` that Enter would adapt to the data set."""
        state = replace(self.state, settings=dict(self.state.settings))
        try:
            apply_preset(state, preset)
            return draft_of(state, preset).adapted or {}
        except BadInput:
            return {}

    def _missing_file(self, preset: Preset) -> KnownFile | None:
        try:
            return missing_file(self._recipe_with(preset), self.wizard.workspace)
        except BadInput:
            return None

    def on_download_bar_finished(self, event: DownloadBar.Finished) -> None:
        """Show the next screen, or why there is no file."""
        event.stop()
        self._update_hint()
        if isinstance(event.result, BadInput):
            self.show_bad_input(event.result)
        elif event.result is None:
            self.show_error(_("The download was stopped. The next one continues where it stopped."))
        else:
            super().action_forward()

    def action_back(self) -> None:
        """Stop the download if there is one; otherwise show the previous screen."""
        if self._download.file is not None:
            self._download.stop()
        else:
            super().action_back()

    def action_forward(self) -> None:
        """Download the weights that the preset needs, then use it and show the next screen."""
        self.show_error("")
        preset = self._preset_list.selected
        self._attempted = None if preset is None else preset.name
        if self._is_counting:
            self._forward_when_counted = True
            self.show_error(_("Still counting the images, to which the epochs are adapted."))
        elif self._download.file is not None:
            self.show_error(_("Still downloading. The next screen appears when the download is complete."))
        elif self.validation_error() is None and preset is not None and (file := self._missing_file(preset)):
            self._download.start(file, model_folder(self.wizard.workspace))
            self._update_hint()
        else:
            super().action_forward()

    def validation_error(self) -> str | None:
        """A preset that the user edited may be invalid."""
        preset = self._preset_list.selected
        try:
            if preset is not None:
                preset.recipe()
        except BadInput as error:
            return _("This preset cannot be used: {reason}", reason=error.messages[0])
        return None

    def accept(self) -> None:
        """Use the highlighted preset."""
        default = next(preset for preset in self._presets if preset.name == DEFAULT_PRESET)
        preset = self._preset_list.selected or default
        if self.state.preset != preset.name or self.state.preset_origin == "recommended":
            is_recommended = self._recommendation is None or preset.name == self._recommendation.preset
            self.state.preset_origin = "recommended" if is_recommended else "chosen"
        apply_preset(self.state, preset)


def _start_of(preset: Preset) -> str | None:
    try:
        return preset.recipe().start
    except BadInput:
        return None
