"""Every parameter of a training, in one immutable, validated model.

Names are the tutorials' own in snake_case. What a parameter means, its bounds, its default for each method and the method
that reads it are said here once; forms, help texts and documents are made from this model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from tomlkit.exceptions import TOMLKitError

from engine.files import read_text
from engine.messages import BadInput, Message, bad_input, marked, nearest, phrase

Network = Literal["yolov4", "yolov4-tiny"]
Method = Literal["modern", "tutorial"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
BatchSize = Annotated[int, Field(ge=2)] | Literal["auto"]
Fraction = Annotated[float, Field(ge=0, le=1)]
AnchorSize = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]

COCO = "coco"
"""As `model_path`: the official COCO weights of the network that is chosen."""

ANCHOR_COUNT: Mapping[str, int] = {"yolov4": 9, "yolov4-tiny": 6}


def _setting(description: str, *, only: Method | None = None, advanced: bool = False) -> Any:
    """A field's description, the one method that reads it (None: both), and whether a beginner should see it."""
    return Field(description=description, json_schema_extra={"only": only, "advanced": advanced})


class Recipe(BaseModel):
    """Every parameter of a training. Build one with `make_recipe` or `load_recipe`, which report all errors at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, protected_namespaces=(), allow_inf_nan=False)

    format_version: Annotated[Literal[1], _setting("Version of the recipe's format.", advanced=True)] = 1
    network: Annotated[Network, _setting("yolov4-tiny trains ten times faster, yolov4 detects better.")] = "yolov4-tiny"
    method: Annotated[
        Method, _setting("modern learns faster; tutorial is the tutorials' own loss and learning rates.")
    ] = "modern"
    model_path: Annotated[
        str,
        _setting("Weights of the whole network to start from: a file, or 'coco' for the official ones. Empty: none."),
    ] = COCO
    pretrained: Annotated[
        bool, _setting("Start from backbone weights only. Without meaning where model_path is set.")
    ] = False
    input_shape: Annotated[
        tuple[Annotated[int, Field(ge=32, multiple_of=32)], Annotated[int, Field(ge=32, multiple_of=32)]],
        _setting(
            "Height and width the network sees, multiples of 32; larger finds smaller objects and needs more memory."
        ),
    ] = (416, 416)
    anchors: Annotated[
        Literal["network"] | tuple[AnchorSize, ...],
        _setting(
            "Anchor sizes in pixels of the input, smallest first; 'network' keeps those of the weights.", advanced=True
        ),
    ] = "network"

    init_epoch: Annotated[
        int, Field(ge=0), _setting("Epoch to start from; beyond freeze_epoch it skips the freeze stage.", advanced=True)
    ] = 0
    freeze_train: Annotated[bool, _setting("Train with the backbone frozen first; off when starting from scratch.")] = (
        True
    )
    freeze_epoch: Annotated[int, Field(ge=1), _setting("The epoch at which the freeze stage ends.")] = 3
    freeze_batch_size: Annotated[
        BatchSize, _setting("Images per step in the freeze stage: 1 to 2 times unfreeze_batch_size.")
    ] = 16
    unfreeze_epoch: Annotated[int, Field(ge=1), _setting("The total number of epochs.")] = 50
    unfreeze_batch_size: Annotated[
        BatchSize, _setting("Images per step once everything trains; as large as memory allows, at least 2.")
    ] = 8
    accumulate: Annotated[
        int,
        Field(ge=1, le=64),
        _setting("Gradients of this many batches make one step: a larger batch in the same memory.", advanced=True),
    ] = 1

    optimizer_type: Annotated[Literal["sgd", "adam", "adamw"], _setting("sgd (Nesterov), adam or adamw.")] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1), _setting("SGD's momentum, Adam's beta1.", advanced=True)] = 0.9
    weight_decay: Annotated[
        float, Field(ge=0, le=0.1), _setting("Pulls weights towards zero; with adam it should be 0.", advanced=True)
    ] = 5e-4
    init_lr: Annotated[
        float, Field(gt=0, le=1), _setting("The largest learning rate; the tutorial method fits it to the batch size.")
    ] = 2e-3
    min_lr: Annotated[float, Field(ge=0, le=1), _setting("The learning rate at the end.", advanced=True)] = 1e-4
    lr_decay_type: Annotated[
        Literal["cos", "step"], _setting("How the learning rate falls.", only="tutorial", advanced=True)
    ] = "cos"

    mosaic: Annotated[
        bool, _setting("Show four images in one, so that more objects and scales are seen per step.", advanced=True)
    ] = True
    mosaic_prob: Annotated[Fraction, _setting("How often a sample is a mosaic.", advanced=True)] = 0.5
    mixup: Annotated[bool, _setting("Blend another image over a mosaic.", advanced=True)] = True
    mixup_prob: Annotated[Fraction, _setting("How often a mosaic is mixed up.", advanced=True)] = 0.5
    special_aug_ratio: Annotated[
        Fraction, _setting("Mosaic only in this leading part of all epochs.", advanced=True)
    ] = 0.7
    label_smoothing: Annotated[
        float, Field(ge=0, le=0.1), _setting("Softens the class targets; 0.01 or less.", advanced=True)
    ] = 0.0
    focal_loss: Annotated[
        bool,
        _setting("Objectness focal loss, for many more background than object cells.", only="tutorial", advanced=True),
    ] = False
    focal_alpha: Annotated[
        Fraction, _setting("Weight of the positives in the focal loss.", only="tutorial", advanced=True)
    ] = 0.25
    focal_gamma: Annotated[
        float,
        Field(ge=0, le=5),
        _setting("How much easy cells count less in the focal loss.", only="tutorial", advanced=True),
    ] = 2.0
    iou_type: Annotated[Literal["ciou", "siou"], _setting("The box loss.", only="tutorial", advanced=True)] = "ciou"
    ema: Annotated[bool, _setting("Keep a running mean of the weights, and evaluate and save that.", advanced=True)] = (
        True
    )

    save_period: Annotated[int, Field(ge=1), _setting("Keep weights every so many epochs.", advanced=True)] = 10
    eval_period: Annotated[int, Field(ge=1), _setting("Measure mAP every so many epochs.", advanced=True)] = 5
    num_workers: Annotated[
        int,
        Field(ge=0, le=64),
        _setting("Threads that prepare images; 0 prepares them between the steps.", advanced=True),
    ] = 4
    seed: Annotated[
        int, Field(ge=0, le=2**32 - 1), _setting("The same seed gives the same training.", advanced=True)
    ] = 11

    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], _setting("What trains: auto takes the best there is.")] = (
        "auto"
    )
    devices: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...],
        _setting("Which GPUs, by number; empty: all of them where parallel, else the first.", advanced=True),
    ] = ()
    precision: Annotated[
        Precision, _setting("16-bit halves the memory; auto takes it where the device does it well.", advanced=True)
    ] = "auto"
    parallel: Annotated[
        Literal["none", "dp", "ddp"], _setting("Several GPUs: one process (dp) or one per GPU (ddp).", advanced=True)
    ] = "none"
    sync_bn: Annotated[bool, _setting("Batch norm over all GPUs' images; with ddp only.", advanced=True)] = False

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_methods_defaults(cls, given: Any) -> Any:
        return _with_method_defaults(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _hold_the_rules(self) -> Recipe:
        if broken := broken_rules(self):
            raise PydanticCustomError(
                "recipe_rules", "{text}", {"text": " ".join(map(str, broken)), "messages": broken}
            )
        return self

    @property
    def start(self) -> Literal["whole", "backbone", "scratch"]:
        """What the training starts from."""
        return "whole" if self.model_path else "backbone" if self.pretrained else "scratch"

    def read_settings(self) -> dict[str, Any]:
        """The settings that this recipe's method reads, in the order of their definition."""
        return {name: getattr(self, name) for name in type(self).model_fields if is_read_by(name, self.method)}


