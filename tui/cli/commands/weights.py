"""`freezetui weights`: what there is, fetch known ones, convert foreign ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.console import megabytes, print_json, print_line, print_table
from tui.cli.options import HERE, Classes, Json, Workspace

app = typer.Typer(help="Weights to start from.", invoke_without_command=True)


@app.callback()
def weights(context: typer.Context, json: Json = False, workspace: Workspace = HERE) -> None:
    """List the known weights and where they are."""
    if context.invoked_subcommand is not None:
        return
    from engine.weights.download.fetch import KNOWN, find

    rows = [
        {"name": file.name, "bytes": file.bytes, "sha256": file.sha256, "path": str(path) if path else None}
        for file in KNOWN.values()
        for path in [find(file, workspace / "model_data")]
    ]
    if json:
        print_json(rows)
        return
    print_table(
        ("weights", "size", "where"),
        ((row["name"], megabytes(float(str(row["bytes"]))), row["path"] or "not here yet") for row in rows),
    )
    print_line("\nFetch one: freezetui weights get NAME")


@app.command()
def get(name: Annotated[str, typer.Argument(help="A known name.")], workspace: Workspace = HERE) -> int:
    """Fetch known weights into model_data/, checked against their published hash."""
    from engine.weights.download.fetch import fetch, find, known_file
    from tui.cli.progress import bytes_bar

    file = known_file(name)
    if (there := find(file, workspace / "model_data")) is not None:
        print_line(f"{there} is there already, its content checked.")
        return 0
    with bytes_bar(file.name, file.bytes) as advance:
        path = fetch(file, workspace / "model_data", progress=advance)
    print_line(f"{path} is there, its content checked.")
    return 0


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Darknet's .weights or a tutorial's .pth.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Where to write it.", show_default="model_data/NAME.pth")
    ] = None,
    classes: Classes = None,
    json: Json = False,
    workspace: Workspace = HERE,
) -> int:
    """Convert weights into our own kind of file, which carries classes, anchors and preprocessing."""
    from engine.dataset.formats.reading import read_names
    from engine.messages import bad_input
    from engine.weights.load import network_of_weights, save_weights

    names = None if classes is None else read_names(classes)
    network, info = network_of_weights(file, names)
    target = to or workspace / "model_data" / f"{file.stem}.pth"
    if target.exists():
        raise bad_input("weights.exists", "{path}: is there already; choose another with --to.", path=target)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_weights(target, network, info)
    if json:
        print_json({"path": str(target), "network": info.network, "classes": list(info.classes)})
        return 0
    for note in info.notes:
        print_line(str(note))
    print_line(f"{target}: {info.network}, {len(info.classes)} classes.")
    return 0
