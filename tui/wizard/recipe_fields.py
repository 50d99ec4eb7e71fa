"""The settings of a recipe as fields of a form, generated from the model, and error messages assigned to fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.messages import BadInput, Message
from engine.recipe import Recipe, is_read_by, parse_assignments
from tui.text import N_, _, translate

FIELD_GROUPS: Mapping[str, tuple[str, ...]] = {
    N_("Network"): ("network", "method", "model_path", "pretrained", "input_shape", "anchors"),
    N_("Schedule"): ("unfreeze_epoch", "freeze_train", "freeze_epoch", "init_epoch", "eval_period", "save_period"),
    N_("Batch and memory"): (*("unfreeze_batch_size", "freeze_batch_size", "accumulate", "activation_checkpointing"),),
    N_("Learning rate"): (
        *("init_lr", "min_lr", "lr_decay_type", "optimizer_type", "momentum", "weight_decay", "ema"),
    ),
    N_("Augmentation"): ("mosaic", "mosaic_prob", "mixup", "mixup_prob", "special_aug_ratio"),
    N_("Loss"): ("label_smoothing", "focal_loss", "focal_alpha", "focal_gamma", "iou_type"),
    N_("Device"): ("device", "parallel", "devices", "sync_bn", "precision", "num_workers", "threads", "seed"),
}
"""Titles of the form, each with its settings in the order of the form."""

_LABELS: Mapping[str, str] = {
    "network": N_("network"),
    "method": N_("training method"),
    "model_path": N_("start from weights"),
    "pretrained": N_("only backbone weights"),
    "input_shape": N_("input size"),
    "anchors": N_("anchor sizes"),
    "unfreeze_epoch": N_("epochs in all"),
    "freeze_train": N_("freeze backbone first"),
    "freeze_epoch": N_("frozen until epoch"),
    "init_epoch": N_("start at epoch"),
    "eval_period": N_("epochs between mAP"),
    "save_period": N_("epochs between files"),
    "unfreeze_batch_size": N_("batch, whole network"),
    "freeze_batch_size": N_("batch, while frozen"),
    "accumulate": N_("batches in a step"),
    "activation_checkpointing": N_("compute parts twice"),
    "init_lr": N_("highest learning rate"),
    "min_lr": N_("lowest learning rate"),
    "lr_decay_type": N_("learning rate curve"),
    "optimizer_type": N_("optimizer"),
    "momentum": N_("momentum"),
    "weight_decay": N_("weight decay"),
    "ema": N_("average weights (EMA)"),
    "mosaic": N_("mosaic of 4 images"),
    "mosaic_prob": N_("share of mosaics"),
    "mixup": N_("mixup of 2 images"),
    "mixup_prob": N_("share of mixups"),
    "special_aug_ratio": N_("epochs with mosaics"),
    "label_smoothing": N_("label smoothing"),
    "focal_loss": N_("focal loss"),
    "focal_alpha": N_("focal loss, alpha"),
    "focal_gamma": N_("focal loss, gamma"),
    "iou_type": N_("loss of the boxes"),
    "device": N_("train on"),
    "parallel": N_("several graphics cards"),
    "devices": N_("which graphics cards"),
    "sync_bn": N_("shared batch norm"),
    "precision": N_("number format"),
    "num_workers": N_("threads for images"),
    "threads": N_("threads for computing"),
    "seed": N_("random seed"),
}
"""What people call the settings: 22 columns at most."""

_ALLOWED: Mapping[str, str] = {
    "model_path": N_("coco, a weights file, or nothing"),
    "anchors": N_("network for its own, or widths and heights in pixels such as [[10,14],[23,27]]"),
}
"""The valid values of settings for which the model knows only their type."""


@dataclass(frozen=True, slots=True)
class RecipeField:
    """One setting. `schema`: its part of the model's JSON schema."""

    name: str
    schema: Mapping[str, Any]

    @property
    def description(self) -> str:
        """What the setting means: one line, in the user's language."""
        return _(str(self.schema.get("description", "")))

    @property
    def label(self) -> str:
        """What people call the setting, in the user's language."""
        return _(_LABELS[self.name])

    @property
    def advanced(self) -> bool:
        """Whether the form shows it only on request."""
        return bool(self.schema.get("advanced"))

    @property
    def choices(self) -> tuple[str | bool, ...]:
        """All possible values; empty if the value is typed."""
        if self.schema.get("type") == "boolean":
            return (True, False)
        return tuple(self.schema.get("enum", ()))

    @property
    def default(self) -> Any:
        """The model's default; defaults that depend on other settings are not known here."""
        return self.schema.get("default")

    @property
    def allowed(self) -> str:
        """A description of the valid values, in the user's language."""
        if self._is_size:
            return _("width x height, each {each}", each=_allowed(self.schema["prefixItems"][0]))
        own = _ALLOWED.get(self.name)
        return _allowed(self.schema) if own is None else _(own)

    def read_by(self, method: str) -> bool:
        """Whether `method` reads it."""
        return is_read_by(self.name, method)

    def parse(self, text: str) -> Any:
        """The value of `text`. Text that is not a value of the right kind is returned as it is; the model refuses it."""
        text = text.strip()
        if self.schema.get("type") == "string":
            return text
        if self._is_size and (sides := re.fullmatch(r"(\d{1,5})(?:\s*[x×*]\s*(\d{1,5}))?", text, re.IGNORECASE)):
            return [int(sides[2] or sides[1]), int(sides[1])]
        if self._is_list and not text.startswith("[") and (not text or text[0].isdigit()):
            text = f"[{text}]"
        value = parse_assignments([f"{self.name}={text}"])[self.name]
        is_float = self.schema.get("type") == "number" and type(value) is int
        return float(value) if is_float else value

    def text(self, value: Any) -> str:
        """`value` as the form shows it; `parse` is the inverse, except for booleans."""
        if isinstance(value, bool):
            return _("on") if value else _("off")
        if isinstance(value, float):
            return f"{value:.6g}"
        if isinstance(value, tuple | list):
            if value and isinstance(value[0], tuple | list):
                return str([list(pair) for pair in value]).replace(" ", "")
            return " x ".join(map(str, reversed(value))) if self._is_size else ", ".join(map(str, value))
        return str(value)

    @property
    def _is_size(self) -> bool:
        """Whether it is a height and a width. People write, and a Plan shows, the width first."""
        return "prefixItems" in self.schema

    @property
    def _is_list(self) -> bool:
        return self.schema.get("type") == "array"


