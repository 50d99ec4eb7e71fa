"""Text that mixes Chinese with Latin words fills its lines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from textual.app import App, ComposeResult
from textual.content import Content
from textual.pilot import Pilot

from tests.tui.driving import drive, until, until_shown
from tui.app import Freezetui
from tui.text.line_breaks import break_offsets, indent_breaks, wide_breaks_in_rich
from tui.widgets.label import Label
from tui.widgets.line_breaks import WideText
from tui.widgets.preset_list import PresetList

SENTENCE = "批大小 yolov4-tiny 训练得比 yolov4 快十倍，后者检测得更好（需要显卡）。"


def lines(text: str, width: int) -> list[str]:
    return WideText(Content(text)).at(width).plain.split("\n")


def test_no_line_ends_early_before_chinese_after_a_latin_word() -> None:
    assert lines(SENTENCE, 30) == ["批大小 yolov4-tiny 训练得比", "yolov4 快十倍，后者检测得更好", "（需要显卡）。"]
    assert len(Content(SENTENCE).wrap(30)) >= 3


@pytest.mark.parametrize("width", range(12, 60))
def test_punctuation_stays_with_its_word_and_words_stay_whole(width: int) -> None:
    for line in lines(SENTENCE, width):
        assert line[0] not in "，。）"
        assert line[-1] != "（"
    assert sum(line.count("yolov4") for line in lines(SENTENCE, width)) == 2


def test_a_path_that_is_longer_than_a_line_is_folded_and_the_text_follows_it() -> None:
    assert lines("文件：/home/user/a/long/path/weights.pth 不存在", 20) == [
        "文件：/home/user/a/l",
        "ong/path/weights.pth",
        "不存在",
    ]


@given(st.text("批大小训练 ab-/.,，。（）()“”\t", max_size=60), st.integers(2, 40))
def test_lines_hold_all_of_the_text_and_fit(text: str, width: int) -> None:
    offsets = break_offsets(text, width)
    assert offsets == sorted(set(offsets))
    parts = [text[start:end] for start, end in zip([0, *offsets], [*offsets, len(text)], strict=True)]
    assert "".join(parts) == text
    assert all(cell_len(part.rstrip()) <= width for part in parts)


def test_the_dot_of_a_suffix_stays_with_it() -> None:
    assert lines("支持 data.yaml、.json、.csv。", 22) == ["支持 data.yaml、", ".json、.csv。"]


def test_rich_breaks_wide_text_in_the_help_of_commands_and_in_tables() -> None:
    console = Console(width=20)
    with wide_breaks_in_rich():
        wide, latin = (
            Text(text).wrap(console, 20) for text in ("训练 YOLOv4 检测器：先冻结主干", "first the backbone alone")
        )
    assert [line.plain.rstrip() for line in wide] == ["训练 YOLOv4 检测器：", "先冻结主干"]
    assert [line.plain.rstrip() for line in latin] == ["first the backbone", "alone"]
    assert (
        next(line.plain.rstrip() for line in Text("训练 YOLOv4 检测器：先冻结主干").wrap(console, 20)) == "训练 YOLOv4"
    )


def test_a_label_shows_every_line_and_copies_what_is_selected() -> None:
    class Page(App[None]):
        def compose(self) -> ComposeResult:
            yield Label(SENTENCE, id="text")
            yield Label("English only, which Textual breaks at its spaces as before", id="english")

    async def check() -> None:
        app = Page()
        async with app.run_test(size=(30, 20)):
            label = app.query_one("#text", Label)
            assert label.size.height == 3
            assert [strip.text.rstrip() for strip in label.render_lines(label.size.region)] == lines(SENTENCE, 30)
            app.screen.text_select_all()
            assert "训练得比\nyolov4 快十倍" in (app.screen.get_selected_text() or "")
            assert isinstance(app.query_one("#english", Label).render(), Content)

    asyncio.run(check())


def test_a_no_break_space_holds_a_mark_and_its_name_together() -> None:
    text = "1/14  street.png   ■\u00a0ball\u00a0x3   ■\u00a0crate\u00a0x1"
    assert lines(text, 30) == ["1/14  street.png   ■ ball x3", "■ crate x1"]


def test_notifications_in_chinese_fill_their_lines(tmp_path: Path) -> None:
    sentence = "锚框已根据您的标注框调整。训练开始时 loss 会高一些，因为 yolov4-tiny 的权重是用其他 anchors 训练的。"

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        app.notify(sentence, markup=False)
        await until(pilot, lambda: len(app._notifications) > 0)
        notice = next(iter(app._notifications))  # the driver of tests shows none
        *full, _last = notice.message.split("\n")
        assert full
        assert all(36 < cell_len(line) <= 44 for line in full), "at 80 columns a notification has 44 for its text"
        app.notify("A sentence in English.", markup=False)
        await until(pilot, lambda: len(app._notifications) > 1)
        assert "A sentence in English." in {each.message for each in app._notifications}

    drive(tmp_path, script, language="zh_CN")


def test_the_cards_of_presets_fill_their_lines_in_chinese(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "★")
        cards = app.screen.query_one(PresetList)
        assert isinstance(cards.get_option("quick-cpu").prompt, WideText)

    drive(tmp_path, script, screen_name="recipe", language="zh_CN")


def test_what_continues_a_line_of_the_log_is_indented_as_its_text() -> None:
    text = "12:00:00  Stage unfreeze starts: batch size 8.\n          Then all is trained."
    assert indent_breaks(text, 30, 10).split("\n") == [
        "12:00:00  Stage unfreeze",
        "          starts: batch size",
        "          8.",
        "          Then all is trained.",
    ]
