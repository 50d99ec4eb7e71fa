"""The page: its head, its sections in their order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from xml.etree.ElementTree import Element

from tui.report.comparison_part import comparison_section
from tui.report.content import ReportContent
from tui.report.elements import document, element
from tui.report.results_part import classes_section, image_store, mistakes_section, samples_section, verdict_box
from tui.report.training_part import (
    commands_section,
    curves_section,
    events_section,
    machine_section,
    recipe_section,
)
from tui.text import _, language, ngettext
from tui.text.datasets import split_name
from tui.text.run_states import data_name

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""A browser that opens the page loads nothing and runs nothing."""


def render_report(content: ReportContent) -> str:
    """The report as the text of one HTML file in the user's language. The same run gives the same text."""
    sections = list(_sections(content))
    return document(
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", _("Report of {run}", run=content.run.summary.name)),
            _style(),
        ),
        element(
            "body",
            *(() if content.results is None else (image_store(content.results),)),
            element("header", *_title(content), _navigation(sections), verdict_box(content)),
            element("main", *sections),
        ),
        language().replace("_", "-"),
    )


def _sections(content: ReportContent) -> Iterator[Element]:
    parts = (
        ("curves", _("Curves"), curves_section(content)),
        ("classes", _("Classes"), classes_section(content)),
        ("mistakes", _("Mistakes"), mistakes_section(content)),
        ("samples", _("Sample images"), samples_section(content)),
        ("comparison", _("Comparison"), comparison_section(content)),
        ("recipe", _("Recipe"), recipe_section(content)),
        ("machine", _("Hardware and environment"), machine_section(content)),
        ("events", _("What happened"), events_section(content)),
        ("use", _("Use the weights"), commands_section(content)),
    )
    for name, title, elements in parts:
        if body := list(elements):
            yield element("section", element("h2", title), *body, id=name)


def _title(content: ReportContent) -> Iterator[Element]:
    summary, plan = content.run.summary, content.plan
    yield element("p", _("freezetui {version} · report of a training", version=version("freezetui")), class_="kicker")
    yield element("h1", summary.name)
    if summary.note:
        yield element("p", summary.note, class_="note")
    images = ", ".join(f"{split_name(split)} {count}" for split, count in plan.images.items())
    facts = [
        plan.recipe.network,
        None if plan.preset is None else _("preset {name}", name=plan.preset),
        _("data {path}", path=data_name(summary)),
        _("images: {images}", images=images),
        ngettext("{count} class", "{count} classes", len(plan.classes)),
        None if summary.started is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.started)),
    ]
    yield element("p", " · ".join(fact for fact in facts if fact))


def _navigation(sections: list[Element]) -> Element:
    links = (element("a", section[0].text or "", href=f"#{section.get('id')}") for section in sections)
    return element("nav", *links)


def _style() -> Element:
    """Of our own, so it is not escaped; `element` would take its line breaks for control characters."""
    style = Element("style")
    style.text = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    return style
