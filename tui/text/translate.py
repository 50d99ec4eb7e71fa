"""Translation: a template is looked up in the catalogue, then filled with values without control characters."""

from __future__ import annotations

from engine.messages import Message, printable
from tui.text.language import translations


def _(template: str, **values: object) -> str:
    """`template` in the user's language, filled with `values`. A value that is a Message is translated too."""
    translated = translations().gettext(template) if template else ""
    return _filled(translated, values) if values else translated


def ngettext(singular: str, plural: str, count: int, **values: object) -> str:
    """The form of the template for `count`, filled with `values` and `count`."""
    return _filled(translations().ngettext(singular, plural, count), {"count": count, **values})


def translate(message: Message) -> str:
    """A message of the engine in the user's language."""
    return _filled(translations().gettext(message.template), dict(message.values))


def N_(template: str) -> str:  # noqa: N802  gettext's own name
    """`template` unchanged, marked for extraction; it is translated where it is shown."""
    return template


def _filled(template: str, values: dict[str, object]) -> str:
    return template.format_map(
        {name: translate(value) if isinstance(value, Message) else printable(value) for name, value in values.items()}
    )
