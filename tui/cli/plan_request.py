"""From the options of `plan` and `train` to a Plan."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.messages import bad_input, did_you_mean
from tui.cli.errors import print_error
from tui.cli.progress import count_bar, waiting
from tui.cli.weights_download import download_missing
from tui.text import _, translate
from tui.wizard.data_source import SAMPLE, absolute_source, data_source

if TYPE_CHECKING:
    from engine.plan import DataSource, Plan
    from engine.planning.request import PreparedPlan
    from engine.recipe import Recipe
    from engine.runner.supervisor import OnOutOfMemory


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The options that `plan` and `train` share."""

    data: str
    workspace: Path
    preset: str | None = None
    recipe: Path | None = None
    settings: tuple[str, ...] = ()
    format: str = "auto"
    classes: Path | None = None
    mapping: tuple[str, ...] = ()
    offline: bool = False
    nodes: int = 1


def prepare_plan(options: PlanOptions) -> PreparedPlan:
    """The Plan that the options ask for. Official weights that it starts from are downloaded.

    Raises:
        BadInput: an option is wrong, or the Plan cannot work.
    """
    from engine.hardware import probe
    from engine.planning.request import DatasetReader, PlanRequest, prepare
    from engine.recipe.presets import DEFAULT_PRESET

    recipe = recipe_from_options(options)
    source = source_from_options(options.data, options.workspace, options.format, options.classes, options.mapping)
    datasets = DatasetReader()
    with count_bar(_("Reading labels")) as update:
        datasets.open(source, recipe.seed, update)
    download_missing(recipe, options.workspace, offline=options.offline)  # only once the data set is known to be good
    preset = (options.preset or DEFAULT_PRESET) if options.recipe is None else None
    with waiting(_("Planning")):
        request = PlanRequest(recipe, source, probe(options.workspace), options.workspace, preset, nodes=options.nodes)
        return prepare(request, datasets)


def with_batches_that_fit(options: PlanOptions, plan: Plan) -> PlanOptions:
    """The options with the largest batch sizes that are predicted to fit, for a plan that does not."""
    print_error("\n".join(map(translate, plan.memory_problems)))
    batches = ("freeze_batch_size=auto", "unfreeze_batch_size=auto")
    return replace(options, settings=(*options.settings, *batches))


def parse_on_oom(word: str) -> OnOutOfMemory:
    """The value of --on-oom.

    Raises:
        BadInput: it is none of the three.
    """
    for answer in ("stop", "retry", "accumulate"):
        if word == answer:
            return answer
    raise bad_input(
        "command.on_oom",
        "--on-oom {word}: it is stop, retry or accumulate{hint}",
        word=word,
        hint=did_you_mean(word, ("stop", "retry", "accumulate")),
    )


def source_from_options(
    data: str, workspace: Path, format: str, classes: Path | None, mapping: tuple[str, ...]
) -> DataSource:
    """Where the data set is; the sample set is drawn if it does not exist yet.

    Raises:
        BadInput: a --map is not OLD=NEW.
    """
    if data == SAMPLE and Path(data).exists():
        data = str(Path(data).absolute())  # a folder of that name here is what the user means
    pairs = dict(_class_name_pair(word) for word in mapping)
    with waiting(_("Drawing images")) if data == SAMPLE else nullcontext():
        source = data_source(data, workspace, format=format, classes_file=classes, mapping=pairs)
    return absolute_source(source, workspace)


def recipe_from_options(options: PlanOptions) -> Recipe:
    """The Recipe of --preset, --recipe and --set.

    Raises:
        BadInput: they do not make a valid one.
    """
    from engine.recipe import load_recipe, make_recipe, parse_assignments
    from engine.recipe.presets import DEFAULT_PRESET, find_preset

    if options.preset is not None and options.recipe is not None:
        raise bad_input("command.preset_and_recipe", "--preset and --recipe: give one of them, not both.")
    overrides = parse_assignments(options.settings)
    if options.recipe is not None:
        return load_recipe(options.recipe, overrides)
    name = options.preset or DEFAULT_PRESET
    return make_recipe(find_preset(name, options.workspace).settings, f"--preset {name}", overrides)


def _class_name_pair(word: str) -> tuple[str, str]:
    old, equals, new = word.partition("=")
    if not equals or not old or not new:
        raise bad_input("command.mapping", "--map {word}: write it as old=new.", word=word)
    return old, new
