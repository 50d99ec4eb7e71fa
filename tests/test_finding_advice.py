"""Every kind of finding comes with advice, in the wizard by its keys and fields."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import engine.dataset
from tui.text.finding_advice import ADVICE

DATASET_CODE = Path(engine.dataset.__file__).parent
CODE = re.compile(r"(class|dataset|image|label|split|text|yaml)\.[a-z_]+")
FILE_NAMES = {"class.txt", "label.txt", "dataset.yaml", "dataset.yml"}
OF_ANOTHER_SCREEN = {"dataset.image_gone", "dataset.no_readable_image", "image.suffix"}
"""About a run that is resumed, a training that has started, an image that is written."""
PARTS_OF_SENTENCES = {"dataset.no_box", "dataset.no_pictures"}
"""Of `dataset.empty`."""


def finding_codes() -> set[str]:
    """The codes in the code that reads and checks data sets."""
    constants = (
        node.value
        for file in DATASET_CODE.rglob("*.py")
        if "writers" not in file.parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in constants if CODE.fullmatch(text)} - FILE_NAMES


def test_every_finding_has_advice() -> None:
    assert finding_codes() - OF_ANOTHER_SCREEN - PARTS_OF_SENTENCES - set(ADVICE) == set()


def test_advice_of_the_wizard_names_keys_and_no_options() -> None:
    assert not [text for text in ADVICE.values() if "--" in text]


def test_no_finding_names_an_option_of_the_command_line() -> None:
    """It is shown in the wizard too; options are in `tui/text/command_advice.py`."""
    readers = [DATASET_CODE / "class_mapping.py", *(DATASET_CODE / "formats").rglob("*.py")]
    sentences = (
        node.value
        for file in readers
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("{")
    )
    assert not [text for text in sentences if "--" in text]


def test_what_the_wizard_shows_of_the_engine_names_no_option() -> None:
    """Where an option helps, the command line appends it: see `tui/text/command_advice.py`."""
    engine = DATASET_CODE.parent
    shown = [engine / "files.py", engine / "runner" / "run_data.py", engine / "recipe" / "presets.py"]
    sentences = (
        node.value
        for file in (*shown, *(engine / "planning").rglob("*.py"), *(engine / "training").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert not [
        text
        for text in sentences
        if re.search(r"(^|\s)--[a-z]", text) and "`" not in text and "freezetui train" not in text
    ]
