"""`freezetui weights`: lists known weights, downloads them, imports weights of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.files import make_folder
from engine.messages import bad_input
from tui.cli.completion import complete_known_weights
from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import writing_to
from tui.cli.options import HERE, Classes, Json, Workspace
from tui.cli.progress import bytes_bar, waiting
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup
from tui.text import N_, _, ngettext, translate
from tui.text.joining import join_parts, named
from tui.text.sizes import format_size

app = typer.Typer(
    cls=TranslatedGroup,
    help=N_("List the weights to start from, download or import them."),
    invoke_without_command=True,
)


@app.callback()
def weights(context: typer.Context, json: Json = False, workspace: Workspace = HERE) -> None:
    """Print the known weights and where they are."""
    if context.invoked_subcommand is not None:
        return
    from engine.weights.download.registry import KNOWN, find

    with waiting(_("Checking files")):  # the hash of hundreds of megabytes takes a second
        rows = [
            {"name": file.name, "bytes": file.bytes, "sha256": file.sha256, "path": str(path) if path else None}
            for file in KNOWN.values()
            for path in [find(file, workspace / "model_data")]
        ]
    if json:
        print_json(rows)
        return
    print_table(
        (_("weights"), _("size"), _("where")),
        ((row["name"], format_size(float(str(row["bytes"]))), row["path"] or _("not downloaded yet")) for row in rows),
    )
    print_line("\n" + _("Download one with: freezetui weights get NAME"))


@app.command(cls=TranslatedCommand, help=N_("Download known weights into model_data/ and verify their published hash."))
def get(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=N_("A file or network that `freezetui weights` lists."),
            autocompletion=complete_known_weights,
        ),
    ],
    workspace: Workspace = HERE,
) -> int:
    """Download known weights."""
    from engine.weights.download.fetch import fetch
    from engine.weights.download.registry import find, known_file

    file = known_file(name)
    with waiting(_("Checking files")):
        existing = find(file, workspace / "model_data")
    if existing is not None:
        print_line(_("{path} exists already; its hash is right.", path=existing))
        return 0
    with bytes_bar(file.name, file.bytes) as progress:
        path = fetch(file, workspace / "model_data", progress=progress)
    print_line(_("{path} is downloaded; its hash is right.", path=path))
    return 0


@app.command(
    "import",
    cls=TranslatedCommand,
    help=N_("Convert weights into freezetui's file format, which includes classes, anchors and preprocessing."),
)
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("Darknet's .weights or a tutorial's .pth."))],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help=N_("The file to write."), show_default="model_data/NAME.pth"),
    ] = None,
    classes: Classes = None,
    json: Json = False,
    workspace: Workspace = HERE,
) -> int:
    """Convert weights of another program."""
    from engine.dataset.classes_file import read_class_names

    names = None if classes is None else read_class_names(classes)
    with waiting(_("Reading weights")):
        from engine.weights.load import load_network  # imports torch, which takes seconds
        from engine.weights.native import save_weights

        network, info = load_network(file, names)
    target = to or workspace / "model_data" / f"{file.stem}.pth"
    if target.exists():
        raise bad_input(
            "weights.exists", "{path}: this file exists already; choose another one with --to.", path=target
        )
    with writing_to(target):
        make_folder(target.parent)
        save_weights(target, network, info)
    if json:
        print_json({"path": str(target), "network": info.network, "classes": list(info.classes)})
        return 0
    for note in info.notes:
        print_line(translate(note))
    classes_text = ngettext("{count} class", "{count} classes", len(info.classes))
    print_line(named(str(target), join_parts(info.network, classes_text)))
    return 0