@lru_cache(maxsize=1)
def recipe_fields() -> tuple[RecipeField, ...]:
    """The settings with more than one valid value, in the form's order."""
    properties = Recipe.model_json_schema()["properties"]
    return tuple(RecipeField(name, properties[name]) for names in FIELD_GROUPS.values() for name in names)


_FIELD_BY_CODE = {"plan.memory": "unfreeze_batch_size", "plan.no_weights": "network"}
"""Fields of messages whose template names no setting: not even the smallest batch fits, or weights are missing."""


def field_of(message: Message) -> str | None:
    """The setting that an engine message is about: the first one its template names; None if it names none."""
    if message.code in _FIELD_BY_CODE:
        return _FIELD_BY_CODE[message.code]
    names = {key: message.values[key] for key in ("key", "stage") if key in message.values}
    text = re.sub(r"{(\w+)[^}]*}", lambda placeholder: str(names.get(placeholder[1], " ")), message.template)
    return next((word for word in re.findall(r"\w+", text) if word in Recipe.model_fields), None)


def problems_by_field(error: BadInput) -> dict[str, str]:
    """One sentence for each field with an error; under the empty name the first one that belongs to no field."""
    fields = {field.name: field for field in recipe_fields()}
    problems: dict[str, str] = {}
    for message in map(strip_source, error.messages):
        name = field_of(message) or ""
        if message.code == "recipe.wrong_value" and name in fields:
            sentence = _wrong_value_sentence(fields[name], message)
        else:
            sentence = form_sentence(message)
        problems.setdefault(name, strip_field_name(name, sentence))
    return problems


def _wrong_value_sentence(field: RecipeField, message: Message) -> str:
    """What the field allows, and the valid value nearest to what was entered, where the engine knows one."""
    hint = message.values.get("hint")
    nearest = hint.values.get("nearest") if isinstance(hint, Message) else None
    if nearest is None:
        return _("Allowed here: {allowed}.", allowed=field.allowed)
    return _("Allowed here: {allowed}; the nearest is {nearest}.", allowed=field.allowed, nearest=nearest)


def strip_field_name(name: str, sentence: str) -> str:
    """`sentence` without the name at its start: the form shows it beside the field of that name."""
    is_named = name and sentence.startswith((f"{name}:", f"{name}："))
    return sentence.removeprefix(name).lstrip(":： ") if is_named else sentence


def form_sentence(message: Message) -> str:
    """An engine message as the wizard shows it: without the setting's source, with a screen instead of a command."""
    if message.code == "plan.no_weights":
        return _("{name} is not downloaded yet; Enter on the Review screen downloads it.", name=message.values["name"])
    return translate(strip_source(message))


def strip_source(message: Message) -> Message:
    """The message without its source: in the wizard all settings come from the form."""
    problem = message.values.get("problem")
    if isinstance(problem, Message):
        return problem
    return Message(message.code, message.template.removeprefix("{source}: "), message.values)


def _allowed(schema: Mapping[str, Any]) -> str:
    """The values that a part of a JSON schema allows, in words."""
    if "anyOf" in schema:
        allowed, *alternatives = (_allowed(alternative) for alternative in schema["anyOf"])
        for alternative in alternatives:
            allowed = _("{one} or {other}", one=allowed, other=alternative)
        return allowed
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "boolean":
        return _("on or off")
    if kind == "array":
        return _allowed_list(schema)
    if kind in ("integer", "number"):
        return _allowed_number(schema, integer=kind == "integer")
    return _("a text")


def _allowed_list(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        each = _allowed(schema["prefixItems"][0])
        return _("{count} values, each {each}", count=len(schema["prefixItems"]), each=each)
    return _("a list, each {each}", each=_allowed(schema.get("items", {})))


def _allowed_number(schema: Mapping[str, Any], *, integer: bool) -> str:
    kind = _("a whole number") if integer else _("a number")
    if step := schema.get("multipleOf"):
        kind = _("a multiple of {step}", step=step)
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    if low == step:  # then the multiple says it all
        low = None
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    bounds = (
        (_("from {low}", low=_figure(low)) if low is not None else ""),
        (_("above {low}", low=_figure(above)) if above is not None else ""),
        (_("up to {high}", high=_figure(high)) if high is not None else ""),
        (_("below {high}", high=_figure(below)) if below is not None else ""),
    )
    for bound in filter(None, bounds):
        kind = _("{kind} {bound}", kind=kind, bound=bound)
    return kind


def _figure(number: float) -> str:
    return f"{number:.15g}" if isinstance(number, float) else str(number)
