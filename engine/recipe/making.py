"""From settings to a Recipe, or to one sentence for each that is wrong, with the nearest that would be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.messages import BadInput, Message, marked, nearest, phrase
from engine.recipe.model import Recipe, is_read_by, with_method_defaults
from engine.recipe.rules import broken_rules


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
                partial = Recipe.model_construct(**with_method_defaults(right))
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
