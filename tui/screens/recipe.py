"""The preset to start from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.widget import Widget
from textual.widgets import OptionList

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.recipe.presets import DEFAULT_PRESET, Preset, list_presets
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.widgets.preset_list import PresetList
from tui.wizard.planner import located
from tui.wizard.recipe_draft import take_preset
from tui.wizard.recommendation import Recommendation, recommend
from tui.workers.latest_query import LatestQuery


class RecipeScreen(WizardScreen):
    """Cards of presets; the recommended one stands first, and Enter takes it."""

    place: ClassVar[str] = "recipe"
    heading: ClassVar[str] = N_("How shall it be trained?")
    reason: ClassVar[str] = N_("A preset is a proven set of values; every one of them can be changed in the next step.")

    DEFAULT_CSS = """
    RecipeScreen #body { overflow: hidden; }
    RecipeScreen.-high PresetList > .option-list--option { padding: 0 1 1 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._presets: tuple[Preset, ...] = ()
        self._images: int | None = None
        self._shown: Recommendation | None = None
        self._moved = False
        self._placed: set[str] = set()

    def compose_body(self) -> Iterator[Widget]:
        """The list of cards."""
        yield PresetList()

    def on_mount(self) -> None:
        """Show what there is; the number of images follows."""
        try:
            self._presets = list_presets(self.wizard.workspace)
        except BadInput as error:
            self.show_refusal(error)  # a file of the workspace is damaged; ours are there still
            self._presets = list_presets()
        self._recommend()
        source, workspace = self.state.source, self.wizard.workspace

        def count(seed: int) -> int:
            from engine.plan import open_source

            assert source is not None
            return len(open_source(located(source, workspace), seed).splits["train"])

        if source is not None:
            # What is wrong with the data set was said where it was chosen.
            LatestQuery(self, count, self._counted, lambda error: None).ask(11)

    def show_hardware(self, hardware: Hardware) -> None:
        """What is free decides."""
        self._recommend()

    def _counted(self, images: int) -> None:
        self._images = images
        self._recommend()

    def _recommend(self) -> None:
        names = {preset.name for preset in self._presets}
        found = recommend(names, self.wizard.hardware, self.state.start, self._images)
        if found == self._shown or self.wizard.hardware is None:
            return
        cards = self.query_one(PresetList)
        stays = cards.chosen.name if self._moved and cards.chosen is not None else None
        self._shown = found
        highlighted = stays or self.state.preset or found.preset
        self._placed.add(highlighted)
        cards.show(self._presets, found, highlighted)
        self._say_what_enter_takes()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what Enter would take now."""
        event.stop()
        if self._shown is not None:
            self._moved = self._moved or event.option_id not in self._placed  # by the user, not by us
            self._say_what_enter_takes()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take it and go on."""
        event.stop()
        self.action_forward()

    def _say_what_enter_takes(self) -> None:
        preset = self.query_one(PresetList).chosen
        if preset is None:
            return
        sentence = _("Enter takes: {title}", title=_(preset.title))
        start = _start_of(preset)
        if start is not None and self.state.start not in (None, start):
            sentence += "  " + _("(and starts from: {start})", start=_(STARTS[start]))
        self.suggest(sentence)

    def validation_error(self) -> str | None:
        """A preset that was edited into something impossible cannot be taken."""
        preset = self.query_one(PresetList).chosen
        try:
            if preset is not None:
                preset.recipe()
        except BadInput as error:
            self.show_refusal(error)
            return _("This preset cannot be taken: {reason}", reason=error.messages[0])
        return None

    def accept(self) -> None:
        """Take the highlighted preset."""
        preset = self.query_one(PresetList).chosen or next(one for one in self._presets if one.name == DEFAULT_PRESET)
        take_preset(self.state, preset)


STARTS = {"whole": N_("the whole network"), "backbone": N_("a backbone"), "scratch": N_("nothing (from scratch)")}


def _start_of(preset: Preset) -> str | None:
    try:
        return preset.recipe().start
    except BadInput:
        return None
