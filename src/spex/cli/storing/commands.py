"""The commands of `spex store`, their options and their help."""

from pathlib import Path
from typing import Annotated

import typer

store = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Manage a store, the file that keeps finished evaluations.

    \b
    Examples:
      spex store info samples.sqlite
      spex store import samples.sqlite from_other_machine.sqlite
      spex store verify samples.sqlite
    """,
)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The store.")]


@store.command()
def info(context: typer.Context, file: _File) -> None:
    """Show the functions in a store: how many values each has, and when it was last used."""
    from spex.cli.storing import running

    running.show_info(context.obj, file)


@store.command()
def export(
    context: typer.Context,
    file: _File,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="OUT.csv: function, mask and value; OUT.sqlite: another store; any other name: "
            "JSON Lines. A CSV file does not include the answers to unmasked prompts.",
        ),
    ],
) -> None:
    """Write the content of a store to a file of another format.

    A mask is hexadecimal: feature j is bit j % 8 of byte j // 8.
    """
    from spex.cli.storing import running

    running.export_to(context.obj, file, out)


@store.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The store; created if it does not exist.")
    ],
    others: Annotated[
        list[Path],
        typer.Argument(metavar="OTHER...", help="Other stores, or files that export wrote."),
    ],
) -> None:
    """Copy other stores into a store, such as those of several machines.

    Values that the store has are never changed. From a damaged store, readable rows are copied.
    """
    from spex.cli.storing import running

    running.import_all(context.obj, file, others)


@store.command()
def prune(
    context: typer.Context,
    file: _File,
    function: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Identity of a function, or its beginning, as info shows it. May be repeated.",
        ),
    ] = None,
    unused_days: Annotated[
        float | None,
        typer.Option(metavar="N", min=0, help="Functions not used for N days."),
    ] = None,
) -> None:
    """Delete the values of functions, and shrink the file."""
    from spex.cli.storing import running

    running.prune_functions(context.obj, file, tuple(function or ()), unused_days)


@store.command()
def verify(context: typer.Context, file: _File) -> None:
    """Check a store for damage; the exit status is 1 if there is any.

    Checks the structure of the file, and that every row is a finite value of a mask of a function.
    It cannot notice a value that was changed into another number.
    """
    from spex.cli.storing import running

    running.verify(context.obj, file)
