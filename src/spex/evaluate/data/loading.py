"""From a data file to items."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from spex.errors import ArgumentError
from spex.evaluate.data.formats import FORMATS, Reading, detect, name_of
from spex.evaluate.data.rows import HUB, Row, read_rows
from spex.evaluate.data.subject import Model, Subject
from spex.evaluate.items import Item


def read_items(
    data: str | Path,
    model: str | Model,
    *,
    format: str | None = None,
    items: int | Sequence[int] | None = None,
    lengths: tuple[int, int] | None = None,
    reading: Reading | None = None,
) -> list[Item]:
    """Read items from a file of data.

    Args:
        data: A .jsonl, .json or .csv file, or "datasets:NAME:SPLIT"; see `read_rows`.
        model: Name of the model; see `spex.models.load`. Or "predict:MODULE:FUNCTION".
        format: "reviews", "hotpotqa", "drop", "puzzles" or "jsonl" (the fields that
            `docs/evidence.md` lists); default: what the first row looks like.
        items: How many, spread evenly over their lengths; or the numbers of rows, from 0. Default:
            all.
        lengths: Least and most number of features.
        reading: Unit, prompt, score and so on; default: those of the format.

    Raises:
        ArgumentError: the data cannot be read as the format, or nothing is left.
        BackendError: a data set of the hub cannot be had.
        MissingExtraError: the package `datasets` is not installed.
    """
    if format is not None and format not in FORMATS:
        raise ArgumentError(f"format {format!r} is unknown; use {', '.join(FORMATS)}")
    rows = read_rows(str(data))
    named = model if isinstance(model, Model) else Model(model)
    reading = reading or Reading(predicts=named.predicts)
    chosen = range(len(rows)) if items is None or isinstance(items, int) else items
    if outside := [number for number in chosen if not 0 <= number < len(rows)]:
        raise ArgumentError(f"item {outside[0]} of {data}: it has rows 0 to {len(rows) - 1}")
    name = format or detect(rows[0])
    found = list(_items(rows, chosen, str(data), name, reading, named))
    if lengths is not None:
        least, most = lengths
        found = [item for item in found if least <= item.n_features <= most]
    if not found:
        raise ArgumentError(f"{data}: no row has a length from {lengths}; widen --lengths")
    return spread(found, items) if isinstance(items, int) else found


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """So many items, evenly spread over their numbers of features.

    Raises:
        ArgumentError: the count is not positive.
    """
    if count < 1:
        raise ArgumentError(f"items={count}; give at least 1")
    if count >= len(items):
        return list(items)
    by_length = sorted(range(len(items)), key=lambda number: items[number].n_features)
    # The middles of as many parts of equal size.
    places = (2 * np.arange(count) + 1) * len(items) // (2 * count)
    return [items[number] for number in sorted(by_length[place] for place in places)]


def _items(
    rows: Sequence[Row],
    chosen: Sequence[int],
    data: str,
    format: str,
    reading: Reading,
    model: Model,
) -> Iterator[Item]:
    for number in chosen:
        where = f"{data}, row {number}"
        try:
            parsed = FORMATS[format](rows[number], reading)
        except ArgumentError as error:
            raise ArgumentError(f"{where} as {format}: {error}") from error
        subject = Subject(parsed.masker, parsed.score, model)
        yield Item(
            name_of(rows[number], number), parsed.masker.n_features, subject, parsed.annotated
        )


def is_file(data: str) -> bool:
    """Whether data is a file, and no data set of the hub."""
    return not data.startswith(HUB)
