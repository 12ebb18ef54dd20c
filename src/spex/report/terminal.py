"""An explanation in a terminal: rich renderables that also work narrow and without colour."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from spex.errors import ArgumentError
from spex.inputs.parts import ImagePart, TextPart
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.report import facts
from spex.report.colours import colours_of
from spex.report.folding import folds, head_and_size
from spex.wording import percent

if TYPE_CHECKING:
    from spex.explanation import Explanation

# The background of the terminal is unknown. The two weak steps colour the letters in a tone that is
# legible on black and on white. The strong steps set their own background.
_POSITIVE = ("", "#e8336a", "bold #e8336a", "black on #ff8fb0", "bold black on #ff5c8d")
_NEGATIVE = ("", "#3b82f6", "bold #3b82f6", "black on #8fbcf5", "bold black on #5b9df0")
_FLAT = ("", "", "bold", "black on #c0c4ca", "bold black on #a0a5ac")
_STEPS = (0.08, 0.25, 0.5, 0.75)
_BAR_WIDTH = 12
_NARROW = 56


def view(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 15,
) -> RenderableType:
    """The text coloured by the values of its units, the k largest interactions and a summary.

    Args:
        explanation: The explanation.
        index: Index of the table; None for what suits (`Explanation.interactions`).
        order: Highest order of the table; see `spex.interactions.values.interactions`.
        k: Rows of the table.

    Raises:
        ArgumentError: the index or the order is wrong.
    """
    if k < 0:
        raise ArgumentError(f"top={k} is negative; use 0 or more rows")
    values = explanation.interactions(index, order)
    blank = Text()
    parts: list[RenderableType] = [Units(explanation, values), blank]
    if k:
        parts += [InteractionTable(explanation, values, k), blank]
    return Group(*parts, summary(explanation))


def summary(explanation: "Explanation") -> Text:
    """R2 now and to expect, cost, method and model, and the notes."""
    lines = [Text(facts.fidelity(explanation))]
    caution = facts.caution(explanation)
    if caution is not None:
        lines.append(Text(caution, style="yellow"))
    forecast = facts.forecast(explanation)
    if forecast is not None:
        lines.append(Text(forecast))
    whole, nothing = facts.ends(explanation)
    lines.append(Text(f"Everything kept: {whole}; nothing kept: {nothing}"))
    parts = [facts.cost(explanation), f"method {facts.one_line(explanation.method)}"]
    for key in ("model", "score", "answer"):
        value = facts.score(explanation) if key == "score" else facts.context_text(explanation, key)
        if value is not None:
            parts.append(f"{key} {facts.short(value, 60)}")
    lines.append(Text("; ".join(parts), style="dim"))
    lines += [Text(f"Note: {facts.one_line(note)}", style="yellow") for note in explanation.notes]
    return Text("\n").join(lines)


class Units:
    """The input, or the labels, coloured by the values of its units; signs without colour."""

    def __init__(self, explanation: "Explanation", values: InteractionValues) -> None:
        self._colours = colours_of(values, explanation.n_features)
        self._name = facts.heading(values)
        self._unit = facts.unit_of_score(explanation)
        parts = facts.parts(explanation)
        if parts is None:
            labels: list[tuple[str, int | None]] = []
            for number, label in enumerate(facts.labels(explanation)):
                labels += [(label, number), ("  ", None)]
            parts = (TextPart(tuple(labels)),)
        self._parts = parts
        self._folds = folds(parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Render; called by rich."""
        colour = console.color_system is not None and not console.no_color
        for number, part in enumerate(self._parts):
            if number:
                yield Text()
            if part.heading is not None:
                yield Text(part.heading, style="bold underline" if colour else "")
            if isinstance(part, ImagePart):
                yield self._map(part, colour)
            else:
                yield self._text(part, colour)
        if self._colours.largest:
            yield Text()
            yield self._legend(colour)

    def _text(self, part: TextPart, colour: bool) -> Text:
        text = Text()
        for string, feature in part.pieces:
            head, size = head_and_size(string) if self._folds else ("", "")
            string = f"{head} ({size})" if head else string
            if feature is None:
                text.append(string, style="dim" if string.strip() else "")
            elif colour:
                text.append(string, style=self._style(feature))
            else:
                text.append(string + self._sign(feature))
        return text

    def _map(self, part: ImagePart, colour: bool) -> Text:
        """The regions of a picture as a map of signs; rows are as high as two columns are wide."""
        rows = []
        for cells in part.cells:
            row = Text()
            for feature in cells:
                if feature is None or self._step(feature) < 1:
                    row.append(".")
                    continue
                sign = "+" if self._colours.values[feature] > 0 else "-"
                row.append(sign, style=self._style(feature) if colour else "")
            rows.append(row)
        return Text("\n").join(rows)

    def _step(self, feature: int) -> int:
        return sum(self._colours.share(feature) >= step for step in _STEPS)

    def _style(self, feature: int) -> str:
        if not self._colours.has_direction:
            return _FLAT[self._step(feature)]
        is_positive = self._colours.values[feature] > 0
        return (_POSITIVE if is_positive else _NEGATIVE)[self._step(feature)]

    def _sign(self, feature: int) -> str:
        # Weak values get no sign, because a text full of signs is hard to read.
        sign = "+" if self._colours.values[feature] > 0 else "-"
        signs = sign * (self._step(feature) // 2)
        return f"[{signs}]" if signs else ""

    def _legend(self, colour: bool) -> Text:
        size = facts.signed(self._colours.largest).removeprefix("+")
        told = f"up to {size} {self._unit}".strip()
        text = Text(f"Single units ({self._name}): ", style="dim" if colour else "")
        if not self._colours.has_direction:
            return text.append(f"amplitude, {told}")
        if not colour:
            return text.append(f"[-] lowers, [+] raises the score, by {told}")
        text.append(" lowers ", style=_NEGATIVE[-1])
        text.append(" ")
        text.append(" raises ", style=_POSITIVE[-1])
        return text.append(f" the score, by {told}", style="dim")


class InteractionTable:
    """The k largest interactions; on narrow terminals only value and words."""

    def __init__(self, explanation: "Explanation", values: InteractionValues, k: int) -> None:
        self._explanation = explanation
        self._values = values
        self._top = values.top(k)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Render; called by rich."""
        if not self._top:
            yield Text(facts.nothing_listed(self._explanation))
            return
        unit = facts.unit_of_score(self._explanation)
        yield Text.assemble(
            (f"Interactions, {facts.heading(self._values)}", "bold"),
            f": {facts.MEANINGS[self._values.index]}{f', in {unit}' if unit else ''}",
        )
        yield Text()
        yield self._table(options.max_width < _NARROW, options.ascii_only)
        rest = facts.remainder(self._values, len(self._top))
        if rest is not None:
            yield Text(rest, style="dim")
        if any(facts.margin(self._values, interaction) for interaction, _ in self._top):
            sign = "+-" if options.ascii_only else "\N{PLUS-MINUS SIGN}"
            yield Text(f"{sign}: half the width of a 90 % interval", style="dim")
        doubt = facts.uncertain(self._values, len(self._top))
        basis = facts.basis(self._explanation, self._values.index)
        for told in (doubt, basis):
            if told is not None:
                yield Text(told, style="dim")

    def _table(self, narrow: bool, ascii_only: bool) -> Table:
        shares = facts.shares_of(self._explanation, self._values.index)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("value", justify="right", no_wrap=True)
        margins = [facts.margin(self._values, interaction) for interaction, _ in self._top]
        told = any(margin is not None for margin in margins)
        if told:
            table.add_column("+-" if ascii_only else "\N{PLUS-MINUS SIGN}", no_wrap=True)
        if not narrow:
            table.add_column("", no_wrap=True, width=_BAR_WIDTH)
            if shares:
                table.add_column("share", justify="right", no_wrap=True)
            table.add_column("order", justify="right", no_wrap=True)
        table.add_column("units", overflow="fold")
        largest = abs(self._top[0][1])
        coloured = facts.has_direction(self._values.index)
        labels = facts.labels(self._explanation)
        for (interaction, value), margin in zip(self._top, margins, strict=True):
            style = (_POSITIVE if value > 0 else _NEGATIVE)[1] if coloured else ""
            words = facts.joined(labels, interaction)
            cells: list[RenderableType] = [Text(facts.signed(value), style=style)]
            if told:
                mark = facts.UNCERTAIN if facts.is_uncertain(self._values, interaction) else ""
                cells.append(Text(f"{margin or ''} {mark}".rstrip(), style="dim"))
            if not narrow:
                cells.append(Text(_bar(abs(value) / largest, ascii_only), style=style))
                if shares:
                    cells.append(Text(percent(shares[interaction])))
                cells.append(Text(str(len(interaction)), style="dim"))
            table.add_row(*cells, Text(words))
        return table


def _bar(share: float, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * max(1, round(share * _BAR_WIDTH))
    full, eighths = divmod(max(1, round(share * _BAR_WIDTH * 8)), 8)
    # U+2588 is a full block, the seven characters after it are ever narrower ones.
    return "\u2588" * full + (chr(0x2590 - eighths) if eighths else "")
