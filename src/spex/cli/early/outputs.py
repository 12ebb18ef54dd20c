"""Files that `spex report` writes, checked before anything heavy loads."""

from pathlib import Path

from spex.cli.early.names import check_plot
from spex.cli.options import ReportOptions
from spex.cli.session import check_files
from spex.errors import ArgumentError

_ENDINGS = {"--png": ".png", "--svg": ".svg"}


def check_report(options: ReportOptions) -> None:
    """Refuse an unknown plot, and files that could not be written.

    Raises:
        ArgumentError: the plot is not known or goes nowhere, or a file cannot be written.
    """
    check_plot(options.plot)
    pictures = {"--png": options.png, "--svg": options.svg}
    if options.plot != "bar" and not any(pictures.values()):
        raise ArgumentError(f"--plot {options.plot}: name a file with --png or --svg")
    check_files({"--html": options.html, **pictures}, {"the explanation": options.explanation})
    for option, path in pictures.items():
        if path is not None:
            _check_ending(path, option)


def _check_ending(path: Path, option: str) -> None:
    if path.suffix.lower() != _ENDINGS[option]:
        others = ", ".join(f"{name} FILE{ending}" for name, ending in _ENDINGS.items())
        raise ArgumentError(
            f"{option} {path}: writes {_ENDINGS[option]}, and the name says otherwise; use one of "
            f"{others}"
        )
