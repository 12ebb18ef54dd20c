"""The commands of `spex evaluate`, their options and their help."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from spex.cli.command import parameters_of, signed
from spex.cli.evaluating.options import Options
from spex.cli.session import Session

evaluate = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Measure how good explanations are, on your model and data.

    Every method gets the same number of calls on every item. Results are rows of a table. They are
    kept as they finish, so the same command continues where an earlier one stopped.

    \b
    Examples:
      spex evaluate faithfulness --data reviews.jsonl --methods auto,lime --budgets 100,300 \\
        --items 12 --lengths 8-127 --out reviews.csv --plot reviews.png
      spex evaluate recovery --data hotpotqa.jsonl --methods auto,kernelshap --budgets 300
      spex evaluate pairs --data reviews.jsonl --model predict:my_model:score --lengths 8-40
    """,
)

_R = Annotated[int, typer.Option("--r", metavar="R", help="The largest r.")]


def _command(measure: Callable[..., None]) -> None:
    """Add the command of a measure: its options, among those that all share.

    Args:
        measure: A function with the name and the help of the measure. Its parameters are the
            measure's options. It is never called.
    """
    parameters = inspect.signature(measure).parameters.values()
    own = [one.replace(kind=one.KEYWORD_ONLY) for one in parameters]
    shared = parameters_of(Options)
    place = [one.name for one in shared].index("store")

    def command(context: typer.Context, **options: Any) -> None:
        from spex.cli.evaluating.running import run

        session: Session = context.obj
        session.quiet = options["quiet"]
        given = {one.name: options.pop(one.name) for one in own}
        run(session, measure.__name__, given, Options(**options))

    evaluate.command()(signed(command, measure, [*shared[:place], *own, *shared[place:]]))


@_command
def faithfulness(
    test_masks: Annotated[
        int, typer.Option(metavar="N", help="Fresh masks on which R2 and LDS are measured.")
    ] = 1000,
    distribution: Annotated[
        str,
        typer.Option(
            metavar="D",
            help="Of the fresh masks: uniform, size (every size alike) or near-full (few features "
            "left out).",
        ),
    ] = "uniform",
) -> None:
    """Measure R2 and LDS of the surrogate on fresh masks."""


@_command
def removal(r: _R = 10) -> None:
    """Remove the r features that change the surrogate most, and measure the score."""


@_command
def recovery(r: _R = 10) -> None:
    """Compare the r largest interactions with features that people have marked."""


@_command
def pairs(
    random_bases: Annotated[
        int,
        typer.Option(
            metavar="N", help="Number of random inputs to audit too; each costs as many calls."
        ),
    ] = 0,
) -> None:
    """Measure all single and pair effects with 1 + n + n(n-1)/2 calls; compare predictions."""


@_command
def curves(
    sanity: Annotated[
        bool,
        typer.Option(
            "--sanity",
            help="Also check that noise gets another explanation, an unused feature nothing and "
            "two that are symmetric the same; twice as many calls again.",
        ),
    ] = False,
) -> None:
    """Deletion and insertion curves, soft necessity and sufficiency, stability between seeds."""
