"""Words in the user's language. The English sentence is the key; `N_` marks one that is translated later."""

from tui.text.language import LANGUAGES, PSEUDO, language, language_of_locale, set_language
from tui.text.translate import N_, _, ngettext, translate

__all__ = [
    "LANGUAGES",
    "N_",
    "PSEUDO",
    "_",
    "language",
    "language_of_locale",
    "ngettext",
    "set_language",
    "translate",
]
