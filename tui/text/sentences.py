"""Every sentence of ours that a reader may see, found in the sources: what catalogues must hold.

python -m tui.text.sentences        prints those that a catalogue lacks
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.recipe import Recipe
from engine.recipe.presets import list_presets
from tui.text.catalogue import catalogues, read_po

TUI = Path(__file__).parents[1]
ENGINE = TUI.parent / "engine"
PLACES_OF_SENTENCE = {
    "_": (0, ""),
    "N_": (0, ""),
    "ngettext": (0, ""),
    "Message": (1, ""),
    "bad_input": (1, ""),
    "phrase": (0, ""),
    "marked": (0, ""),
    "SourceFailed": (0, ""),
    "ask": (0, ""),
    "notes": (0, ""),
    "find": (3, "{file}: "),
    "_count": (4, "{file}: "),
    "_finding": (3, "{file}: "),
}
"""Functions, which of their arguments is the English sentence, and what they write before it."""

TEXTUALS_OWN = ("Focus Next", "Focus Previous", "Copy selected text")


def sentences_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """The sentences in the sources of a folder, each with its file."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                at, before = PLACES_OF_SENTENCE.get(name, (len(node.args), ""))
                if at < len(node.args) and (said := _text(node.args[at])) is not None:
                    yield before + said, path


def _text(node: ast.expr) -> str | None:
    """The text of a constant; None for anything that is put together while the program runs."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def unread_sentences() -> dict[str, Path]:
    """Calls in the engine whose sentence cannot be read from the source, as code: no catalogue can be complete with them."""
    found: dict[str, Path] = {}
    for path in sorted(ENGINE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                at, _before = PLACES_OF_SENTENCE.get(node.func.id, (len(node.args), ""))
                if at < len(node.args) and _text(node.args[at]) is None:
                    found[ast.unparse(node)] = path
    return found


def screen_sentences() -> dict[str, Path]:
    """What the wizard itself says."""
    return dict(sentences_in(TUI)) | dict.fromkeys(TEXTUALS_OWN, TUI) | recipe_sentences()


def engine_sentences() -> dict[str, Path]:
    """What the engine says through messages."""
    return dict(sentences_in(ENGINE))


def recipe_sentences() -> dict[str, Path]:
    """What every setting means, and what every preset is; forms and cards show it."""
    settings = {str(field.description): ENGINE / "recipe.py" for field in Recipe.model_fields.values()}
    presets = {text: preset.path for preset in list_presets() for text in (preset.title, preset.summary)}
    return settings | presets


def missing(wanted: dict[str, Path], catalogue: Path) -> dict[str, Path]:
    """Those of `wanted` that `catalogue` has no translation for."""
    there = {entry.sentence for entry in read_po(catalogue) if all(entry.translations)}
    return {sentence: path for sentence, path in wanted.items() if sentence not in there}


def main() -> None:
    """Print what each catalogue lacks, as entries to be filled in."""
    for catalogue in catalogues():
        for sentence, path in missing(screen_sentences() | engine_sentences(), catalogue).items():
            quoted = sentence.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            sys.stdout.write(f'#: {path.relative_to(TUI.parent).as_posix()}\nmsgid "{quoted}"\nmsgstr ""\n\n')


if __name__ == "__main__":
    main()
