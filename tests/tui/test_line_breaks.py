"""Text that mixes Chinese with Latin words fills its lines."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from textual.app import App, ComposeResult
from textual.content import Content

from tui.text.line_breaks import break_offsets, wide_breaks_in_rich
from tui.widgets.label import Label
from tui.widgets.line_breaks import WideText

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
