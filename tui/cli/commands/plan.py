"""`freezetui plan`: shows what a training would do and starts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import BAD_INPUT, print_error
from tui.cli.options import (
    HERE,
    MACHINE_SECTION,
    Classes,
    Data,
    Format,
    Json,
    Mapping,
    Offline,
    Preset,
    RecipeFile,
    Settings,
    Workspace,
)
from tui.cli.progress import waiting
from tui.text import N_, _, ngettext, translate
from tui.text.datasets import split_counts
from tui.text.devices import batch_text, devices_text
from tui.text.durations import duration
from tui.text.sizes import format_size
from tui.text.stages import STAGE_NAMES

if TYPE_CHECKING:
    from engine.plan import Plan, StagePlan
    from engine.planning.request import PreparedPlan


def plan(
    data: Data,
    preset: Preset = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    workspace: Workspace = HERE,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run/--no-dry-run",
            help=N_("Time three steps of each stage, unless that was done on this machine before."),
            rich_help_panel=MACHINE_SECTION,
        ),
    ] = True,
    offline: Offline = False,
    json: Json = False,
) -> int:
    """Print the Plan of a training."""
    from tui.cli.plan_request import PlanOptions, prepare_plan

    prepared = prepare_plan(
        PlanOptions(
            data, workspace, preset, recipe, tuple(settings or ()), format, classes, tuple(mapping or ()), offline
        )
    )
    may_run = dry_run and (prepared.fits or prepared.plan.device.startswith("cuda"))
    plan, fits = _with_dry_run(prepared) if may_run else (prepared.plan, prepared.fits)
    if json:
        print_json(plan.to_json())
    else:
        print_plan(plan, fits=fits)
    if fits:
        return 0
    for problem in plan.memory_problems:
        print_error(translate(problem))
    return BAD_INPUT


def _with_dry_run(prepared: PreparedPlan) -> tuple[Plan, bool]:
    """The Plan with the seconds of each stage, measured once for a machine and a training; and whether memory sufficed."""
    from engine.planning.dry_run.timing import with_seconds
    from engine.runner.dry_run import dry_run

    if prepared.is_timed:
        return prepared.plan, True
    with waiting(_("Timing the first steps of each stage")):
        result = dry_run(prepared.plan, prepared.dataset, prepared.hardware)
    if result.out_of_memory is not None:
        if (stage := STAGE_NAMES.get(result.out_of_memory)) is None:
            print_error(_("The dry run ran out of memory: set a smaller batch size."))
        else:
            print_error(
                _("The dry run ran out of memory in the {stage} stage: set a smaller batch size.", stage=_(stage))
            )
    elif result.failed is not None:
        print_error(_("The dry run failed: {reason}", reason=result.failed))
    return with_seconds(prepared.plan, result), result.out_of_memory is None


def print_plan(plan: Plan, *, fits: bool = True) -> None:
    """Print the Plan on one page. Where it does not fit, the reason is no note: the caller reports it as an error."""
    from engine.planning.advice import plan_advice
    from tui.text.step_advice import describe_steps

    recipe = plan.recipe
    height, width = recipe.input_shape
    print_line(
        _(
            "{network}, {method} method, input {width}x{height}, on {device} in {precision}",
            network=recipe.network,
            method=recipe.method,
            width=width,
            height=height,
            device=devices_text(plan),
            precision=plan.precision,
        )
    )
    if plan.weights is None:
        print_line(_("Starts from random weights"))
    else:
        print_line(_("Starts from {weights}", weights=plan.weights))
    classes = ngettext("{count} class", "{count} classes", len(plan.classes))
    print_line(_("{classes}; {images}", classes=classes, images=split_counts(plan.images)))
    print_table(
        (_("stage"), _("epochs"), _("batch"), _("steps"), _("learning rate"), _("memory"), _("time")),
        (
            (
                _(STAGE_NAMES[stage.name]),
                _range(stage.first_epoch + 1, stage.last_epoch + 1) if stage.epochs > 1 else stage.first_epoch + 1,
                stage.batch_size if plan.batch_parts == 1 else batch_text(plan, stage),
                stage.epochs * stage.steps_per_epoch,
                _range(f"{stage.init_lr:g}", f"{stage.min_lr:g}"),
                _memory(stage),
                "" if stage.seconds_estimate is None else duration(stage.seconds_estimate),
            )
            for stage in plan.stages
        ),
    )
    if not any(warning.code == "plan.few_steps" for warning in plan.warnings):  # which begins with the same number
        print_line(describe_steps(plan_advice(plan)))
    errors = () if fits else plan.memory_problems
    for warning in plan.warnings:
        if warning not in errors and warning.code != "plan.first_look":  # said in the line above
            print_line(_("Note: {warning}", warning=warning))


def _range(first: object, last: object) -> str:
    return _("{first} to {last}", first=first, last=last)


def _memory(stage: StagePlan) -> str:
    """The memory that is needed, and the memory that is free."""
    need, limit = stage.memory_estimate_bytes, stage.memory_limit_bytes
    if need is None:
        return ""
    if limit is None:
        return format_size(need)
    return _("{need} of {limit}", need=format_size(need), limit=format_size(limit))
