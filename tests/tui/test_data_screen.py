"""The Data screen: from a typed path to a data set that is understood, or to the reason why not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.dataset.sample import draw_sample
from engine.evaluation.colours import colour_of
from tests.dataset_on_disk import annotation, cut_off, write_voc
from tests.tui.driving import drive, shown, until
from tui.app import Freezetui
from tui.dialogs.class_names import ClassNamesDialog, NameField
from tui.dialogs.folder_picker import FolderPicker, FolderTree
from tui.screens.data import DataScreen
from tui.widgets.findings import FindingsPanel
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput
from tui.widgets.terminal_image import UPPER, TerminalImage
from tui.wizard.path_completion import completions_of, inspect_path

SLOW = 120
"""Seconds that a busy machine may need."""


def write(app: Freezetui, text: str) -> None:
    """Put a path into the field, as pasting does."""
    field = app.screen.query_one("#path", PathInput)
    field.value = text
    field.cursor_position = len(text)


def said(app: Freezetui, where: str) -> str:
    return str(app.screen.query_one(where, Label).content)


def findings(app: Freezetui) -> str:
    return str(app.screen.query_one(FindingsPanel).query_one(Label).content)


def picture_colours(app: Freezetui) -> set[tuple[int, int, int]]:
    """Every colour in the picture on the screen."""
    picture = app.screen.query_one(TerminalImage)
    colours = set()
    for y in range(picture.size.height):
        for segment in picture.render_line(y):
            if segment.text == UPPER and segment.style is not None:
                for colour in (segment.style.color, segment.style.bgcolor):
                    if colour is not None and colour.triplet is not None:
                        colours.add(tuple(colour.triplet))
    return colours


async def opened(app: Freezetui, pilot: Pilot[int]) -> None:
    """Wait for the data set, its check and its picture."""
    await until(pilot, lambda: app.opened is not None and app.opened.findings is not None, SLOW)
    await until(pilot, lambda: bool(picture_colours(app)), SLOW)


def one_voc(folder: Path, name: str) -> Path:
    """A VOC tree of ten pictures whose only class is called `name`."""
    write_voc(folder, train=8, val=2)
    for path in (folder / "Annotations").iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace("thing", name), encoding="utf-8")
    return folder


def test_one_key_draws_the_sample_set_and_enter_goes_on(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.press("f2")
        await opened(app, pilot)
        text = shown(app)
        assert "Pascal VOC · 160 pictures" in text
        assert "train 130 · val 14 · test 16" in text
        assert all(name in text for name in ("ball", "crate", "star"))
        assert "Nothing is wrong with it." in text
        assert app.screen.query_one("#body").max_scroll_y == 0
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.place == "weights"

    state = drive(tmp_path, script, place="data")
    assert state.data == str(tmp_path / "sample")
    assert (tmp_path / "sample" / "VOCdevkit").is_dir()


def test_enter_alone_takes_the_data_set_that_lies_here(tmp_path: Path) -> None:
    draw_sample(tmp_path / "my pictures", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert "my pictures" in shown(app)
        await pilot.press("enter")
        await opened(app, pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.place == "weights"

    assert drive(tmp_path, script, place="data").data == str(tmp_path / "my pictures")


def test_a_wrong_path_is_said_while_typing_and_tab_completes_a_right_one(tmp_path: Path) -> None:
    draw_sample(tmp_path / "drawn [1]", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        write(app, str(tmp_path / "dravn [1]"))
        await until(pilot, lambda: "did you mean drawn [1]?" in said(app, "#said"))
        assert app.screen.query_one("#said").has_class("-wrong")
        assert said(app, "#suggestion") == ""
        write(app, str(tmp_path / "dr"))
        await until(pilot, lambda: said(app, "#said") == "Tab: drawn [1]/")
        await pilot.press("tab")
        await until(pilot, lambda: app.screen.query_one("#path", PathInput).value.rstrip("/\\").endswith("drawn [1]"))
        await opened(app, pilot)  # no Enter: it looks like a data set, and nobody types on
        assert "Enter goes on with these 12 pictures." in shown(app)

    drive(tmp_path, script, place="data")


def test_typing_on_forgets_what_is_no_longer_meant(tmp_path: Path) -> None:
    draw_sample(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        await pilot.press("x")
        await pilot.pause()
        assert "pictures" not in said(app, "#suggestion")
        await pilot.press("enter")
        await until(pilot, lambda: "there is no such folder; did you mean" in findings(app))
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.place == "data"
        assert "cannot go on" in shown(app)

    drive(tmp_path, script, place="data", data=str(tmp_path / "drawn"))


def test_the_boxes_are_drawn_in_their_colours_and_pictures_turn_over(tmp_path: Path) -> None:
    draw_sample(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        picture = app.screen.query_one(TerminalImage)
        first = str(picture.border_subtitle)
        boxes = {colour_of(number) for number in range(3)}
        assert picture_colours(app) & boxes
        assert str(picture.border_title).startswith("F4 ◂ 1 of 12")
        await pilot.press("f5")
        await until(pilot, lambda: str(picture.border_subtitle) != first)
        assert str(picture.border_title).startswith("F4 ◂ 2 of 12")
        await pilot.press("f4", "f4")
        await until(pilot, lambda: str(picture.border_title).startswith("F4 ◂ 12 of 12"))

    drive(tmp_path, script, place="data", data=str(tmp_path / "drawn"), size=(120, 40))


def test_findings_say_what_to_do(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", train=8, val=2)
    broken = annotation("000.jpg", (96, 64), [("thing", (5, 5, 5, 30)), ("thing", (5, 4, 35, 29))])
    for number in range(2):
        (folder / "Annotations" / f"00{number}.xml").write_text(broken, encoding="utf-8")
    cut_off(folder / "JPEGImages" / "005.jpg")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        text = findings(app)
        assert text.index("✖") < text.index("!")
        assert "cut off" in text
        assert "Copy the picture again" in text
        assert "boxes without width or height: 1; left out. (and 1 more like it)" in text
        assert "→ Draw these boxes again or delete them; the others are used." in text

    drive(tmp_path, script, place="data", data=str(folder))


def test_names_that_disagree_are_an_error_until_they_are_mapped(tmp_path: Path) -> None:
    folder = one_voc(tmp_path / "voc", "blood cell")
    classes = tmp_path / "my classes.txt"
    classes.write_text("blood_cell\nother\n", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "no box is left" in findings(app), SLOW)
        assert "F6 says which name" in findings(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.place == "data"
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, ClassNamesDialog), SLOW)
        await pilot.pause()
        assert app.screen.query_one(NameField).value == "blood_cell"  # the nearest of those wanted
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DataScreen))
        await opened(app, pilot)
        assert app.opened is not None
        assert app.opened.dataset.box_counts() == {"blood_cell": 10, "other": 0}
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.place == "weights"

    state = drive(tmp_path, script, place="data", data=str(folder), classes_file=str(classes))
    assert state.mapping == {"blood cell": "blood_cell"}
    assert state.classes_file == str(classes)


def test_a_classes_file_beside_the_labels_that_says_otherwise_is_pointed_out(tmp_path: Path) -> None:
    folder = one_voc(tmp_path / "voc", "cat")
    (folder / "classes.txt").write_text("Cat\n", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        assert "classes.txt names other classes (Cat) than the labels (cat)" in findings(app)
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, ClassNamesDialog), SLOW)
        await pilot.pause()
        assert app.screen.query_one(NameField).value == "Cat"
        await pilot.press("escape")
        await pilot.pause()
        assert app.state.mapping == {}

    drive(tmp_path, script, place="data", data=str(folder))


def test_names_with_brackets_and_control_characters_are_shown_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "数据 [red]"
    (folder / "labels").mkdir(parents=True)
    write_voc(tmp_path / "voc", train=6)
    (folder / "images").mkdir()
    for path in sorted((tmp_path / "voc" / "JPEGImages").iterdir()):
        path.rename(folder / "images" / path.name)
        (folder / "labels" / f"{path.stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n", encoding="utf-8")
    (folder / "classes.txt").write_text("[bold]x\x1b[2J\n", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        text = shown(app)
        assert "数据 [red]" in text
        assert "[bold]x\N{REPLACEMENT CHARACTER}[2J" in text
        assert "\x1b" not in text
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, ClassNamesDialog), SLOW)
        await until(pilot, lambda: "[bold]x" in shown(app))
        assert "\x1b" not in shown(app)

    drive(tmp_path, script, size=(200, 40), place="data", data=str(folder))


def test_a_folder_without_labels_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    write_voc(tmp_path / "voc", train=3)
    (tmp_path / "voc" / "JPEGImages").rename(folder)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        write(app, str(folder))
        await pilot.press("enter")
        await until(pilot, lambda: "no labels found. It holds 3 pictures" in findings(app), SLOW)
        assert "Name the folder that holds both pictures and labels" in findings(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.place == "data"

    drive(tmp_path, script, place="data")


def test_the_home_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        write(app, "~")
        await pilot.press("enter")
        await until(pilot, lambda: "your home folder" in findings(app), SLOW)

    drive(tmp_path, script, place="data")


def test_a_folder_is_chosen_from_the_tree(tmp_path: Path) -> None:
    draw_sample(tmp_path / "a [bracket]", 12)
    (tmp_path / "z").mkdir()

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        write(app, str(tmp_path / "z"))
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
        await opened(app, pilot)

    assert drive(tmp_path, script, place="data").data == str(tmp_path / "a [bracket]")


def test_what_was_seen_is_there_again_after_going_away(tmp_path: Path) -> None:
    draw_sample(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        before = app.opened
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        await until(pilot, lambda: "these 12 pictures" in shown(app))
        assert app.opened is before  # not read from the disk again

    drive(tmp_path, script, place="data", data=str(tmp_path / "drawn"))


def test_in_another_language_nothing_of_ours_stays_english(tmp_path: Path) -> None:
    draw_sample(tmp_path / "drawn", 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        text = shown(app)
        for sentence in ("⟦Folder", "⟦12 ", "⟦train {", "⟦Enter goes on", "⟦Findings", "⟦F4 ", "⟦sample set"):
            assert sentence.replace("{", "")[:8] in text.replace("{count} ", "12 "), sentence

    drive(tmp_path, script, place="data", data=str(tmp_path / "drawn"), language="pseudo", size=(120, 40))


def test_completions_are_folders_then_files_that_suit(tmp_path: Path) -> None:
    for name in ("data b", "data a", ".hidden"):
        (tmp_path / name).mkdir()
    for name in ("data.yaml", "data.jpg"):
        (tmp_path / name).touch()
    begun = f"{tmp_path}/da"
    found = completions_of(begun, lambda path: path.suffix == ".yaml")
    assert [Path(text).name for text in found] == ["data a", "data b", "data.yaml"]
    assert inspect_path(begun, lambda path: False).problem == ""
    assert "There is no nowhere" in inspect_path(f"{tmp_path}/nowhere/deep", lambda path: False).problem


def test_it_can_be_read_as_another_format(tmp_path: Path) -> None:
    folder = one_voc(tmp_path / "voc", "cat")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await opened(app, pilot)
        await pilot.press("f7")
        await until(pilot, lambda: app.state.format == "voc" and "Read as Pascal VOC" in said(app, "#said"), SLOW)
        await pilot.press("f7")
        await until(pilot, lambda: "no labels found" in findings(app), SLOW)
        assert "Read as YOLO; F7" in said(app, "#said")
        await pilot.press("f7", "f7", "f7")
        await until(pilot, lambda: app.state.format == "auto" and "Enter goes on" in said(app, "#suggestion"), SLOW)

    drive(tmp_path, script, place="data", data=str(folder))


def test_leaving_while_pictures_are_checked_does_not_wait_for_the_last(tmp_path: Path) -> None:
    """Four hundred large pictures take longer than that."""
    import engine.runner.start  # noqa: F401  importing it, as the wizard does at its start, would be waited for

    folder = write_voc(tmp_path / "voc", train=4, size=(1600, 1200))
    for number in range(4, 400):
        for part, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
            (folder / part / f"{number:03d}.{suffix}").hardlink_to(folder / part / f"{number % 4:03d}.{suffix}")
    seen: list[float] = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Checking the pictures" in shown(app), SLOW)
        seen.append(time.monotonic())

    drive(tmp_path, script, place="data", data=str(folder))
    assert time.monotonic() - seen[0] < 10
