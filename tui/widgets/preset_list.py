"""Presets as cards in two groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.recipe import Recipe
from engine.recipe.presets import Preset
from tui.text import N_, _
from tui.text.joining import with_detail
from tui.text.presets import preset_summary
from tui.widgets.line_breaks import with_own_breaks
from tui.wizard.recipe_fields import recipe_fields
from tui.wizard.recommendation import Recommendation

GROUPS = {
    "modern": N_("freezetui's presets: they need fewer epochs"),
    "tutorial": N_("Presets of the tutorials: their loss, their learning rates, their many epochs"),
}


class PresetList(OptionList):
    """Up and down move the highlight; Enter selects the highlighted preset."""

    DEFAULT_CSS = """
    PresetList, PresetList:focus { height: 1fr; border: none; padding: 0; background: $background; background-tint: $background 0%; scrollbar-size-vertical: 1; }
    PresetList > .option-list--option { padding: 0 1; }
    PresetList > .option-list--option-highlighted, PresetList:focus > .option-list--option-highlighted { background: $block-cursor-background; color: $block-cursor-foreground; text-style: none; }
    PresetList > .option-list--option-disabled { color: $text-muted; text-style: bold; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", N_("select"))]

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._presets: dict[str, Preset] = {}
        self.adapted: Mapping[str, Any] = {}
        """The settings of the highlighted preset that are adapted to the data set."""

    @property
    def selected(self) -> Preset | None:
        """The highlighted preset."""
        option = self.highlighted_option
        return None if option is None or option.id is None else self._presets.get(option.id)

    def show(
        self, presets: Sequence[Preset], recommended: Recommendation, highlighted: str, brings: Mapping[str, str]
    ) -> None:
        """Show the cards: the recommended one first in its group, and the preset `highlighted` under the cursor.

        `brings` has, for presets that change the network or need a download, a text that says so.
        """
        self._presets = {preset.name: preset for preset in presets}
        options: list[Option] = []
        for family, heading in GROUPS.items():
            members = [preset for preset in presets if preset.family == family]
            if members:
                members.sort(key=lambda preset: preset.name != recommended.preset)
                options.append(Option(with_own_breaks(Content(_(heading))), disabled=True))
                options += [
                    Option(with_own_breaks(_card(preset, recommended, brings.get(preset.name, ""))), id=preset.name)
                    for preset in members
                ]
        self.clear_options()
        self.add_options(options)
        names = [option.id for option in options]
        self.highlighted = names.index(highlighted) if highlighted in names else 1
        if self.highlighted == 1:
            self.call_after_refresh(self.scroll_home, animate=False)  # show the heading of the group too

    def help_text(self) -> str:
        """Text for F1: the settings of the highlighted preset and their meaning."""
        preset = self.selected
        if preset is None:
            return ""
        fields = {field.name: field for field in recipe_fields()}
        lines = [with_detail(_(preset.title), preset.name), "", preset_summary(preset), ""]
        recipe = preset.recipe()
        for name, value in {**preset.settings, **self.adapted}.items():
            if name in Recipe.model_fields:
                line = f"{name} = {fields[name].text(value)}"
                if name in self.adapted:
                    own = fields[name].text(getattr(recipe, name))
                    line = with_detail(line, _("adapted to your data set; the preset has {value}", value=own))
                lines += [line, f"    {fields[name].description}"]
        if not preset.settings and not self.adapted:
            lines.append(_("Every setting has its default value."))
        return "\n".join(lines)


def _card(preset: Preset, recommended: Recommendation, brings: str) -> Content:
    """Title, summary, what the preset brings and, for the recommended one, the reason."""
    title = Content(_(preset.title)).stylize("bold")
    lines = [title, Content(preset_summary(preset)).stylize("dim")]
    if preset.name == recommended.preset:
        lines[0] = Content.assemble(title, "  ", Content(_("★ recommended")).stylize("$success"))
        lines.append(Content(recommended.reason).stylize("$success"))
    if brings:
        lines.append(Content(brings).stylize("$warning"))
    return Content("\n").join(lines)
