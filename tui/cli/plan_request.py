"""From the options of `plan` and `train` to a Plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.messages import bad_input, nearest
from tui.cli.options import EMBEDDED

if TYPE_CHECKING:
    from engine.dataset.index import Dataset
    from engine.plan import DataSource, Plan
    from engine.runner.supervisor import OnOutOfMemory


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line."""

    data: str
    workspace: Path
    preset: str | None = None
    recipe: Path | None = None
    settings: tuple[str, ...] = ()
    format: str = "auto"
    classes: Path | None = None
    mapping: tuple[str, ...] = ()


def assemble(wanted: Wanted) -> tuple[Plan, Dataset]:
    """The Plan that was asked for and its Dataset.

    Raises:
        BadInput: something in it cannot work.
    """
    from engine.hardware import probe
    from engine.plan import open_source

    recipe = _recipe(wanted)
    source = source_of(wanted.data, wanted.workspace, wanted.format, wanted.classes, wanted.mapping)
    dataset = open_source(source, recipe.seed)

    # Only now what imports torch: a wrong word is said at once.
    from engine.planning.device import check_amp
    from engine.planning.resolve import make_plan

    hardware = probe(wanted.workspace)
    check_amp(recipe, hardware)
    return make_plan(recipe, dataset, source, hardware, wanted.workspace), dataset


def out_of_memory_answer(word: str) -> OnOutOfMemory:
    """What --on-oom says.

    Raises:
        BadInput: it is none of the three.
    """
    for answer in ("stop", "retry", "accumulate"):
        if word == answer:
            return answer
    raise bad_input(
        "command.on_oom",
        "--on-oom {word}: it is stop, retry or accumulate; did you mean {nearest}?",
        word=word,
        nearest=nearest(word, ("stop", "retry", "accumulate")) or "retry",
    )


def source_of(
    data: str,
    workspace: Path,
    format: str,
    classes: Path | None,
    mapping: tuple[str, ...],
) -> DataSource:
    """Where the data set is; the drawn sample set is drawn where it is not there yet."""
    from engine.plan import DataSource

    if data == EMBEDDED and not Path(data).exists():
        data = str(workspace / EMBEDDED)
        if not Path(data).exists():
            from engine.dataset.sample import draw_sample

            draw_sample(Path(data))
    return DataSource(
        path=str(Path(data).expanduser().absolute()),
        format=format,
        classes_file=None if classes is None else str(classes.absolute()),
        mapping=dict(_pair(word) for word in mapping),
    )


def _recipe(wanted: Wanted) -> Any:
    from engine.recipe import make_recipe, parse_assignments, read_settings_file
    from engine.recipe.presets import DEFAULT_PRESET, find_preset

    if wanted.preset is not None and wanted.recipe is not None:
        raise bad_input("command.preset_and_recipe", "--preset and --recipe: give one of them, not both.")
    if wanted.recipe is not None:
        base, source = read_settings_file(wanted.recipe), str(wanted.recipe)
        base.pop("preset", None)
    else:
        name = wanted.preset or DEFAULT_PRESET
        base, source = dict(find_preset(name, wanted.workspace).settings), f"--preset {name}"
    changes = parse_assignments(wanted.settings)
    return make_recipe({**base, **changes}, source="--set" if changes else source)


def _pair(word: str) -> tuple[str, str]:
    old, equals, new = word.partition("=")
    if not equals or not old or not new:
        raise bad_input("command.mapping", "--map {word}: write it as old=new.", word=word)
    return old, new
