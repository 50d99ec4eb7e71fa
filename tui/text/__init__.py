"""Texts in the user's language. The English sentence is the msgid; `N_` marks one that is translated where it is shown."""

from tui.text.language import LANGUAGES, PSEUDO, language, language_of_locale, parse_language, set_language
from tui.text.translate import N_, _, ngettext, translate

__all__ = [
    "LANGUAGES",
    "N_",
    "PSEUDO",
    "_",
    "language",
    "language_of_locale",
    "ngettext",
    "parse_language",
    "set_language",
    "translate",
]
