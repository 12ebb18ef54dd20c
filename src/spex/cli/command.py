"""Commands whose options are the fields of a dataclass, and the options that several commands have.

An option is written once, as a field with its type, its help and its default:

    unit: str | None = option("U", "Unit of the features, such as word.")

A field of type `tuple[str, ...]` may be given several times.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from spex.cli.session import Session

T = TypeVar("T")

Index = Annotated[
    str | None,
    typer.Option(
        metavar="I",
        help="Index of the table: SV, BV, SII, k-SII, BII, STII, "
        "FSII (default with --weighting shapley), FBII (default), Moebius or Fourier.",
    ),
]
Order = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="Highest order shown, such as 2 for single units and pairs. Default without "
        "--index: the order that holds 95 % of the variance.",
    ),
]
Top = Annotated[int, typer.Option(metavar="N", help="Rows of the printed table.")]
MaxDegree = Annotated[
    int, typer.Option(metavar="D", help="Highest order of interactions to search for.")
]
Weighting = Annotated[
    str,
    typer.Option(
        metavar="W",
        help="Distribution of the masks, and of R2: uniform, or shapley (all sizes equally "
        "often; better values of SV, SII, k-SII, STII and FSII).",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Random seed.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Save the explanation.")]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a page to read and share.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def option(metavar: str, text: str, default: Any = None) -> Any:
    """A field that is an option with a value; `dataclasses.MISSING` for one that has to be given.

    Args:
        metavar: What stands for its value in the help.
        text: The help.
        default: Default of the field.
    """
    return field(default=default, metadata={"option": typer.Option(metavar=metavar, help=text)})


def argument(metavar: str, text: str) -> Any:
    """A field that is an argument, which has to be given.

    Args:
        metavar: Its name in the help.
        text: The help.
    """
    return field(metadata={"option": typer.Argument(metavar=metavar, help=text)})


def switch(name: str, text: str) -> Any:
    """A field for an option without a value: True if the option is given.

    Args:
        name: Such as `--dry-run`; it has no counterpart, such as `--no-dry-run`.
        text: The help.
    """
    return field(default=False, metadata={"option": typer.Option(name, help=text)})


def parameters_of(options: type) -> list[inspect.Parameter]:
    """The fields of a dataclass as parameters that typer takes for options."""
    kinds = get_type_hints(options, include_extras=True)
    instead = {MISSING: inspect.Parameter.empty, (): None}
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=instead.get(one.default, one.default),
            annotation=_annotated(list[str] | None if one.default == () else kinds[one.name], one),
        )
        for one in fields(options)
    ]


def _annotated(kind: Any, of: Field[Any]) -> Any:
    return Annotated[kind, of.metadata["option"]] if of.metadata else kind


def filled(options: type[T], given: Mapping[str, Any]) -> T:
    """The options that typer has read, as the dataclass; others are left out."""
    wanted: tuple[Field[Any], ...] = fields(options)  # type: ignore[arg-type]
    several = {one.name: tuple(given[one.name] or ()) for one in wanted if one.default == ()}
    return options(**{one.name: given[one.name] for one in wanted} | several)


def signed(
    command: Callable[..., None], like: Callable[..., None], options: list[inspect.Parameter]
) -> Callable[..., None]:
    """A typer command that takes these options, with the name and help of another function.

    Args:
        command: Is called with the context and the options by name.
        like: Has the name and the help.
        options: Its parameters but the context.
    """
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    parameters = [context, *options]
    command.__name__, command.__doc__ = like.__name__, like.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def takes(options: type[T]) -> Callable[[Callable[[Session, T], None]], Callable[..., None]]:
    """Make a command of a function that takes the session, and its options as a dataclass."""

    def decorated(function: Callable[[Session, T], None]) -> Callable[..., None]:
        def command(context: typer.Context, **given: Any) -> None:
            session: Session = context.obj
            session.quiet = bool(given.get("quiet"))
            function(session, filled(options, given))

        return signed(command, function, parameters_of(options))

    return decorated
