"""The parts of the page about the training: curves, recipe, machine, what happened, commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from engine.plan import StagePlan
from tui.report.chart import Line, Mark, line_chart
from tui.report.content import ReportContent, repeat_command
from tui.report.elements import Content, command_block, element, lines_of, pairs_table, table
from tui.text import _, translate
from tui.text.durations import duration
from tui.text.sizes import format_size
from tui.text.stages import STAGE_NAMES
from tui.wizard.cli_equivalent import command_line
from tui.wizard.recipe_fields import FIELD_GROUPS, RecipeField, recipe_fields
from tui.wizard.stored_run import evaluate_command, export_command, predict_command

TRAIN, VALIDATION, MAP, MAP_95, OTHER = "#015e99", "#b86a00", "#5e005d", "#a04fa0", "#555560"
"""Colours that are also different shades of grey on paper."""


def curves_section(content: ReportContent) -> Iterator[Element]:
    """Loss, mAP, learning rate and memory over the epochs."""
    charts = list(_charts(content))
    if charts:
        yield element("div", *charts, class_="charts")


def _charts(content: ReportContent) -> Iterator[Element]:
    history, x_title = content.run.history, _("epoch")
    border = None if history.unfreeze_epoch is None else (float(history.unfreeze_epoch), _("everything trains"))
    losses = [
        Line(_("train"), content.run.summary.losses, TRAIN),
        Line(_("val"), [(epoch + 1.0, loss) for epoch, loss in history.validation], VALIDATION, is_dashed=True),
    ]
    if any(line.points for line in losses):
        lowest = history.lowest_loss
        marks = () if lowest is None else (Mark((lowest[0] + 1.0, lowest[1]), f"{lowest[1]:.4g}", VALIDATION),)
        yield line_chart(_("loss"), losses, x_title=x_title, border=border, marks=marks)
    if history.maps:
        maps = [
            Line("mAP50", [(epoch + 1.0, map50) for epoch, map50, _map in history.maps], MAP),
            Line("mAP50-95", [(epoch + 1.0, mean) for epoch, _map50, mean in history.maps], MAP_95, is_dashed=True),
        ]
        best = history.best_map
        marks = () if best is None else (Mark((best[0] + 1.0, best[1]), f"{best[1]:.3f}", MAP),)
        yield line_chart("mAP", maps, x_title=x_title, border=border, marks=marks, y_range=(0.0, 1.0))
    if history.lr.curve:
        yield line_chart(_("learning rate"), [Line("", history.lr.curve, TRAIN)], x_title=x_title, border=border)
    if any(history.memory.points):
        memory = [(epoch, used / 2**30) for epoch, used in history.memory.curve]
        yield line_chart(_("memory in GiB"), [Line("", memory, OTHER)], x_title=x_title, border=border)


def recipe_section(content: ReportContent) -> Iterator[Element]:
    """The stages as they ran, then every setting; those that differ from the preset are marked."""
    yield table(
        (_("stage"), _("epochs"), _("batch size"), _("batches in a step"), _("steps"), _("learning rate")),
        map(_stage_row, content.plan.stages),
        "numbers",
    )
    if content.preset is not None and content.changed:
        text = _("Settings in bold differ from preset {preset}.", preset=content.preset.name)
    elif content.preset is not None:
        text = _("All settings are those of preset {preset}.", preset=content.preset.name)
    elif content.plan.preset is not None:
        text = _("Preset {preset} does not exist any more, so no difference is marked.", preset=content.plan.preset)
    else:
        text = _("The recipe was made without a preset.")
    yield element("p", text, class_="hint")
    yield table(
        (_("setting"), _("key"), _("value"), *((_("in the preset"),) if content.changed else ())),
        _setting_rows(content),
        "recipe",
    )


def _stage_row(stage: StagePlan) -> tuple[str, ...]:
    return (
        _(STAGE_NAMES[stage.name]),
        f"{stage.first_epoch + 1}–{stage.last_epoch + 1}",
        str(stage.batch_size),
        str(stage.accumulate),
        str(stage.epochs * stage.steps_per_epoch),
        f"{stage.init_lr:.3g} → {stage.min_lr:.3g}",
    )


def _setting_rows(content: ReportContent) -> Iterator[tuple[Content, ...]]:
    settings = content.plan.recipe.model_dump(mode="json")
    fields = {field.name: field for field in recipe_fields()}
    has_preset_column = bool(content.changed)
    for title, names in FIELD_GROUPS.items():
        shown = [name for name in names if fields[name].read_by(content.plan.recipe.method)]
        if shown:
            yield (element("span", _(title), class_="group"), "", "", *(("",) if has_preset_column else ()))
        for name in shown:
            yield _setting_row(fields[name], settings[name], content, has_preset_column=has_preset_column)


def _setting_row(
    field: RecipeField, value: Any, content: ReportContent, *, has_preset_column: bool
) -> tuple[Content, ...]:
    is_changed = field.name in content.changed
    text = field.text(value)
    before = field.text(content.changed[field.name]) if is_changed else ""
    return (
        field.label,
        field.name,
        element("span", f"● {text}", class_="changed") if is_changed else text,
        *((before,) if has_preset_column else ()),
    )


def machine_section(content: ReportContent) -> Iterator[Element]:
    """Where it was trained, with what, how fast."""
    yield pairs_table((name, value) for name, value in _machine_rows(content) if value)
    for warning in content.plan.warnings:
        yield element("p", _("Note: {warning}", warning=translate(warning)), class_="hint")


def _machine_rows(content: ReportContent) -> Iterator[tuple[str, str]]:
    plan, history, environment = content.plan, content.run.history, content.environment
    yield _("device"), plan.device
    yield _("number format"), plan.precision
    yield _("threads"), str(plan.threads)
    if environment is not None:
        yield _("graphics card"), environment.card
        yield _("instruction set"), environment.instruction_set
        yield "torch", environment.torch
        yield "OpenCV", environment.opencv
        yield "NumPy", environment.numpy
    yield _("time of training"), duration(history.stopwatch.seconds)
    if history.latest is not None:
        yield _("images per second at the end"), f"{history.latest.images_per_second:.1f}"
    if peak := max(history.memory.points, default=0.0):
        yield _("highest memory"), format_size(round(peak))
    yield _("data set"), plan.data.path
    yield _("classes"), ", ".join(plan.classes)
    yield _("start from weights"), plan.weights or _("none: from scratch")


def events_section(content: ReportContent) -> Iterator[Element]:
    """Starts, stages, interruptions, the end."""
    rows = (
        (time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)), lines_of(text)) for moment, text in content.events
    )
    if content.events:
        yield pairs_table(rows)


def commands_section(content: ReportContent) -> Iterator[Element]:
    """Commands: use the weights, and train them again."""
    run = content.run
    for sentence, command in (
        (_("Detect objects in images:"), predict_command(run)),
        (_("Evaluate it on another data set with the same classes:"), evaluate_command(run)),
        (_("Write the weights for other programs:"), export_command(run)),
        (_("Propose labels for images that have none:"), _label_command(content)),
    ):
        yield element("p", sentence)
        yield command_block(command)
    yield element("h3", _("Repeat the training"))
    yield command_block(repeat_command(content.plan, content.workspace))
    yield element(
        "p",
        _(
            "With the same versions of the libraries, on the same processor or NVIDIA card, the result is the same to the last bit; "
            "elsewhere it is similar."
        ),
        class_="hint",
    )


def _label_command(content: ReportContent) -> str:
    return command_line(["freezetui", "label", "--weights", str(content.run.best_weights), "FOLDER", "--to", "voc"])
