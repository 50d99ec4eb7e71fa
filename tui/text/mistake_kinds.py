"""The kinds of mistakes (`engine.evaluation.mistakes.Kind`) in words. All are in English, marked with `N_`."""

from __future__ import annotations

from collections.abc import Mapping

from tui.text.translate import N_

KIND_NAMES: Mapping[str, str] = {
    "missed": N_("missed"),
    "wrong_class": N_("wrong class"),
    "badly_placed": N_("badly placed"),
    "double": N_("double"),
    "background": N_("background"),
    "both_wrong": N_("both wrong"),
}

KIND_EXPLANATIONS: Mapping[str, str] = {
    "missed": N_("an object without any detection near it"),
    "wrong_class": N_("the box fits an object of another class"),
    "badly_placed": N_("the box overlaps an object of its class by less than half"),
    "double": N_("a second box on an object that is found"),
    "background": N_("a box where there is no object"),
    "both_wrong": N_("the box overlaps an object of another class by less than half"),
}
