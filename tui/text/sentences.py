"""Every sentence of ours that a reader may see, found in the sources: what catalogues must hold.

python -m tui.text.sentences        prints those that a catalogue lacks
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.presets import list_presets
from tui.text.catalogue import catalogues, read_po

TUI = Path(__file__).parents[1]
ENGINE = TUI.parent / "engine"
PLACES_OF_SENTENCE = {"_": 0, "N_": 0, "counted": 0, "_setting": 0, "Message": 1, "bad_input": 1}
"""Functions, and which of their arguments is the English sentence."""

TEXTUALS_OWN = ("Focus Next", "Focus Previous", "Copy selected text")


def sentences_in(folder: Path, only: str | None = None) -> Iterator[tuple[str, Path]]:
    """The sentences in the sources of a folder, each with its file; `only`: those given to that function."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                at = PLACES_OF_SENTENCE.get(name)
                if at is None or len(node.args) <= at or only not in (None, name):
                    continue
                given = node.args[at]
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield given.value, path


def screen_sentences() -> dict[str, Path]:
    """What the wizard itself says, and what it shows of settings and presets."""
    return dict(sentences_in(TUI)) | dict.fromkeys(TEXTUALS_OWN, TUI) | dict(_of_recipes())


def _of_recipes() -> Iterator[tuple[str, Path]]:
    """What every setting means, and what every preset is."""
    yield from ((text, path) for text, path in sentences_in(ENGINE, only="_setting"))
    for preset in list_presets():
        yield from ((text, preset.path) for text in (preset.title, preset.summary))


def engine_sentences() -> dict[str, Path]:
    """What the engine says through messages."""
    return dict(sentences_in(ENGINE))


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
