"""The Data screen: from a typed path to an open data set, or to the reason why it cannot be used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import OptionList

from engine.dataset.formats import open_dataset
from engine.dataset.images import UnreadableImage, read_image
from engine.dataset.index import finding
from engine.dataset.sample_dataset import draw_sample_dataset
from engine.evaluation.colours import colour_of
from engine.messages import Message
from engine.planning.request import DatasetReader
from tests.dataset_on_disk import annotation, cut_off, write_cat_voc, write_image, write_voc
from tests.small_training import prepare
from tests.tui.driving import drive, shown, until, until_shown
from tui.app import Freezetui
from tui.dialogs.class_names import ClassNamesDialog, NameInput
from tui.dialogs.folder_picker import FolderPicker, FolderTree
from tui.dialogs.format_choice import FormatDialog
from tui.screens.data import DataScreen
from tui.text import LANGUAGES, PSEUDO, set_language
from tui.text.datasets import finding_sentence, split_origin
from tui.widgets import dataset_path
from tui.widgets.findings import FindingsPanel
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput
from tui.widgets.terminal_image import UPPER_HALF, TerminalImage
from tui.wizard.dataset_inspection import read_class_names
from tui.wizard.dataset_summary import formats_help
from tui.wizard.path_completion import PathStatus, inspect_path, path_completions


def paste_path(app: Freezetui, text: str) -> None:
    """Put a path into the field, as pasting does."""
    field = app.screen.query_one("#path", PathInput)
    field.value = text
    field.cursor_position = len(text)


def label_text(app: Freezetui, selector: str) -> str:
    return str(app.screen.query_one(selector, Label).content)


def findings(app: Freezetui) -> str:
    return str(app.screen.query_one(FindingsPanel).query_one(Label).content)


def image_colours(app: Freezetui) -> set[tuple[int, int, int]]:
    """Every colour in the image on the screen."""
    image = app.screen.query_one(TerminalImage)
    colours = set()
    for y in range(image.size.height):
        for segment in image.render_line(y):
            if segment.text == UPPER_HALF and segment.style is not None:
                for colour in (segment.style.color, segment.style.bgcolor):
                    if colour is not None and colour.triplet is not None:
                        colours.add(tuple(colour.triplet))
    return colours


async def until_checked(app: Freezetui, pilot: Pilot[int]) -> None:
    """Wait for the data set, its check and its image."""
    await until(pilot, lambda: app.inspection is not None and app.inspection.findings is not None)
    await until(pilot, lambda: bool(image_colours(app)))


def write_voc_of_class(folder: Path, name: str) -> Path:
    """A VOC tree of ten images whose only class is called `name`."""
    write_voc(folder, train=8, val=2)
    for path in (folder / "Annotations").iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace("thing", name), encoding="utf-8")
    return folder


def test_one_key_draws_the_sample_set_and_enter_shows_the_next_screen(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.press("f2")
        await until_checked(app, pilot)
        text = shown(app)
        assert "Pascal VOC · 160 images" in text
        assert "train 130 · val 14 · test 16" in text
        assert all(name in text for name in ("ball", "crate", "star"))
        assert "No problems found." in text
        assert app.screen.query_one("#body").max_scroll_y == 0
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "weights"

    state = drive(tmp_path, script, screen_name="data")
    assert state.data == str(tmp_path / "sample")
    assert (tmp_path / "sample" / "VOCdevkit").is_dir()


def test_enter_alone_uses_the_data_set_in_the_workspace(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "my images", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert "my images" in shown(app)
        await pilot.press("enter")
        await until_checked(app, pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "weights"

    state = drive(tmp_path, script, screen_name="data")
    assert state.data == str(tmp_path / "my images")
    assert state.train_images == len(open_dataset(tmp_path / "my images").splits["train"])


def test_a_wrong_path_is_reported_while_typing_and_tab_completes_a_right_one(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "drawn [1]", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        paste_path(app, str(tmp_path / "dravn [1]"))
        await until(pilot, lambda: "did you mean drawn [1]?" in label_text(app, "#path-status"))
        assert app.screen.query_one("#path-status").has_class("-wrong")
        assert label_text(app, "#enter-hint") == ""
        paste_path(app, str(tmp_path / "dr"))
        await until(pilot, lambda: label_text(app, "#path-status") == "Tab: drawn [1]/")
        await pilot.press("tab")
        await until(pilot, lambda: app.screen.query_one("#path", PathInput).value.rstrip("/\\").endswith("drawn [1]"))
        await until_checked(app, pilot)  # without Enter, since it looks like a data set
        assert "Enter continues with 12 images." in shown(app)

    drive(tmp_path, script, screen_name="data")


def test_a_changed_path_closes_the_data_set(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        await pilot.press("end", "x")
        await pilot.pause()
        assert "images" not in label_text(app, "#enter-hint")
        await pilot.press("enter")
        await until(pilot, lambda: "there is no such folder; did you mean" in findings(app))
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "data"
        assert "This data set cannot be used" in shown(app)

    drive(tmp_path, script, screen_name="data", data=str(tmp_path / "drawn"))


def test_the_boxes_are_drawn_in_their_colours_and_f4_and_f5_change_the_image(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        image = app.screen.query_one(TerminalImage)
        first_name = str(image.border_subtitle)
        boxes = {colour_of(number) for number in range(3)}
        assert image_colours(app) & boxes
        assert str(image.border_title).startswith("F4 ◂ 1 of 12")
        await pilot.press("f5")
        await until(pilot, lambda: str(image.border_subtitle) != first_name)
        assert str(image.border_title).startswith("F4 ◂ 2 of 12")
        await pilot.press("f4", "f4")
        await until(pilot, lambda: str(image.border_title).startswith("F4 ◂ 12 of 12"))

    drive(tmp_path, script, screen_name="data", data=str(tmp_path / "drawn"), size=(120, 40))


def test_findings_have_advice(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=8, val=2)
    broken = annotation("000.jpg", (96, 64), [("thing", (5, 5, 5, 30)), ("thing", (5, 4, 35, 29))])
    for number in range(2):
        (folder / "Annotations" / f"00{number}.xml").write_text(broken, encoding="utf-8")
    cut_off(folder / "JPEGImages" / "005.jpg")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        text = findings(app)
        assert text.index("✖") < text.index("!")
        assert "cut off" in text
        assert "Copy the image again" in text
        assert "boxes without width or height: 1; left out. (and 1 more like it: Annotations/" in text
        assert "→ Draw these boxes again or delete them; the other boxes are used." in text

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_unknown_class_names_are_an_error_until_they_are_mapped(tmp_path: Path) -> None:
    folder = write_voc_of_class(tmp_path / "voc", "blood cell")
    classes = tmp_path / "my classes.txt"
    classes.write_text("blood_cell\nother\n", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "no box is left" in findings(app))
        assert "F6 assigns each name" in findings(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "data"
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, ClassNamesDialog))
        await pilot.pause()
        assert app.screen.query_one(NameInput).value == "blood_cell"  # the most similar name in the classes file
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DataScreen))
        await until_checked(app, pilot)
        assert app.inspection is not None
        assert app.inspection.dataset.box_counts() == {"blood_cell": 10, "other": 0}
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "weights"

    state = drive(tmp_path, script, screen_name="data", data=str(folder), classes_file=str(classes))
    assert state.mapping == {"blood cell": "blood_cell"}
    assert state.classes_file == str(classes)


def test_a_classes_file_with_other_names_beside_the_labels_is_reported(tmp_path: Path) -> None:
    folder = write_voc_of_class(tmp_path / "voc", "cat")
    (folder / "classes.txt").write_text("Cat\n", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        assert "classes.txt has other class names (Cat) than the labels (cat)" in findings(app)
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, ClassNamesDialog))
        await pilot.pause()
        assert app.screen.query_one(NameInput).value == "Cat"
        await pilot.press("escape")
        await pilot.pause()
        assert app.state.mapping == {}

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_names_with_brackets_and_control_characters_are_shown_literally(tmp_path: Path) -> None:
    folder = tmp_path / "数据 [red]"
    (folder / "labels").mkdir(parents=True)
    write_voc(tmp_path / "voc", train=6)
    (folder / "images").mkdir()
    for path in sorted((tmp_path / "voc" / "JPEGImages").iterdir()):
        path.rename(folder / "images" / path.name)
        (folder / "labels" / f"{path.stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n", encoding="utf-8")
    (folder / "classes.txt").write_text("[bold]x\x1b[2J\n", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        text = shown(app)
        assert "数据 [red]" in text
        assert "[bold]x\N{REPLACEMENT CHARACTER}[2J" in text
        assert "\x1b" not in text
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, ClassNamesDialog))
        await until(pilot, lambda: "[bold]x" in shown(app))
        assert "\x1b" not in shown(app)

    drive(tmp_path, script, size=(200, 40), screen_name="data", data=str(folder))


def test_a_folder_without_labels_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    write_voc(tmp_path / "voc", train=3)
    (tmp_path / "voc" / "JPEGImages").rename(folder)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        paste_path(app, str(folder))
        await pilot.press("enter")
        await until(pilot, lambda: "no labels found. Images: 3" in findings(app))
        assert "Choose the folder that contains both images and labels" in findings(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "data"

    drive(tmp_path, script, screen_name="data")


def test_the_home_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        paste_path(app, "~")
        await pilot.press("enter")
        await until(pilot, lambda: "your home folder" in findings(app))

    drive(tmp_path, script, screen_name="data")


def test_the_tree_starts_at_the_sample_set_that_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word means the folder of the workspace, also where the current folder has one of that name."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sample").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    draw_sample_dataset(tmp_path / "sample", 4)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.press("f2", "f3")
        await until(pilot, lambda: isinstance(app.screen, FolderPicker))
        await until(pilot, lambda: app.screen.query_one(FolderTree).path == tmp_path / "sample")

    drive(tmp_path, script, screen_name="data")


def test_a_folder_is_chosen_from_the_tree(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "a [bracket]", 12)
    (tmp_path / "z").mkdir()

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        paste_path(app, str(tmp_path / "z"))
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, FolderPicker))
        await pilot.press("backspace")
        await until(pilot, lambda: "a [bracket]" in shown(app))
        tree = app.screen.query_one(FolderTree)
        await until(pilot, lambda: tree.cursor_node is not None)
        await pilot.press("down")
        await until(pilot, lambda: "looks like a data set" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DataScreen))
        await until_checked(app, pilot)

    assert drive(tmp_path, script, screen_name="data").data == str(tmp_path / "a [bracket]")


def test_the_data_set_is_still_open_after_another_screen(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        before = app.inspection
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        await until(pilot, lambda: "Enter continues with 12 images" in shown(app))
        assert app.inspection is before  # not read from the disk again

    drive(tmp_path, script, screen_name="data", data=str(tmp_path / "drawn"))


def test_every_text_is_translated(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        text = shown(app)
        for sentence in ("⟦Folder", "⟦12 ", "⟦train {", "⟦Enter continues", "⟦Findings", "⟦F4 ", "⟦sample"):
            assert sentence.replace("{", "")[:8] in text.replace("{count} ", "12 "), sentence

    drive(tmp_path, script, screen_name="data", data=str(tmp_path / "drawn"), language="pseudo", size=(120, 40))


def test_completions_are_folders_then_suitable_files(tmp_path: Path) -> None:
    for name in ("data b", "data a", ".hidden"):
        (tmp_path / name).mkdir()
    for name in ("data.yaml", "data.jpg"):
        (tmp_path / name).touch()
    typed = f"{tmp_path}/da"
    completions = path_completions(typed, lambda path: path.suffix == ".yaml")
    assert [Path(text).name for text in completions] == ["data a", "data b", "data.yaml"]
    assert inspect_path(typed, lambda path: False).problem == ""
    assert "There is no nowhere" in inspect_path(f"{tmp_path}/nowhere/deep", lambda path: False).problem


def test_f7_selects_another_format_and_leads_back_to_the_recognised_one(tmp_path: Path) -> None:
    folder = write_voc_of_class(tmp_path / "voc", "cat")

    async def choose(app: Freezetui, pilot: Pilot[int], name: str) -> None:
        await pilot.press("f7")
        await until(pilot, lambda: isinstance(app.screen, FormatDialog))
        app.screen.query_one(OptionList).highlighted = app.screen.query_one(OptionList).get_option_index(name)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DataScreen))

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        assert "f6 classes  f7 format" in shown(app)
        await pilot.press("f7")
        await until_shown(app, pilot, "recognise it: Pascal VOC")
        await pilot.press("escape")
        await choose(app, pilot, "yolo")
        await until(pilot, lambda: "no labels found" in findings(app))
        assert "Read as YOLO, chosen with F7" in label_text(app, "#path-status")
        await pilot.press("enter")
        await until(pilot, lambda: "This data set cannot be used" in shown(app))
        await choose(app, pilot, "auto")
        await until(pilot, lambda: app.state.format == "auto" and "Enter continues" in label_text(app, "#enter-hint"))
        assert "This data set cannot be used" not in shown(app)

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_keys_for_classes_and_formats_appear_with_a_data_set(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "f3 folder")
        assert "f6" not in shown(app)
        assert "f7" not in shown(app)

    drive(tmp_path, script, screen_name="data")


def test_images_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=8, val=2)
    for number in (1, 3, 9):
        (folder / "JPEGImages" / f"{number:03d}.jpg").write_bytes(b"")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        await until_shown(app, pilot, "Enter continues with 7 images. 3 cannot be read.", "3 images cannot be read")

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_a_data_set_of_which_nothing_can_be_read_is_no_way_on(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=3, val=1)
    for image in (folder / "JPEGImages").iterdir():
        image.write_bytes(b"")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.inspection is not None and app.inspection.findings is not None)
        await until_shown(app, pilot, "too few training images (0)")
        await pilot.press("enter")
        await until_shown(app, pilot, "too few of its training images can be read")
        assert app.state.screen_name == "data"

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_tab_completes_no_path_that_is_open(tmp_path: Path) -> None:
    folder = draw_sample_dataset(tmp_path / "drawn", 12).parents[1]

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        await pilot.press("end", "tab")
        await pilot.pause()
        assert app.screen.query_one("#path", PathInput).value == str(folder)
        assert app.screen.focused is not app.screen.query_one("#path", PathInput)

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_page_keys_scroll_findings_that_do_not_fit_and_the_title_says_so(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=8, val=2)
    flat = annotation("000.jpg", (96, 64), [("thing", (5, 5, 5, 30)), ("thing", (5, 4, 35, 29))])
    (folder / "Annotations" / "000.xml").write_text(flat, encoding="utf-8")
    (folder / "JPEGImages" / "001.jpg").write_bytes(b"")
    write_image(folder / "JPEGImages" / "unused.jpg")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        await until_shown(app, pilot, "Findings · PgUp PgDn scroll")
        panel = app.screen.query_one(FindingsPanel)
        await pilot.press("pagedown")
        await until(pilot, lambda: panel.scroll_y > 0)
        assert app.screen.focused is app.screen.query_one("#path", PathInput)
        await pilot.press("pageup")
        await until(pilot, lambda: panel.scroll_y == 0)

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_escape_stops_the_reading_of_a_large_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = draw_sample_dataset(tmp_path / "drawn", 12).parents[1]
    stopped, inspected, ended = threading.Event(), threading.Event(), threading.Event()
    readings = 0

    def inspect_late(*arguments: Any) -> PathStatus:
        stopped.wait(60)
        status = inspect_path(*arguments)
        inspected.set()
        return status

    def read_slowly(_self: object, _source: object, _seed: int, progress: Callable[[int, int], None]) -> None:
        nonlocal readings
        readings += 1
        try:
            for done in range(100_000):
                progress(done, 100_000)
                time.sleep(0.001)
        finally:
            ended.set()

    monkeypatch.setattr(DatasetReader, "open", read_slowly)
    monkeypatch.setattr(dataset_path, "inspect_path", inspect_late)
    monkeypatch.setattr(dataset_path, "OPEN_DELAY", 0.01)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "of 100000 ... Esc stops.")
        await pilot.press("escape")
        await until(pilot, ended.is_set)
        await until_shown(app, pilot, "The reading was stopped.", "Enter reads this data set.")
        stopped.set()
        await until(pilot, inspected.is_set)
        await pilot.pause(0.1)
        await until_shown(app, pilot, "The reading was stopped.")
        assert readings == 1, "a path that was inspected late is read again"
        assert app.state.screen_name == "data"
        await pilot.press("escape")
        await until(pilot, lambda: app.state.screen_name == "hardware")

    drive(tmp_path, script, screen_name="data", data=str(folder))


def test_the_first_image_shown_is_one_that_can_be_read(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=8, val=2)
    for number in (0, 1):
        (folder / "JPEGImages" / f"{number:03d}.jpg").write_bytes(b"")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        image = app.screen.query_one(TerminalImage)
        await until(pilot, lambda: str(image.border_title).startswith("F4 ◂ 3 of 10"))
        await pilot.press("f4")
        await until_shown(app, pilot, "JPEGImages/001.jpg: ")

    drive(tmp_path, script, screen_name="data", data=str(folder), size=(120, 40))


def test_help_names_the_keys_of_the_screen(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.press("f1")
        await until_shown(app, pilot, "chooses the format, or recognises it", "stops the reading")
        assert "freezetui data" not in shown(app)

    drive(tmp_path, script, screen_name="data")


def test_the_origin_of_the_splits_is_said(tmp_path: Path) -> None:
    assert split_origin(open_dataset(write_cat_voc(tmp_path / "all", "a b c d e f g h i j"))).startswith("split drawn")
    assert "too few images for a test split" in split_origin(open_dataset(write_cat_voc(tmp_path / "few", "a b c")))
    names = "a b c d e f g h i j"
    only_val = open_dataset(write_cat_voc(tmp_path / "val", names, train=names))
    assert split_origin(only_val).startswith("validation images drawn from the training images")
    own = open_dataset(write_cat_voc(tmp_path / "own", "a b c", train="a b", val="c"))
    assert split_origin(own) == "split of the data set"


def test_findings_call_the_data_set_by_the_name_of_its_folder(tmp_path: Path) -> None:
    found = finding("warning", "class.empty", str(tmp_path / "set"), "{file}: class {name} has no box.", name="cat")
    assert finding_sentence(found.message, tmp_path / "set") == "set/: class cat has no box."
    assert finding_sentence(found.message, tmp_path / "other") == f"{tmp_path / 'set'}: class cat has no box."


def test_paths_in_findings_are_relative_to_the_data_set(tmp_path: Path) -> None:
    write_voc(tmp_path, train=2)
    image = tmp_path / "JPEGImages" / "000.jpg"
    image.write_bytes(b"")
    with pytest.raises(UnreadableImage) as unreadable:
        read_image(image)
    assert finding_sentence(unreadable.value.message, tmp_path).startswith("JPEGImages/000.jpg: ")


def test_the_sample_set_is_read_without_what_was_chosen_for_it_before(tmp_path: Path) -> None:
    draw_sample_dataset(tmp_path / "sample", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "no labels found" in findings(app))
        await pilot.press("f2")
        await until_checked(app, pilot)

    entered = {"data": str(tmp_path / "sample"), "format": "yolo", "mapping": {"ball": "sphere"}}
    state = drive(tmp_path, script, screen_name="data", **entered)
    assert (state.format, state.classes_file, state.mapping) == ("auto", None, {})


def test_leaving_during_the_check_does_not_wait_for_its_end(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=4, size=(1600, 1200))
    for number in range(4, 400):
        for part, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
            (folder / part / f"{number:03d}.{suffix}").hardlink_to(folder / part / f"{number % 4:03d}.{suffix}")
    screens: list[DataScreen] = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Checking the images" in shown(app))
        screens.extend(screen for screen in app.screen_stack if isinstance(screen, DataScreen))

    drive(tmp_path, script, screen_name="data", data=str(folder))
    (screen,) = screens
    assert screen._opening.check_progress is not None
    assert screen._opening.check_progress[0] < 400


def test_a_form_that_is_ready_after_escape_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_read = threading.Event()

    def slow(*arguments: Any) -> Any:
        may_read.wait()
        return read_class_names(*arguments)

    monkeypatch.setattr("tui.dialogs.class_renaming.read_class_names", slow)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_checked(app, pilot)
        await pilot.press("f6")
        app.show_screen("hardware")
        may_read.set()
        await until(pilot, lambda: not any(worker.group == "query" and worker.is_running for worker in app.workers))
        await pilot.pause(0.2)
        assert not isinstance(app.screen, ClassNamesDialog)

    prepare(tmp_path)
    drive(tmp_path, script, screen_name="data", data=str(tmp_path / "data"))


def test_the_line_about_csv_fits_on_eighty_columns() -> None:
    for language in LANGUAGES:
        set_language(language)
        assert max(cell_len(line) for line in formats_help().splitlines()) <= 76
    set_language("en")


def test_findings_name_splits_in_the_language_of_the_user() -> None:
    message = Message("split.no_boxes", "{file}: no image in {split} has a box.", {"file": Path("/d"), "split": "val"})
    set_language(PSEUDO)
    assert "⟦val~⟧" in finding_sentence(message, Path("/d"))
    set_language("en")
    assert "no image in val has a box" in finding_sentence(message, Path("/d"))
