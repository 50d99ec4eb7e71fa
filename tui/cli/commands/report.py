"""`freezetui report`: writes what there is to know about a run into one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.completion import complete_run
from tui.cli.console import print_json, print_line
from tui.cli.errors import print_error
from tui.cli.options import HERE, Json, Workspace
from tui.cli.progress import count_bar
from tui.text import N_, _

REPORT = "report.html"
"""In the run folder, where it may be replaced: freezetui has made it."""


def report(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help=N_("A run folder, or its name in logs/."), autocompletion=complete_run),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help=N_("The HTML file to write."), show_default=N_("report.html in the run")
        ),
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="RUN",
            help=N_("Another run to compare it with."),
            autocompletion=complete_run,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=N_("Replace the file of --out if it exists."))] = False,
    workspace: Workspace = HERE,
    json: Json = False,
) -> int:
    """Evaluate the best weights of a run, and write its report."""
    from engine.files import write_text
    from engine.messages import bad_input
    from engine.runs.folder import find_run

    folder = find_run(run, workspace)
    if other is not None and find_run(other, workspace) == folder:
        raise bad_input(
            "report.same_run", "--compare {run}: this is the run of the report itself; name another one.", run=other
        )
    target = folder / REPORT if out is None else out
    if target.is_dir():
        raise bad_input(
            "report.folder", "--out {path}: this is a folder; name a file, such as report.html.", path=target
        )
    if out is not None and target.exists() and not force:
        raise bad_input("report.exists", "--out {path}: the file exists; --force replaces it.", path=target)
    if not target.parent.is_dir():
        raise bad_input("report.no_folder", "--out {path}: its folder does not exist.", path=target)
    from tui.report.content import read_content
    from tui.report.page import render_report

    with count_bar(_("Evaluating")) as progress:
        content = read_content(folder, workspace, progress, other)
    for message in content.problem:
        print_error(_("The weights were not measured for this report: {reason}", reason=message))
    write_text(target, render_report(content))
    if json:
        scores = None if content.results is None else content.results.measured.scores
        print_json(
            {
                "path": str(target.absolute()),
                "split": None if content.results is None else content.results.measured.split,
                "scores": None if scores is None else scores.to_json(),
                "problems": [message.to_json() for message in content.problem],
            }
        )
    else:
        print_line(_("{path} is written.", path=target))
    return 0