def is_read_by(name: str, method: str) -> bool:
    """Whether `method` reads the setting `name`."""
    extra = Recipe.model_fields[name].json_schema_extra
    only = extra.get("only") if isinstance(extra, dict) else None
    return only is None or only == method


def _with_method_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that hang on other settings: the tutorials' own for their method, learning rates by optimizer."""
    filled = dict(given)
    if filled.get("method") == "tutorial":
        tutorial = {
            "network": "yolov4", "freeze_epoch": 50, "freeze_batch_size": 8, "unfreeze_epoch": 300, "unfreeze_batch_size": 4,
            "optimizer_type": "sgd", "momentum": 0.937, "ema": False, "eval_period": 10,
        }  # fmt: skip
        filled = tutorial | filled
        filled.setdefault("init_lr", 1e-2 if filled["optimizer_type"] == "sgd" else 1e-3)
        share_left_at_the_end = 0.01
    else:
        filled.setdefault("init_lr", 1e-2 if filled.get("optimizer_type") == "sgd" else 2e-3)
        share_left_at_the_end = 0.05
    if "min_lr" not in filled and isinstance(filled["init_lr"], int | float):
        filled["min_lr"] = share_left_at_the_end * filled["init_lr"]
    return filled


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule over several settings: `check` says what is wrong, or returns None."""

    reads: tuple[str, ...]
    check: Callable[[Recipe], Message | None]


def _freeze_batch(recipe: Recipe) -> Message | None:
    freeze, unfreeze = recipe.freeze_batch_size, recipe.unfreeze_batch_size
    if not recipe.freeze_train or freeze == "auto" or unfreeze == "auto" or unfreeze <= freeze <= 2 * unfreeze:
        return None
    return Message(
        "recipe.freeze_batch",
        "freeze_batch_size: {freeze} must be 1 to 2 times unfreeze_batch_size ({unfreeze}); the nearest is {nearest}.",
        {"freeze": freeze, "unfreeze": unfreeze, "nearest": min(max(freeze, unfreeze), 2 * unfreeze)},
    )


def _freeze_needs_weights(recipe: Recipe) -> Message | None:
    if recipe.start != "scratch" or not recipe.freeze_train:
        return None
    return Message(
        "recipe.frozen_scratch",
        "freeze_train: true freezes a backbone that has learned nothing; set freeze_train=false, or start from weights "
        "(model_path=coco, or pretrained=true).",
    )


def _epochs_in_order(recipe: Recipe) -> Message | None:
    if recipe.init_epoch >= recipe.unfreeze_epoch:
        return Message(
            "recipe.init_epoch",
            "init_epoch: {init} leaves nothing to train before unfreeze_epoch ({end}); the largest is {largest}.",
            {"init": recipe.init_epoch, "end": recipe.unfreeze_epoch, "largest": recipe.unfreeze_epoch - 1},
        )
    return None


def _freeze_before_end(recipe: Recipe) -> Message | None:
    if recipe.freeze_train and recipe.freeze_epoch > recipe.unfreeze_epoch:
        return Message(
            "recipe.freeze_epoch",
            "freeze_epoch: {freeze} is beyond the last epoch, unfreeze_epoch={end}; the largest is {end}.",
            {"freeze": recipe.freeze_epoch, "end": recipe.unfreeze_epoch},
        )
    return None


def _learning_rates_in_order(recipe: Recipe) -> Message | None:
    if recipe.min_lr <= recipe.init_lr:
        return None
    return Message(
        "recipe.min_lr",
        "min_lr: {low} is larger than init_lr ({high}).",
        {"low": f"{recipe.min_lr:g}", "high": f"{recipe.init_lr:g}"},
    )


def _anchor_count(recipe: Recipe) -> Message | None:
    wanted = ANCHOR_COUNT[recipe.network]
    if recipe.anchors == "network" or len(recipe.anchors) == wanted:
        return None
    return Message(
        "recipe.anchors",
        "anchors: {network} takes {wanted} of them, not {found}.",
        {"network": recipe.network, "wanted": wanted, "found": len(recipe.anchors)},
    )


def _sync_needs_ddp(recipe: Recipe) -> Message | None:
    if recipe.sync_bn and recipe.parallel != "ddp":
        return Message("recipe.sync_bn", "sync_bn: true needs parallel=ddp.")
    return None


_RULES = (
    _Rule(("freeze_train", "freeze_batch_size", "unfreeze_batch_size"), _freeze_batch),
    _Rule(("freeze_train", "model_path", "pretrained"), _freeze_needs_weights),
    _Rule(("init_epoch", "unfreeze_epoch"), _epochs_in_order),
    _Rule(("freeze_train", "freeze_epoch", "unfreeze_epoch"), _freeze_before_end),
    _Rule(("init_lr", "min_lr"), _learning_rates_in_order),
    _Rule(("network", "anchors"), _anchor_count),
    _Rule(("sync_bn", "parallel"), _sync_needs_ddp),
)


def broken_rules(recipe: Recipe, ignoring: frozenset[str] = frozenset()) -> list[Message]:
    """What the rules between settings find wrong; rules that read a setting in `ignoring` are left out."""
    checks = (rule.check(recipe) for rule in _RULES if ignoring.isdisjoint(rule.reads))
    return [message for message in checks if message is not None]


def make_recipe(settings: Mapping[str, Any], source: str = "--set") -> Recipe:
    """The Recipe of `settings`.

    Raises:
        BadInput: one message for every wrong setting and broken rule, each opening with `source` and the key.
    """
    method = settings.get("method", "modern")
    unread = [
        Message(
            "recipe.unread",
            "{key}: the {method} method does not read it; leave it out, or set method={other}.",
            {"key": key, "method": method, "other": "tutorial" if method == "modern" else "modern"},
        )
        for key in settings
        if key in Recipe.model_fields and method in ("modern", "tutorial") and not is_read_by(key, method)
    ]
    try:
        recipe = Recipe.model_validate(settings)
    except ValidationError as error:
        problems = unread + _messages_of(error, settings)
    else:
        problems = unread
    if problems:
        raise BadInput(*(Message(p.code, "{source}: {problem}", {"source": source, "problem": p}) for p in problems))
    return recipe


def _messages_of(error: ValidationError, settings: Mapping[str, Any]) -> list[Message]:
    """Pydantic's findings, one for each key, and what the rules find among the settings that are right."""
    found: dict[str, Message] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "recipe_rules":
            return list(detail["ctx"]["messages"])
        key = str(detail["loc"][0])
        found.setdefault(key, _message_of(key, detail))
    right = {key: value for key, value in settings.items() if key not in found}
    try:
        Recipe.model_validate(right)
    except ValidationError as rest:
        for detail in rest.errors(include_url=False):
            if detail["type"] == "recipe_rules":
                partial = Recipe.model_construct(**_with_method_defaults(right))
                return [*found.values(), *broken_rules(partial, ignoring=frozenset(found))]
    return list(found.values())


