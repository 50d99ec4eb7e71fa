"""Keeps the message catalogues up to date. Needs Babel, which only the `dev` extra installs.

    python -m tui.text.sentences        extract all texts, update every .po file, compile every .mo file

New texts stand in the .po file with an empty translation; texts that are no longer used are removed from it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from engine.recipe import Recipe
from engine.recipe.presets import list_presets
from tui.text.language import LOCALE

Text = str | tuple[str, ...]
"""A text, or its singular and plural form."""

TUI = Path(__file__).parents[1]
ENGINE = TUI.parent / "engine"

KEYWORDS = {
    "_": (1,),
    "N_": (1,),
    "ngettext": (1, 2),
    "Message": (2,),
    "bad_input": (2,),
    "phrase": (1,),
    "gettext_noop": (1,),
    "SourceFailed": (1,),
    "finding": (4,),
    "add_finding": (4,),
    "leave_out": (5,),
    "_without": (5,),
    "_report": (4,),
    "_Report": (4,),
}
"""Functions, and which of their arguments are texts, counted from 1."""

TEXTUALS_OWN = ("Focus Next", "Focus Previous", "Copy selected text")
"""Texts of Textual that our help shows."""


def catalogue_paths() -> tuple[Path, ...]:
    """All .po files."""
    return tuple(sorted(LOCALE.glob("*/LC_MESSAGES/*.po")))


def extract_texts() -> Iterator[Text]:
    """Every text that a user may see: of the sources, of the recipe's settings and of the presets."""
    for folder in (TUI, ENGINE):
        for path in sorted(folder.rglob("*.py")):
            yield from extract_from(path.read_text(encoding="utf-8"))
    yield from TEXTUALS_OWN
    yield from (str(setting.description) for setting in Recipe.model_fields.values())
    for preset in list_presets():
        yield from (preset.title, preset.summary)


def extract_from(source: str) -> Iterator[Text]:
    """The texts in the calls of `KEYWORDS`.

    By the syntax tree: Babel's own extraction, which reads tokens, loses texts of calls within calls and joins both texts
    of a conditional expression.
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: call.lineno):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        positions = KEYWORDS.get(name, ())
        arguments = [call.args[position - 1] for position in positions if position <= len(call.args)]
        texts = tuple(a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str))
        if texts and all(texts) and len(texts) == len(positions):
            yield texts[0] if len(texts) == 1 else texts


def template() -> Catalog:
    """A catalogue of all texts without translations."""
    catalogue = Catalog(project="freezetui", copyright_holder="", charset="utf-8")
    for text in extract_texts():
        catalogue.add(text)
    return catalogue


def read_catalogue(path: Path) -> Catalog:
    """The catalogue in a .po file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], charset="utf-8")


def update_catalogue(path: Path) -> None:
    """Bring a .po file up to date and compile it."""
    catalogue = read_catalogue(path)
    current = template()
    current.creation_date = catalogue.creation_date  # so that an update without new texts changes nothing
    catalogue.update(current, no_fuzzy_matching=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=120, ignore_obsolete=True)
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def main() -> None:
    """Update and compile every catalogue."""
    for path in catalogue_paths():
        update_catalogue(path)


if __name__ == "__main__":
    main()
