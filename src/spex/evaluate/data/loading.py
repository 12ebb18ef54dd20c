"""From a data file to items."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from spex.errors import ArgumentError
from spex.evaluate.data.formats import FORMATS, Reading, detect, name_of
from spex.evaluate.data.rows import HUB, Row, located_rows
from spex.evaluate.data.subject import Model, Subject
from spex.evaluate.items import Item
from spex.wording import counted, did_you_mean


def read_items(
    data: str | Path,
    model: str | Model,
    *,
    format: str | None = None,
    items: int | Sequence[int] | None = None,
    lengths: tuple[int, int] | None = None,
    reading: Reading | None = None,
    check: Callable[[Item], None] = lambda _: None,
    notice: Callable[[str], None] | None = None,
) -> list[Item]:
    """Read items from a file of data.

    Rows that cannot be read as the format, such as those of a single unit, are left out.

    Args:
        data: A .jsonl, .json or .csv file, or "datasets:NAME:SPLIT"; see
            `spex.evaluate.data.rows.read_rows`. No two rows used may have the same name.
        model: Name of the model; see `spex.models.load`. Or "predict:MODULE:FUNCTION".
        format: "reviews", "hotpotqa", "drop", "puzzles" or "jsonl" (the fields that
            `docs/evidence.md` lists); default: what the first row looks like.
        items: How many, spread evenly over their lengths; or the numbers of rows, from 0. Default:
            all.
        lengths: Least and most number of features.
        reading: Unit, prompt, score and so on; default: those of the format.
        check: Raises `ArgumentError` for an item that will not do either, such as the `check` of a
            measure.
        notice: Is told in a line how many rows are left out, if any are. Default: a warning, but
            for what `lengths` leaves out.

    Raises:
        ArgumentError: the data cannot be read, or nothing is left; the first reason is told.
        BackendError: a data set of the hub cannot be had.
        MissingExtraError: the package `datasets` is not installed.
    """
    if format is not None and format not in FORMATS:
        close = did_you_mean(format, FORMATS)
        raise ArgumentError(f"format {format!r} is unknown{close}; use {', '.join(FORMATS)}")
    located = located_rows(str(data))
    rows = [row for _, row in located]
    named = model if isinstance(model, Model) else Model(model)
    reading = reading or Reading(predicts=named.predicts)
    chosen = range(len(rows)) if items is None or isinstance(items, int) else items
    if outside := [number for number in chosen if not 0 <= number < len(rows)]:
        raise ArgumentError(f"item {outside[0]} of {data}: it has rows 0 to {len(rows) - 1}")
    name = format or detect(rows[0])
    found: list[Item] = []
    places: dict[str, int] = {}
    reasons: list[str] = []
    too_long_or_short = 0
    for number in chosen:
        try:
            item = _item(rows[number], number, str(data), name, reading, named)
            if lengths is not None and not lengths[0] <= item.n_features <= lengths[1]:
                too_long_or_short += 1
                continue
            check(item)
        except ArgumentError as error:
            reasons.append(str(error))
        else:
            if (first := places.setdefault(item.name, number)) != number:
                raise ArgumentError(
                    f"{data}, {located[first][0]} and {located[number][0]}: both rows are called "
                    f"{item.name!r}; give each its own name"
                )
            found.append(item)
    told = _left_out(len(chosen), reasons, too_long_or_short, lengths)
    if not found:
        if reasons and len(reasons) == len(chosen) == 1:
            raise ArgumentError(reasons[0])
        hint = "; widen --lengths" if too_long_or_short else ""
        raise ArgumentError(f"{data}: nothing is left: {told}{hint}")
    if notice is not None and told:
        notice(told)
    elif reasons:
        warnings.warn(told, stacklevel=2)
    return spread(found, items) if isinstance(items, int) else found


def _left_out(
    total: int, reasons: Sequence[str], too_long_or_short: int, lengths: tuple[int, int] | None
) -> str:
    """How many rows are left out and why, in words; empty if none is."""
    parts = []
    if too_long_or_short:
        assert lengths is not None
        parts.append(f"{too_long_or_short:,} not of {lengths[0]} to {lengths[1]} units")
    if reasons:
        parts.append(f"{len(reasons):,} cannot be used (the first: {reasons[0]})")
    if not parts:
        return ""
    count = len(reasons) + too_long_or_short
    return f"{count:,} of {counted(total, 'row')} left out: {', '.join(parts)}"


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Choose this many items, evenly spread over their numbers of features.

    Raises:
        ArgumentError: the count is not positive.
    """
    if count < 1:
        raise ArgumentError(f"items={count}; give at least 1")
    if count >= len(items):
        return list(items)
    by_length = sorted(range(len(items)), key=lambda number: items[number].n_features)
    # Split the items into `count` parts of equal size, and take the middle of each.
    places = (2 * np.arange(count) + 1) * len(items) // (2 * count)
    return [items[number] for number in sorted(by_length[place] for place in places)]


def _item(row: Row, number: int, data: str, format: str, reading: Reading, model: Model) -> Item:
    try:
        parsed = FORMATS[format](row, reading)
    except ArgumentError as error:
        raise ArgumentError(f"{data}, row {number} as {format}: {error}") from error
    subject = Subject(parsed.masker, parsed.score, model)
    return Item(name_of(row, number), parsed.masker.n_features, subject, parsed.annotated)


def is_file(data: str) -> bool:
    """Whether data is a file, not a data set of the hub."""
    return not data.startswith(HUB)