def _message_of(key: str, detail: ErrorDetails) -> Message:
    if detail["type"] == "extra_forbidden":
        close = nearest(key, Recipe.model_fields)
        if close is None:
            return Message("recipe.unknown_key", "{key}: there is no such setting.", {"key": key})
        return Message(
            "recipe.unknown_key",
            "{key}: there is no such setting; did you mean {nearest}?",
            {"key": key, "nearest": close},
        )
    return Message(
        "recipe.wrong_value",
        "{key}: {value} is not possible ({reason}){hint}",
        {"key": key, "value": _shortly(detail["input"]), "reason": _reason(detail), "hint": _hint(key, detail)},
    )


_REASONS = {
    "int_parsing": marked("it needs a whole number"),
    "int_type": marked("it needs a whole number"),
    "int_from_float": marked("it needs a whole number"),
    "float_parsing": marked("it needs a number"),
    "float_type": marked("it needs a number"),
    "bool_parsing": marked("it is true or false"),
    "bool_type": marked("it is true or false"),
    "tuple_type": marked("it needs a list, for example [416, 416]"),
    "greater_than": marked("input should be greater than {gt}"),
    "greater_than_equal": marked("input should be greater than or equal to {ge}"),
    "less_than": marked("input should be less than {lt}"),
    "less_than_equal": marked("input should be less than or equal to {le}"),
    "multiple_of": marked("input should be a multiple of {multiple_of}"),
    "literal_error": marked("input should be {expected}"),
    "finite_number": marked("input should be a finite number"),
    "string_type": marked("input should be a valid string"),
}
"""Reasons that can be translated: pydantic's own sentences, or plainer ones; others stay as pydantic says them."""


