"""Saved or fresh explanations: read, shown in the terminal, written as a page."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from spex.cli.session import Session, console
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations
from spex.files import read_json
from spex.fourier.spectrum import Spectrum
from spex.interactions.values import interactions
from spex.saving import format_of
from spex.zooming.two_levels import Zoom

Result: TypeAlias = Explanation | Explanations | Zoom


@dataclasses.dataclass(frozen=True)
class Shown:
    """What is shown of an explanation, and where it goes: options of the command line."""

    index: str | None
    order: int | None
    top: int
    out: Path | None
    html: Path | None

    def check(self, n_features: int) -> None:
        """Refuse what could not be shown.

        Raises:
            ArgumentError: the index, the order or the number of rows is wrong.
        """
        if self.top < 0:
            raise ArgumentError(f"--top {self.top} is negative; give 0 or more rows")
        nothing = Spectrum.from_mapping({(): 0.0}, n_features)
        interactions(nothing, self.index or "FBII", self.order)


def load(path: Path) -> Result:
    """Read what `--out` wrote.

    Raises:
        FileFormatError: the file cannot be read as an explanation.
    """
    content = read_json(path)
    kind = format_of(content)
    classes: tuple[type[Explanation | Explanations | Zoom], ...] = (Explanations, Zoom, Explanation)
    reader = next((each for each in classes if each.FORMAT == kind), Explanation)
    return reader.of_file(path, content)


def with_command(found: Result, command: str, request: Mapping[str, Any] | None = None) -> Result:
    """The same with the command line that made it, and with its options where they are kept."""

    def changed(one: Explanation) -> Explanation:
        context = dataclasses.replace(one.context, command=command, request=request)
        return dataclasses.replace(one, context=context)

    if isinstance(found, Explanation):
        return changed(found)
    if isinstance(found, Explanations):
        return found.changed(lambda _, one: changed(one))
    return dataclasses.replace(found, coarse=changed(found.coarse), fine=changed(found.fine))


def write_page(
    session: Session, found: Result, path: Path, index: str | None, order: int | None
) -> None:
    """Write the HTML page of an explanation, and say where it is."""
    found.to_html(path, index, order)
    session.notice(f"wrote {path}")


def print_result(found: Result, index: str | None, order: int | None, top: int) -> None:
    """Print an explanation on standard output."""
    from spex.report.terminal import view

    show = console()
    if isinstance(found, Explanation):
        show.print(view(found, index, order, top))
        return
    if isinstance(found, Zoom):
        parts = [("Overview", found.coarse), ("Close up", found.fine)]
    else:
        parts = list(found.items())
    for title, one in parts:
        show.print(f"{title}\n")
        show.print(view(one, index, order, top))
        show.print()


def deliver(session: Session, found: Result, shown: Shown) -> None:
    """Save, write the page and print, as asked for."""
    # Write the file first: it then holds everything, whatever happens afterwards.
    try:
        if shown.out is not None:
            found.save(shown.out)
            session.notice(f"saved {shown.out}; show it with: spex report {shown.out}")
        if shown.html is not None:
            write_page(session, found, shown.html, shown.index, shown.order)
    finally:  # print the result even if the disk is full
        if not session.quiet:
            print_result(found, shown.index, shown.order, shown.top)
