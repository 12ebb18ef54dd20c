"""The tab of saved explanations: open one, or compare two."""

from typing import Any

from spex.app.shelf import Entry, Shelf
from spex.app.shown import frame, status
from spex.cli.reporting import compared, comparisons_page
from spex.cli.showing import load
from spex.errors import SpexError
from spex.explanation import Explanation
from spex.report import facts
from spex.wording import distinct, percent, short

_NAME = 24  # characters


def saved_tab(gradio: Any, shelf: Shelf, page: Any, refreshed: Any) -> None:
    """Build it.

    Args:
        gradio: The package.
        shelf: The explanations.
        page: The blocks around it.
        refreshed: Changes when there is one more.
    """

    def choices(*_: Any) -> list[Any]:
        found = [(one.title, one.name) for one in shelf.entries()]
        return [gradio.update(choices=found), gradio.update(choices=[("(none)", ""), *found])]

    def opened(first: str | None, second: str | None) -> list[Any]:
        nothing = gradio.update(value=None, interactive=False)
        if not first:
            hint = status("Choose an explanation first.") if second else ""
            return [hint, "", nothing, nothing]
        try:
            entry = shelf.entry(first)
            files = [
                gradio.update(value=str(p), interactive=True) for p in (entry.json, entry.html)
            ]
            shown = entry.page()
        except SpexError as error:
            return [status(str(error), is_error=True), "", nothing, nothing]
        if not second:
            return ["", frame(shown), *files]
        try:
            told, shown = _difference(entry, shelf.entry(second))
        except SpexError as error:  # still show the first one
            return [status(f"Not compared: {error}", is_error=True), frame(shown), *files]
        return [status(told), frame(shown), *files]

    with gradio.Row():
        first = gradio.Dropdown([], label="Explanation", value=None, min_width=300)
        second = gradio.Dropdown([], label="Compare with", value=None, min_width=300)
    with gradio.Row():
        files = [
            gradio.DownloadButton(f"Download {what}", interactive=False, size="sm", min_width=140)
            for what in ("JSON", "page")
        ]
    agreement = gradio.HTML(elem_id="agreement")
    view = gradio.HTML()
    gradio.on(
        [first.change, second.change],
        opened,
        [first, second],
        [agreement, view, *files],
        show_progress="hidden",
        trigger_mode="always_last",  # one at a time, so that the last choice is what is shown
    )
    page.load(choices, None, [first, second], show_progress="hidden")
    refreshed.change(choices, None, [first, second], show_progress="hidden")


def _difference(first: Entry, second: Entry) -> tuple[str, str]:
    """What two explanations have in common, in a sentence or two, and the page of their difference.

    Raises:
        ArgumentError: there is nothing to compare.
        FileFormatError: a file is damaged.
    """
    one, other = load(first.json), load(second.json)
    names = [short(one.about, _NAME) for one in (first, second)]
    if names[0] == names[1]:  # tell them apart by the time they were made
        names = [first.title, second.title]
    page = comparisons_page(compared((one, other), distinct(names)))
    if not isinstance(one, Explanation) or not isinstance(other, Explanation):
        return "", page
    said = f"{facts.fidelity_short(one)} and {facts.fidelity_short(other)}."
    if one.n_features != other.n_features:
        return f"{said} They have {one.n_features} and {other.n_features} units.", page
    from spex.evaluate.measures.agreement import agreement

    found = agreement(one, other)
    told = (
        f"{said} Over all combinations of units they correlate with {found.correlation:.2f}; the "
        f"overlap of their {found.k} largest interactions is {percent(found.overlap)}."
    )
    return told, page
