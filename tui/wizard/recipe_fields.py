"""The settings of a recipe as fields of a form, made from the model itself: what kind, what bounds, for whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.messages import BadInput, Message
from engine.recipe import Recipe, is_read_by, parse_assignments
from tui.text import _, translate


@dataclass(frozen=True, slots=True)
class RecipeField:
    """One setting. `schema` is its part of the model's JSON schema."""

    name: str
    schema: Mapping[str, Any]

    @property
    def description(self) -> str:
        """One line, in the user's language."""
        return _(str(self.schema.get("description", "")))

    @property
    def advanced(self) -> bool:
        """Whether a beginner need not see it."""
        return bool(self.schema.get("advanced"))

    @property
    def choices(self) -> tuple[str | bool, ...]:
        """All values there are; empty where they are typed."""
        if self.schema.get("type") == "boolean":
            return (True, False)
        return tuple(self.schema.get("enum", ()))

    @property
    def default(self) -> Any:
        """What the model takes where nothing is said and no other setting decides."""
        return self.schema.get("default")

    @property
    def allowed(self) -> str:
        """What may be entered, in words."""
        return _allowed(self.schema)

    def read_by(self, method: str) -> bool:
        """Whether `method` reads it."""
        return is_read_by(self.name, method)

    def parse(self, text: str) -> Any:
        """The value that `text` means; what cannot be understood stays text, and the model refuses it."""
        text = text.strip()
        if self.schema.get("type") == "string":
            return text
        if self._is_list and not text.startswith("[") and (not text or text[0].isdigit()):
            text = "[" + re.sub(r"\s*[x×*]\s*", ",", text) + "]"
        value = parse_assignments([f"{self.name}={text}"])[self.name]
        whole_as_float = self.schema.get("type") == "number" and type(value) is int
        return float(value) if whole_as_float else value

    def text(self, value: Any) -> str:
        """`value` as it stands in the form; `parse` reads it again."""
        if isinstance(value, bool):
            return _("on") if value else _("off")
        if isinstance(value, float):
            return f"{value:.6g}"
        if isinstance(value, tuple | list):
            if value and isinstance(value[0], tuple | list):
                return str([list(one) for one in value]).replace(" ", "")
            return (" x " if "prefixItems" in self.schema else ", ").join(str(one) for one in value)
        return str(value)

    @property
    def _is_list(self) -> bool:
        return self.schema.get("type") == "array"


@lru_cache(maxsize=1)
def recipe_fields() -> tuple[RecipeField, ...]:
    """The settings that leave a choice, in the model's order."""
    properties = Recipe.model_json_schema()["properties"]
    return tuple(RecipeField(name, schema) for name, schema in properties.items() if "const" not in schema)


_BESIDE = {"plan.memory": "unfreeze_batch_size", "plan.no_weights": "network"}
"""Where sentences stand that name no setting: not even the smallest batch fits, the network's weights are not here."""


def field_of(message: Message) -> str | None:
    """The setting that a sentence of the engine is about: the first that its template names; None for none."""
    if message.code in _BESIDE:
        return _BESIDE[message.code]
    keys = {name: message.values[name] for name in ("key", "stage") if name in message.values}
    words = re.sub(r"{(\w+)[^}]*}", lambda found: str(keys.get(found[1], " ")), message.template)
    return next((word for word in re.findall(r"\w+", words) if word in Recipe.model_fields), None)


def problems_by_field(error: BadInput) -> dict[str, str]:
    """What is wrong, in words, by the field it stands beside; under the empty name what belongs to no field."""
    fields = {field.name: field for field in recipe_fields()}
    found: dict[str, str] = {}
    for message in map(without_source, error.messages):
        name = field_of(message) or ""
        if message.code == "recipe.wrong_value" and name in fields:
            said = _("Not possible here: {allowed}.", allowed=fields[name].allowed)
        else:
            said = said_here(message)
        found.setdefault(name, beside(name, said))
    return found


def beside(name: str, sentence: str) -> str:
    """A sentence as it stands beside the field `name`, which it need not name again."""
    return (
        sentence.removeprefix(name).lstrip(":： ")
        if name and sentence.startswith((f"{name}:", f"{name}："))
        else sentence
    )


def said_here(message: Message) -> str:
    """A sentence of the engine as the wizard says it: without where a setting came from, with the step instead of a command."""
    if message.code == "plan.no_weights":
        return _("{name} is not here yet: step 3, Weights, fetches it.", name=message.values["name"])
    return translate(without_source(message))


def without_source(message: Message) -> Message:
    """The sentence without where the setting came from: on a screen that is the screen itself."""
    problem = message.values.get("problem")
    if isinstance(problem, Message):
        return problem
    return Message(message.code, message.template.removeprefix("{source}: "), message.values)


def _allowed(schema: Mapping[str, Any]) -> str:
    """A part of a JSON schema in words."""
    if "anyOf" in schema:
        first, *others = (_allowed(one) for one in schema["anyOf"])
        for other in others:
            first = _("{one} or {other}", one=first, other=other)
        return first
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return ", ".join(str(one) for one in schema["enum"])
    kind = schema.get("type")
    if kind == "boolean":
        return _("on or off")
    if kind == "array":
        return _allowed_list(schema)
    if kind in ("integer", "number"):
        return _allowed_number(schema, whole=kind == "integer")
    return _("a text")


def _allowed_list(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        each = _allowed(schema["prefixItems"][0])
        return _("{count} values, each {each}", count=len(schema["prefixItems"]), each=each)
    return _("a list, each {each}", each=_allowed(schema.get("items", {})))


def _allowed_number(schema: Mapping[str, Any], *, whole: bool) -> str:
    kind = _("a whole number") if whole else _("a number")
    if step := schema.get("multipleOf"):
        kind = _("a multiple of {step}", step=step)
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    if low == step:  # no other multiple is meant
        low = None
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    bounds = (
        (_("from {low}", low=_figure(low)) if low is not None else ""),
        (_("above {low}", low=_figure(above)) if above is not None else ""),
        (_("up to {high}", high=_figure(high)) if high is not None else ""),
        (_("below {high}", high=_figure(below)) if below is not None else ""),
    )
    return " ".join((kind, *(bound for bound in bounds if bound)))


def _figure(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)
