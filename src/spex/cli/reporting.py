"""`spex report` and `spex compare`: show a saved explanation, or how two differ."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from spex.cli.session import Session, console
from spex.cli.showing import load, print_result, write_page
from spex.comparison.comparing import compare
from spex.comparison.results import Comparison
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations
from spex.files import write_bytes, write_text
from spex.wording import counted, distinct
from spex.zooming.two_levels import Zoom

_DOTS_PER_INCH = 200
_ROWS = 15
_NAMED = 10  # outputs


@dataclass(frozen=True)
class Drawn:
    """What is drawn, and where it goes.

    Args:
        kind: The plot, as in `spex.Explanation.plot`.
        png: A file of pixels.
        svg: A file of vectors.
    """

    kind: str
    png: Path | None
    svg: Path | None

    @property
    def files(self) -> dict[str, Path]:
        """The files that are wanted, by format."""
        both = {"png": self.png, "svg": self.svg}
        return {name: path for name, path in both.items() if path is not None}


def run(
    session: Session,
    path: Path,
    html: Path | None,
    drawn: Drawn,
    index: str | None,
    order: int | None,
    top: int | None,
) -> None:
    """Do what `spex report` was asked for; see `spex.cli.early.outputs.check_report`.

    Raises:
        FileFormatError: the file cannot be read as an explanation.
        ArgumentError: an option is wrong, or a file cannot be written.
        MissingExtraError: a picture is wanted and matplotlib is not installed.
    """
    with session.interruptible():
        pictures = drawn.files
        explanation = load(path)
        if pictures and not isinstance(explanation, Explanation):
            raise ArgumentError(f"--{min(pictures)}: {_one_of(path, explanation)}")
        if html is not None:
            write_page(session, explanation, html, index, order)
        if isinstance(explanation, Explanation):
            for kind, picture in pictures.items():
                _draw(explanation, drawn.kind, kind, picture, index, order, top)
                session.notice(f"wrote {picture}")
        if html is None and not pictures:
            print_result(explanation, index, order, _ROWS if top is None else top)


def _one_of(path: Path, found: Explanations | Zoom) -> str:
    """How to draw one of several explanations."""
    if isinstance(found, Zoom):
        chosen = "spex.Zoom.load(...).fine"
        what = "an overview and a close up"
    else:
        names = ", ".join(found.outputs[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
        chosen = f"spex.Explanations.load(...)[{found.outputs[0]!r}]"
        what = f"{counted(len(found), 'output')} ({names})"
    return (
        f"{path} holds {what}, and a picture is of one; use --html for all, or in Python "
        f"{chosen}.plot().savefig(...)"
    )


def _draw(
    explanation: Explanation,
    kind: str,
    file_format: str,
    path: Path,
    index: str | None,
    order: int | None,
    top: int | None,
) -> None:
    figure = explanation.plot(index, order, top, kind=kind)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # Where no font has a glyph: boxes, not a page of warnings.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(picture, format=file_format, dpi=_DOTS_PER_INCH)
    write_bytes(path, picture.getvalue())


def compare_files(
    session: Session,
    first: Path,
    second: Path,
    html: Path | None,
    index: str | None,
    order: int | None,
    top: int,
) -> None:
    """Do what `spex compare` was asked for.

    Raises:
        FileFormatError: a file cannot be read as an explanation.
        ArgumentError: nothing matches, an option is wrong, or the page cannot be written.
    """
    from spex.report.compared import pages, view
    from spex.report.html import render_pages

    if top < 0:
        raise ArgumentError(f"--top {top} is negative; give 0 or more rows")
    with session.interruptible():
        found = _compared(first, second, index, order)
        if html is not None:
            versions = sorted(
                {each.first.version for each in found} | {each.second.version for each in found}
            )
            shown = [page for each in found for page in pages(each)]
            write_text(html, render_pages(shown, versions, one_at_a_time=True))
            session.notice(f"wrote {html}")
        for each in found:
            console().print(view(each, top))


def _names(first: Path, second: Path) -> tuple[str, ...]:
    """The names of two files; of files named alike with the folders in which they differ."""
    names = [path.stem for path in (first, second)]
    for one, other in zip(first.resolve().parts[::-1], second.resolve().parts[::-1], strict=False):
        if names[0] != names[1]:
            break
        if one != other:
            names = [f"{one}/{names[0]}", f"{other}/{names[1]}"]
    return distinct(names)


def _compared(first: Path, second: Path, index: str | None, order: int | None) -> list[Comparison]:
    paths = (first, second)
    names = _names(first, second)
    a, b = (load(path) for path in paths)
    if isinstance(a, Explanation) and isinstance(b, Explanation):
        return [compare(a, b, index, order, names)]
    if not isinstance(a, Explanations) or not isinstance(b, Explanations):
        raise ArgumentError(
            f"{first} and {second} are of different kinds (one explanation, several outputs, or a "
            "zoom); compare two explanations, or two files of several outputs"
        )
    shared = [name for name in a.outputs if name in b.outputs]
    if not shared:
        raise ArgumentError(
            f"{first} has the outputs {', '.join(a.outputs)} and {second} "
            f"{', '.join(b.outputs)}: no name is in both"
        )
    return [
        compare(a[name], b[name], index, order, [f"{names[0]}: {name}", f"{names[1]}: {name}"])
        for name in shared
    ]
