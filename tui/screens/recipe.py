"""The choice of a preset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.widget import Widget
from textual.widgets import OptionList

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.plan import DEFAULT_SPLIT_SEED, DataSource
from engine.recipe.presets import DEFAULT_PRESET, Preset, list_presets
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.widgets.preset_list import PresetList
from tui.wizard.data_source import absolute_source
from tui.wizard.recipe_draft import apply_preset
from tui.wizard.recommendation import Recommendation, recommend
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from tui.workers.wizard_protocol import Wizard

STARTS = {"whole": N_("the whole network"), "backbone": N_("a backbone"), "scratch": N_("nothing (from scratch)")}


class RecipeScreen(WizardScreen):
    """Cards of presets, the recommended one first. Enter uses the highlighted one."""

    screen_name: ClassVar[str] = "recipe"
    heading: ClassVar[str] = N_("Choose a preset")
    reason: ClassVar[str] = N_("A preset is a tested set of values. You can change them on the next screen.")

    DEFAULT_CSS = """
    RecipeScreen #body { overflow: hidden; }
    RecipeScreen.-high PresetList > .option-list--option { padding: 0 1 1 1; }
    """

    _preset_list = getters.query_one(PresetList)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._presets: tuple[Preset, ...] = ()
        self._train_images: int | None = None
        self._recommendation: Recommendation | None = None
        self._user_moved = False
        self._preselected: set[str] = set()
        """Presets that this screen highlighted itself."""

    def compose_body(self) -> Iterator[Widget]:
        """The list of presets."""
        yield PresetList()

    def on_mount(self) -> None:
        """Show the presets, then count the training images, which may change the recommendation."""
        try:
            self._presets = list_presets(self.wizard.workspace)
        except BadInput as error:
            self.show_bad_input(error)  # a preset of the workspace is damaged; freezetui's own are not
            self._presets = list_presets()
        self._recommend()
        if self.state.source is not None:
            # Errors of the data set are shown on the Data screen.
            query = LatestQuery(self, self._count_images, self._set_train_images, lambda _error: None)
            query.submit(self.state.source)

    def _count_images(self, source: DataSource) -> int:
        """In a thread: the number of training images."""
        located = absolute_source(source, self.wizard.workspace)
        return len(self.wizard.datasets.open(located, DEFAULT_SPLIT_SEED).splits["train"])

    def _set_train_images(self, count: int) -> None:
        self._train_images = count
        self._recommend()

    def show_hardware(self, hardware: Hardware) -> None:
        """Recommend again: free memory may have changed."""
        self._recommend()

    def _recommend(self) -> None:
        names = {preset.name for preset in self._presets}
        recommendation = recommend(names, self.wizard.hardware, self.state.start, self._train_images)
        if recommendation == self._recommendation or self.wizard.hardware is None:
            return
        selected = self._preset_list.selected
        self._recommendation = recommendation
        highlighted = self.state.preset or recommendation.preset
        if self._user_moved and selected is not None:
            highlighted = selected.name
        self._preselected.add(highlighted)
        self._preset_list.show(self._presets, recommendation, highlighted)
        self._update_hint()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Update the hint."""
        event.stop()
        if self._recommendation is not None:
            self._user_moved = self._user_moved or event.option_id not in self._preselected
            self._update_hint()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Use the preset and show the next screen."""
        event.stop()
        self.action_forward()

    def _update_hint(self) -> None:
        preset = self._preset_list.selected
        if preset is None:
            return
        hint = _("Enter uses: {title}", title=_(preset.title))
        start = _start_of(preset)
        if start is not None and self.state.start not in (None, start):
            hint += "  " + _("(and starts from: {start})", start=_(STARTS[start]))
        self.show_hint(hint)

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
        apply_preset(self.state, self._preset_list.selected or default)


def _start_of(preset: Preset) -> str | None:
    try:
        return preset.recipe().start
    except BadInput:
        return None
