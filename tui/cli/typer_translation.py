"""Translates help texts when they are shown, and what typer itself writes: the fixed words of its help, its usage errors."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.columns import Columns
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from tui.cli.console import OutputClosed, discard_output, output_error
from tui.text import N_, _

if TYPE_CHECKING:  # typer's own copy of click; its names are needed for the annotations only
    from typer._click import Context, HelpFormatter

HELP_OPTION_TEXT = N_("Show this message and exit.")

USAGE_ERRORS = (
    N_("No such command {command}. Did you mean {commands}?"),
    N_("No such command {command}."),
    N_("Missing command."),
    N_("No such option: {option} (Possible options: {options})"),
    N_("No such option: {option}"),
    N_("Missing option {option}."),
    N_("Missing argument {argument}."),
    N_("Option {option} requires an argument."),
    N_("Option {option} does not take a value."),
    N_("Got unexpected extra argument(s) ({arguments})"),
    N_("Invalid value for {option}: {reason}"),
    N_("Input should be a valid integer, unable to parse string as an integer"),
    N_("Input should be a valid number, unable to parse string as a number"),
    N_("Input should be greater than or equal to {limit}"),
    N_("Input should be less than or equal to {limit}"),
)
"""What typer says. The values are found by matching its English text, which is all that its exceptions hold."""


class TranslatedCommand(TyperCommand):
    """A command whose help is in the user's language."""

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the usage line."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix=_("Usage: "))

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Print the help."""
        _translate_help(self, ctx)
        with _closed_output_reported():
            super().format_help(ctx, formatter)


class TranslatedGroup(TyperGroup):
    """A group of commands whose help is in the user's language."""

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the usage line."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix=_("Usage: "))

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Print the help."""
        _translate_help(self, ctx)
        for command in self.commands.values():
            command.help = _translate(command.help)
        with _closed_output_reported():
            super().format_help(ctx, formatter)


def translate_usage_error(text: str) -> str:
    """An error message of typer in the user's language; English where it is unknown."""
    for template in USAGE_ERRORS:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template))
        if (match := re.fullmatch(pattern, text, re.DOTALL)) is not None:
            return _(template, **{name: translate_usage_error(value) for name, value in match.groupdict().items()})
    return text


class _FoldingTable(Table):
    """A table that breaks a long run without spaces, as in Chinese; rich's own cuts it off with an ellipsis."""

    def add_row(self, *cells: RenderableType | None, **values: Any) -> None:
        """Add a row; see `Table.add_row`."""
        super().add_row(*cells, **values)
        for column in self.columns:
            column.overflow = "fold"


class _FoldingColumns(Columns):
    """The same for the parts of a help text."""

    def __init__(self, renderables: Iterable[RenderableType] | None = None, **values: Any) -> None:
        super().__init__(renderables, **values)
        for part in self.renderables:
            if isinstance(part, Text):
                part.overflow = "fold"


@contextmanager
def _closed_output_reported() -> Iterator[None]:
    """Rich ends the program with 1 when its reader goes away, as in `freezetui --help | head -1`; nothing has failed.

    Raises:
        OutputClosed: the reader went away.
        BadInput: the output cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except SystemExit as error:
        raise OutputClosed from error
    except OSError as error:
        discard_output()
        raise output_error(error) from error


def _translate_help(command: TyperCommand | TyperGroup, ctx: Context) -> None:
    from typer import rich_utils

    # typer offers no setting for it.
    vars(rich_utils).update(Table=_FoldingTable, Columns=_FoldingColumns)
    rich_utils.ARGUMENTS_PANEL_TITLE = _("Arguments")
    rich_utils.OPTIONS_PANEL_TITLE = _("Options")
    rich_utils.COMMANDS_PANEL_TITLE = _("Commands")
    rich_utils.DEFAULT_STRING = _("[default: {}]")
    rich_utils.REQUIRED_LONG_STRING = _("[required]")
    command.help = _translate(command.help)
    for parameter in command.get_params(ctx):
        if isinstance(parameter, TyperArgument | TyperOption):
            parameter.help = _translate(parameter.help)
            if isinstance(parameter.show_default, str):
                parameter.show_default = _(parameter.show_default)


def _translate(text: str | None) -> str | None:
    return None if text is None else _(text)
