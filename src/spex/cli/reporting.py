"""`spex report` and `spex compare`: show a saved explanation, or how two differ."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spex.cli.options import CompareOptions, ReportOptions
from spex.cli.session import Session, console
from spex.cli.showing import Result, load, print_result, write_page
from spex.comparison.comparing import compare
from spex.comparison.results import Comparison
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations
from spex.files import write_bytes, write_text
from spex.wording import counted, did_you_mean, distinct
from spex.zooming.two_levels import Zoom

_DOTS_PER_INCH = 200
_ROWS = 15
_NAMED = 10  # outputs named in a message


def run(session: Session, options: ReportOptions) -> None:
    """Do what `spex report` was asked for; see `spex.cli.early.outputs.check_report`.

    Raises:
        FileFormatError: the file cannot be read as an explanation.
        ArgumentError: an option is wrong, or a file cannot be written.
        MissingExtraError: a picture is wanted and matplotlib is not installed.
    """
    path, html, index, order = options.explanation, options.html, options.index, options.order
    both = {"png": options.png, "svg": options.svg}
    pictures = {kind: picture for kind, picture in both.items() if picture is not None}
    with session.interruptible():
        explanation = load(path)
        if options.output is not None:
            explanation = _output_of(path, explanation, options.output)
        if pictures and not isinstance(explanation, Explanation):
            raise ArgumentError(f"--{min(pictures)}: {_one_of(path, explanation)}")
        if html is not None:
            write_page(session, explanation, html, index, order)
        if isinstance(explanation, Explanation):
            for kind, picture in pictures.items():
                figure = explanation.plot(index, order, options.top, kind=options.plot)
                write_bytes(picture, _drawn(figure, kind))
                session.notice(f"wrote {picture}")
        if html is None and not pictures:
            print_result(explanation, index, order, _ROWS if options.top is None else options.top)


def _output_of(path: Path, found: Result, name: str) -> Explanation:
    """One of several outputs.

    Raises:
        ArgumentError: there is none of that name.
    """
    if not isinstance(found, Explanations):
        raise ArgumentError(f"--output {name}: {path} does not hold several outputs; leave it out")
    if name not in found:
        close = did_you_mean(name, found.outputs)
        raise ArgumentError(f"--output {name}: is unknown{close}; choose one of {_named(found)}")
    return found[name]


def _named(found: Explanations) -> str:
    return ", ".join(found.outputs[:_NAMED]) + (", ..." if len(found) > _NAMED else "")


def _one_of(path: Path, found: Explanations | Zoom) -> str:
    """How to draw one of several explanations."""
    if isinstance(found, Zoom):
        return (
            f"{path} holds an overview and a close up, and a picture is of one; use --html for "
            "both, or in Python spex.Zoom.load(...).fine.plot().savefig(...)"
        )
    return (
        f"{path} holds {counted(len(found), 'output')}, and a picture is of one; choose it with "
        f"--output ({_named(found)}), or use --html for all"
    )


def _drawn(figure: Any, file_format: str) -> bytes:
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # If no font has a glyph, show boxes instead of a page of warnings.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(picture, format=file_format, dpi=_DOTS_PER_INCH)
    return picture.getvalue()


def compare_files(session: Session, options: CompareOptions) -> None:
    """Do what `spex compare` was asked for.

    Raises:
        FileFormatError: a file cannot be read as an explanation.
        ArgumentError: nothing matches, an option is wrong, or the page cannot be written.
    """
    from spex.report.compared import view

    if options.top < 0:
        raise ArgumentError(f"--top {options.top} is negative; give 0 or more rows")
    first, second = options.first, options.second
    with session.interruptible():
        names = _names(first, second)
        found = compared((load(first), load(second)), names, options.index, options.order)
        if options.html is not None:
            write_text(options.html, comparisons_page(found))
            session.notice(f"wrote {options.html}")
        for each in found:
            console().print(view(each, options.top))


def _names(first: Path, second: Path) -> tuple[str, ...]:
    """The names of two files; of files named alike with the folders in which they differ."""
    names = [path.stem for path in (first, second)]
    for one, other in zip(first.resolve().parts[::-1], second.resolve().parts[::-1], strict=False):
        if names[0] != names[1]:
            break
        if one != other:
            names = [f"{one}/{names[0]}", f"{other}/{names[1]}"]
    return distinct(names)


def compared(
    found: tuple[Result, Result],
    names: Sequence[str],
    index: str | None = None,
    order: int | None = None,
) -> list[Comparison]:
    """Compare two explanations, or the outputs of the same name of two files of several.

    Args:
        found: What is compared.
        names: What the two are called.
        index: See `spex.compare`.
        order: See `spex.compare`.

    Raises:
        ArgumentError: nothing matches, or an option is wrong.
    """
    a, b = found
    if isinstance(a, Explanation) and isinstance(b, Explanation):
        return [compare(a, b, index, order, names)]
    if not isinstance(a, Explanations) or not isinstance(b, Explanations):
        raise ArgumentError(
            f"{names[0]} and {names[1]} are of different kinds (one explanation, several outputs, "
            "or a zoom); compare two explanations, or two files of several outputs"
        )
    shared = [name for name in a.outputs if name in b.outputs]
    if not shared:
        raise ArgumentError(
            f"{names[0]} has the outputs {', '.join(a.outputs)} and {names[1]} "
            f"{', '.join(b.outputs)}: no name is in both"
        )
    return [
        compare(a[name], b[name], index, order, [f"{names[0]}: {name}", f"{names[1]}: {name}"])
        for name in shared
    ]


def comparisons_page(found: Sequence[Comparison]) -> str:
    """One page of all comparisons."""
    from spex.report.compared import pages
    from spex.report.html import render_pages

    versions = {one.version for each in found for one in (each.first, each.second)}
    shown = [page for each in found for page in pages(each)]
    return render_pages(shown, sorted(versions), one_at_a_time=True)
