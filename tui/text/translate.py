"""Sentences put into words: looked up, then filled with values that hold no control characters."""

from __future__ import annotations

from engine.messages import Message, printable
from tui.text.language import spoken


def _(sentence: str, **values: object) -> str:
    """`sentence` in the user's language, its `{name}`s filled from `values`."""
    found = spoken().gettext(sentence) if sentence else ""
    return _filled(found, values) if values else found


def ngettext(one: str, many: str, count: int, **values: object) -> str:
    """The form of the sentence that `count` asks for; `{count}` is filled with it."""
    return _filled(spoken().ngettext(one, many, count), {"count": count, **values})


def translate(message: Message) -> str:
    """A sentence of the engine in the user's language."""
    return _filled(spoken().gettext(message.template), dict(message.values))


def N_(sentence: str) -> str:  # noqa: N802  the name that gettext's tools know
    """`sentence` itself, marked for translation where it is shown."""
    return sentence


def _filled(template: str, values: dict[str, object]) -> str:
    return template.format_map(
        {name: translate(value) if isinstance(value, Message) else printable(value) for name, value in values.items()}
    )
