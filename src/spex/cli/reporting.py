"""`spex report`: show a saved explanation."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from spex.cli.session import Session, check_distinct, check_output
from spex.cli.showing import load, print_result, write_page
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.files import write_bytes
from spex.plots import check_kind

_DOTS_PER_INCH = 200
_ROWS = 15


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
    """Do what `spex report` was asked for.

    Raises:
        FileFormatError: the file cannot be read as an explanation.
        ArgumentError: an option is wrong, or a file cannot be written.
        MissingExtraError: a picture is wanted and matplotlib is not installed.
    """
    with session.interruptible():
        check_kind(drawn.kind)
        pictures = drawn.files
        if drawn.kind != "bar" and not pictures:
            raise ArgumentError(f"--plot {drawn.kind}: name a file with --png or --svg")
        for output, option in ((html, "--html"), (drawn.png, "--png"), (drawn.svg, "--svg")):
            if output is None:
                continue
            check_output(output, option)
            if output.resolve() == path.resolve():
                raise ArgumentError(f"{option} {output}: is the explanation itself")
        check_distinct("--html", html, "--png", drawn.png)
        check_distinct("--html", html, "--svg", drawn.svg)
        check_distinct("--png", drawn.png, "--svg", drawn.svg)
        explanation = load(path)
        if pictures and not isinstance(explanation, Explanation):
            raise ArgumentError(f"--{min(pictures)}: {path} holds several explanations; use --html")
        if html is not None:
            write_page(session, explanation, html, index, order)
        if isinstance(explanation, Explanation):
            for kind, picture in pictures.items():
                _draw(explanation, drawn.kind, kind, picture, index, order, top)
                session.notice(f"wrote {picture}")
        if html is None and not pictures:
            print_result(explanation, index, order, _ROWS if top is None else top)


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
