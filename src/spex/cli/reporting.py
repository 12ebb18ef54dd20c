"""`spex report`: show a saved explanation."""

import io
import warnings
from pathlib import Path

from spex.cli.session import Session, check_distinct, check_output
from spex.cli.showing import load, print_result, write_page
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.files import write_bytes

_DOTS_PER_INCH = 200


def run(
    session: Session,
    path: Path,
    html: Path | None,
    png: Path | None,
    index: str | None,
    order: int | None,
    top: int,
) -> None:
    """Do what `spex report` was asked for.

    Raises:
        FileFormatError: the file cannot be read as an explanation.
        ArgumentError: an option is wrong, or a file cannot be written.
        MissingExtraError: a picture is wanted and matplotlib is not installed.
    """
    with session.interruptible():
        for output, option in ((html, "--html"), (png, "--png")):
            if output is None:
                continue
            check_output(output, option)
            if output.resolve() == path.resolve():
                raise ArgumentError(f"{option} {output}: is the explanation itself")
        check_distinct("--html", html, "--png", png)
        explanation = load(path)
        if png is not None and not isinstance(explanation, Explanation):
            raise ArgumentError(f"--png: {path} holds several explanations; use --html")
        if html is not None:
            write_page(session, explanation, html, index, order)
        if png is not None and isinstance(explanation, Explanation):
            _draw(explanation, png, index, order, top)
            session.notice(f"wrote {png}")
        if html is None and png is None:
            print_result(explanation, index, order, top)


def _draw(
    explanation: Explanation, path: Path, index: str | None, order: int | None, top: int
) -> None:
    figure = explanation.plot(index, order, top)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # The font has no glyph for some scripts and emoji: boxes, not a page of warnings.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(picture, format="png", dpi=_DOTS_PER_INCH)
    write_bytes(path, picture.getvalue())
