"""Files that `spex report` and `spex compare` write, checked before anything heavy loads."""

from pathlib import Path

from spex.cli.early.names import check_plot
from spex.cli.session import check_distinct, check_output
from spex.errors import ArgumentError

_ENDINGS = {"--png": ".png", "--svg": ".svg"}


def check_report(
    path: Path, html: Path | None, png: Path | None, svg: Path | None, plot: str
) -> None:
    """Refuse a plot that there is not, and files that could not be written.

    Args:
        path: The explanation.
        html: The page, if one is wanted.
        png: The picture in pixels, if it is wanted.
        svg: The picture in vectors, if it is wanted.
        plot: What is drawn.

    Raises:
        ArgumentError: the plot is not known or goes nowhere, or a file cannot be written.
    """
    check_plot(plot)
    if plot != "bar" and png is None and svg is None:
        raise ArgumentError(f"--plot {plot}: name a file with --png or --svg")
    for output, option in ((html, "--html"), (png, "--png"), (svg, "--svg")):
        if output is None:
            continue
        check_output(output, option)
        if option in _ENDINGS:
            _check_ending(output, option)
        if output.resolve() == path.resolve():
            raise ArgumentError(f"{option} {output}: is the explanation itself")
    check_distinct("--html", html, "--png", png)
    check_distinct("--html", html, "--svg", svg)
    check_distinct("--png", png, "--svg", svg)


def _check_ending(path: Path, option: str) -> None:
    if path.suffix.lower() != _ENDINGS[option]:
        others = ", ".join(f"{name} FILE{ending}" for name, ending in _ENDINGS.items())
        raise ArgumentError(
            f"{option} {path}: writes {_ENDINGS[option]}, and the name says otherwise; use one of "
            f"{others}"
        )


def check_compare(first: Path, second: Path, html: Path | None) -> None:
    """Refuse a page that could not be written.

    Raises:
        ArgumentError: it could not, or it is one of the two explanations.
    """
    if html is None:
        return
    check_output(html, "--html")
    if html.resolve() in (first.resolve(), second.resolve()):
        raise ArgumentError(f"--html {html}: is one of the explanations")
