"""The settings of a recipe as a form: groups with a title, one line for each setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from engine.recipe import Recipe, to_plain_value
from tui.text import _
from tui.widgets.field_row import FieldRow
from tui.widgets.label import Label
from tui.wizard.recipe_draft import RecipeDraft
from tui.wizard.recipe_fields import FIELD_GROUPS, RecipeField, recipe_fields
from tui.wizard.setting_notes import Note


class FieldGroup(Vertical):
    """A title, and the lines of its settings. It is shown while one of them is."""

    DEFAULT_CSS = """
    FieldGroup { height: auto; margin-bottom: 1; }
    FieldGroup > .group-title { color: $primary; text-style: bold; }
    """

    def __init__(self, title: str, rows: list[FieldRow]) -> None:
        super().__init__()
        self._title = title
        self._rows = rows

    def compose(self) -> ComposeResult:
        """The title above the settings."""
        yield Label(self._title, classes="group-title")
        yield from self._rows

    def update_display(self) -> None:
        """Hide the group if all of its settings are hidden."""
        self.display = any(row.display for row in self._rows)


class RecipeForm(VerticalScroll, inherit_bindings=False):
    """It binds no keys, so that the arrow keys can move the focus; the screen scrolls it by pages."""

    def __init__(self, on_change: Callable[[str, Any], None], *, id: str) -> None:
        """`on_change(name, value)` is called at every change; the value may be invalid."""
        super().__init__(id=id, can_focus=False)
        self._rows = {field.name: FieldRow(field, on_change) for field in recipe_fields()}
        self._groups = [
            FieldGroup(_(title), [self._rows[name] for name in names]) for title, names in FIELD_GROUPS.items()
        ]

    def compose(self) -> ComposeResult:
        """The groups."""
        yield from self._groups

    def show_values(self, draft: RecipeDraft, recipe: Recipe | None, is_shown: Callable[[RecipeField], bool]) -> None:
        """Show the values of `draft`, whose Recipe is `recipe` if it is valid, and of all settings only those that `is_shown` selects."""
        for name, row in self._rows.items():
            row.display = is_shown(row.field)
            if name in draft.changes:
                row.show(draft.changes[name], changed=True)
            else:
                value = draft.unchanged_value(name) if recipe is None else to_plain_value(getattr(recipe, name))
                row.show(value, changed=name in draft.start)
        self._update_groups()

    def show_notes(self, notes: Mapping[str, Note], *, revealed: frozenset[str]) -> None:
        """Show the notes beside the settings. Those that are `revealed` are shown even if they were hidden."""
        for name, row in self._rows.items():
            row.show_note(notes.get(name))
            if name in revealed:
                row.display = True
        self._update_groups()

    def focus_field(self, name: str) -> None:
        """Give the focus to the value of the setting `name`."""
        self._rows[name].focus_value()

    def focused_row(self) -> FieldRow | None:
        """The line that has the focus."""
        return next((row for row in self._rows.values() if row.has_focus_within), None)

    def _update_groups(self) -> None:
        for group in self._groups:
            group.update_display()
