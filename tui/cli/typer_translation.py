"""Commands whose help is in the user's language, with the type of each value by its meaning and with examples.

Also translates what typer itself writes: the fixed words of its help, its usage errors.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from engine.messages import Message
from tui.cli.console import OutputClosed, discard_output, output_error
from tui.cli.examples import EXAMPLES
from tui.cli.number_option import wrong_number
from tui.cli.options import OUTPUT_SECTION, Verbose
from tui.text import N_, _
from tui.text.line_breaks import wide_breaks_in_rich

if TYPE_CHECKING:  # typer's own copy of click; its names are needed for the annotations only
    from typer._click import Context, HelpFormatter, Parameter
    from typer._click.shell_completion import CompletionItem

HELP_OPTION_TEXT = N_("Show this message and exit.")

USAGE_WORDS = (N_("[OPTIONS]"), N_("COMMAND [ARGS]..."))
"""What typer writes into the usage line; its other words are names of arguments."""

_NEEDED = re.compile(r"^\{([^|}]+)\}")
"""Typer's braces around an argument that is needed; no manual of another program has them, except around a choice."""

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
)
"""What typer says. The values are found by matching its English text, which is all that its exceptions hold."""


class TranslatedCommand(TyperCommand):
    """A command whose help is in the user's language; it has the option -v."""

    def __init__(self, name: str | None, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        _add_common(self)

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the usage line."""
        _write_usage(self.collect_usage_pieces(ctx), ctx, formatter)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Print the help."""
        _translate_help(self, ctx)
        with _closed_output_reported(), wide_breaks_in_rich():
            super().format_help(ctx, formatter)
            _print_examples(ctx)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """The options, with their help in the user's language."""
        _translate_parameters(self, ctx)
        return super().shell_complete(ctx, incomplete)


class TranslatedGroup(TyperGroup):
    """A group of commands whose help is in the user's language; it has the option -v."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        _add_common(self)

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the usage line."""
        _write_usage(self.collect_usage_pieces(ctx), ctx, formatter)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Print the help."""
        _translate_help(self, ctx)
        self._translate_commands()
        with _closed_output_reported(), wide_breaks_in_rich():
            super().format_help(ctx, formatter)
            _print_examples(ctx)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """The commands and options, with their help in the user's language."""
        _translate_parameters(self, ctx)
        self._translate_commands()
        return super().shell_complete(ctx, incomplete)

    def _translate_commands(self) -> None:
        for command in self.commands.values():
            command.help = _translate(command.help)


class _Argument(TyperArgument):
    """An argument whose help says what it is by its name alone."""

    def display_type_rich(self, ctx: Context) -> str | None:
        """No type: the name, such as FOLDER, has the meaning."""
        return None


class _Option(TyperOption):
    """An option whose help shows a type where it takes a value."""

    def display_type_rich(self, ctx: Context) -> str | None:
        """What the value is, such as FOLDER; nothing for a flag."""
        return None if self.is_flag else super().display_type_rich(ctx)

    def process_value(self, ctx: Context, value: Any) -> Any:
        """The value as its type. A wrong number is an error with a sentence of our own: typer's has pydantic's words.

        Raises:
            BadInput: the value is no number, or out of range.
        """
        try:
            return super().process_value(ctx, value)
        except typer.BadParameter as error:
            described = self.type_descriptor
            if described.annotation not in (int, float) or not isinstance(value, str):
                raise
            info = described.parameter_info
            raise wrong_number(
                self.opts[-1], value, is_whole=described.annotation is int, least=info.min, largest=info.max
            ) from error


def usage_error(text: str) -> Message | str:
    """An error message of typer as one that can be translated; the text itself where it is unknown."""
    for template in USAGE_ERRORS:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template))
        if (match := re.fullmatch(pattern, text, re.DOTALL)) is not None:
            return Message("", template, {name: usage_error(value) for name, value in match.groupdict().items()})
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


def _write_usage(pieces: Iterable[str], ctx: Context, formatter: HelpFormatter) -> None:
    words = " ".join(_(piece) if piece in USAGE_WORDS else _NEEDED.sub(r"\1", piece) for piece in pieces)
    formatter.write_usage(ctx.command_path, words, prefix=_("Usage: "))


def _add_common(command: TyperCommand | TyperGroup) -> None:
    """Add -v, and show the types of all parameters by their meaning."""
    command.params.append(_verbose_option())
    for parameter in command.params:
        if isinstance(parameter, TyperArgument):
            parameter.__class__ = _Argument  # typer has no setting for the class of a parameter
        elif isinstance(parameter, TyperOption):
            parameter.__class__ = _Option


def _verbose_option() -> Parameter:
    """-v as typer makes it from its annotation."""
    carrier = typer.Typer(add_completion=False)

    @carrier.command()
    def _carry(verbose: Verbose = False) -> None: ...

    return typer.main.get_command(carrier).params[0]


def _translate_help(command: TyperCommand | TyperGroup, ctx: Context) -> None:
    from typer import rich_utils

    # typer offers no setting for it.
    vars(rich_utils).update(Table=_FoldingTable, Columns=_FoldingColumns)
    rich_utils.ARGUMENTS_PANEL_TITLE = _("Arguments")
    rich_utils.OPTIONS_PANEL_TITLE = _("Options")
    rich_utils.COMMANDS_PANEL_TITLE = _("Commands")
    rich_utils.DEFAULT_STRING = _("[default: {}]")
    rich_utils.REQUIRED_LONG_STRING = _("[required]")
    rich_utils.RANGE_STRING = ""  # the help text has the range
    command.help = _translate(command.help)
    _translate_parameters(command, ctx)


def _translate_parameters(command: TyperCommand | TyperGroup, ctx: Context) -> None:
    help_option = command.get_help_option(ctx)
    if help_option is not None:
        help_option.__class__ = _Option
        help_option.rich_help_panel = OUTPUT_SECTION
    for parameter in command.get_params(ctx):
        if isinstance(parameter, TyperArgument | TyperOption):
            parameter.help = _translate(parameter.help)
            parameter.rich_help_panel = _translate(parameter.rich_help_panel)
            if isinstance(parameter.show_default, str):
                parameter.show_default = _(parameter.show_default)


def _print_examples(ctx: Context) -> None:
    """Print the examples of a command, each line as it can be typed: never folded."""
    examples = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
    if not examples:
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(" " + _("Examples"), style="bold"))
    for example in examples:
        console.print(Text(f"\n   {_(example.purpose)}", style="dim"))
        console.print(Text(f"   {example.line}"))
    console.print()


def _translate(text: str | None) -> str | None:
    return None if text is None else _(text)
