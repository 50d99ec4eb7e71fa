"""Which language is spoken. One for the whole process: a terminal has one reader."""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh_CN": "简体中文"}
"""Language codes and what their speakers call them."""

PSEUDO: Final = "pseudo"
"""A language for tests: every sentence of ours in brackets and a third longer, so that what is not translated shows."""

LOCALE: Final = Path(__file__).with_name("locale")
DOMAIN: Final = "freezetui"


class PseudoTranslations(gettext.NullTranslations):
    """Marks every sentence and makes it longer, as translations often are."""

    def gettext(self, message: str) -> str:
        """The marked sentence; its `{values}` stay."""
        return f"⟦{message}{'~' * (len(message) // 3)}⟧" if message else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The marked sentence for `n`."""
        return self.gettext(msgid1 if n == 1 else msgid2)


_spoken: gettext.NullTranslations = gettext.NullTranslations()
_code = "en"


def set_language(code: str) -> None:
    """Speak `code` from now on; one that is not known becomes English."""
    global _spoken, _code
    if code == PSEUDO:
        _spoken, _code = PseudoTranslations(), code
    elif code in LANGUAGES and code != "en":
        _spoken, _code = gettext.translation(DOMAIN, LOCALE, [code]), code
    else:
        _spoken, _code = gettext.NullTranslations(), "en"


def language() -> str:
    """The code of the language that is spoken."""
    return _code


def spoken() -> gettext.NullTranslations:
    """The catalogue of the language that is spoken."""
    return _spoken


def language_of_locale(environment: Mapping[str, str] | None = None) -> str:
    """The language that the user's locale asks for, in the order in which POSIX reads the variables."""
    values = os.environ if environment is None else environment
    asked = next((values[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if values.get(name)), "")
    if not asked and environment is None and os.name == "nt":
        import locale

        asked = locale.getlocale()[0] or ""
    return "zh_CN" if asked.lower().startswith(("zh", "chinese")) else "en"
