"""The language of the user interface: one for the whole process."""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.messages import bad_input, join_names

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh_CN": "简体中文"}
"""Language codes and native names."""

PSEUDO: Final = "pseudo"
"""A language for tests: every translated text stands in brackets and is a third longer, so that untranslated text shows."""

LOCALE: Final = Path(__file__).with_name("locale")
DOMAIN: Final = "freezetui"


class PseudoTranslations(gettext.NullTranslations):
    """Puts every message in brackets and makes it longer, as translations often are."""

    def gettext(self, message: str) -> str:
        """The marked message; its `{values}` are unchanged."""
        return f"⟦{message}{'~' * (len(message) // 3)}⟧" if message else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The marked message for `n`."""
        return self.gettext(msgid1 if n == 1 else msgid2)


_translations: gettext.NullTranslations = gettext.NullTranslations()
_code = "en"


def set_language(code: str) -> None:
    """Translate into `code` from now on; an unknown code means English."""
    global _translations, _code
    if code == PSEUDO:
        _translations, _code = PseudoTranslations(), code
    elif code in LANGUAGES and code != "en":
        _translations, _code = gettext.translation(DOMAIN, LOCALE, [code]), code
    else:
        _translations, _code = gettext.NullTranslations(), "en"


def language() -> str:
    """The code of the current language."""
    return _code


def translations() -> gettext.NullTranslations:
    """The catalogue of the current language."""
    return _translations


def parse_language(code: str) -> str:
    """`code`, where it is the code of a language.

    Raises:
        BadInput: it is not.
    """
    if code not in (*LANGUAGES, PSEUDO):
        similar = next((known for known in LANGUAGES if known[:2] == code[:2].lower()), None)
        if similar is None:
            raise bad_input(
                "wizard.language",
                "--lang {language}: there is no such language; there are {languages}.",
                language=code,
                languages=join_names(LANGUAGES),
            )
        raise bad_input(
            "wizard.language",
            "--lang {language}: there is no such language; did you mean {nearest}?",
            language=code,
            nearest=similar,
        )
    return code


def language_of_locale(environment: Mapping[str, str] | None = None) -> str:
    """The language of the user's locale. The variables are read in the order of POSIX and gettext; os.environ by default."""
    variables = os.environ if environment is None else environment
    locale_name = next((variables[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if variables.get(name)), "")
    if locale_name.partition(".")[0] not in ("", "C", "POSIX"):  # in these locales gettext ignores LANGUAGE
        preferred = variables.get("LANGUAGE", "").split(":")
        locale_name = next((name for name in preferred if name.lower().startswith(("zh", "en"))), locale_name)
    if not locale_name and environment is None and os.name == "nt":
        import locale

        locale_name = locale.getlocale()[0] or ""
    return "zh_CN" if locale_name.lower().startswith(("zh", "chinese")) else "en"