def _reason(detail: ErrorDetails) -> Message | str:
    template = _REASONS.get(detail["type"])
    return detail["msg"].lower() if template is None else Message("", template, detail.get("ctx", {}))


def _hint(key: str, detail: ErrorDetails) -> Message:
    """The nearest valid value, where one can be named."""
    value, bounds = detail["input"], detail.get("ctx", {})
    if detail["type"] == "multiple_of" and isinstance(value, int):
        step = int(bounds["multiple_of"])
        return phrase("; the nearest is {nearest}.", nearest=max(step, round(value / step) * step))
    for bound in ("ge", "le", "gt", "lt"):
        if bound in bounds and "batch_size" in key:
            return phrase("; the smallest is {least}, since batch norm cannot train on 1.", least=bounds[bound])
        if bound in ("ge", "le") and bound in bounds:
            return phrase("; the nearest is {nearest}.", nearest=bounds[bound])
    if detail["type"] == "literal_error" and isinstance(value, str):
        choices = [choice.strip(" '") for choice in str(bounds.get("expected", "")).replace(" or ", ",").split(",")]
        if (close := nearest(value, choices)) is not None:
            return phrase("; did you mean {nearest}?", nearest=close)
    return phrase(".")


def _shortly(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """The settings in `key=value` words, each value read as TOML where it is TOML and as plain text elsewhere.

    Raises:
        BadInput: a word has no `=`.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise bad_input(
                "recipe.assignment",
                "--set {word}: write it as key=value, for example unfreeze_epoch=100.",
                word=assignment,
            )
        settings[key.strip()] = _typed(text.strip())
    return settings


def _typed(text: str) -> Any:
    try:
        return tomlkit.parse(f"value = {text}").unwrap()["value"]
    except (TOMLKitError, KeyError):
        return {"True": True, "False": False}.get(text, text)


def read_settings_file(path: Path) -> dict[str, Any]:
    """The settings in a preset or recipe file (TOML).

    Raises:
        BadInput: the file cannot be read or is no TOML.
    """
    try:
        return tomlkit.parse(read_text(path)).unwrap()
    except TOMLKitError as error:
        raise bad_input(
            "recipe.not_toml", "{path}: this is no TOML file ({reason}).", path=path, reason=error
        ) from error


def load_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The Recipe in a TOML file, with `overrides` laid over it.

    Raises:
        BadInput: one message for every wrong setting.
    """
    return make_recipe({**read_settings_file(path), **(overrides or {})}, source=str(path))


def recipe_to_toml(recipe: Recipe) -> str:
    """The whole Recipe as TOML, each setting under its description."""
    document = tomlkit.document()
    for name, value in recipe.read_settings().items():
        document.add(tomlkit.comment(str(Recipe.model_fields[name].description)))
        document.add(
            name, [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple) else value
        )
    return tomlkit.dumps(document)
