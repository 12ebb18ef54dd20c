"""Rows of a file or of a data set by name."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.wording import shorten

Row = Mapping[str, Any]

HUB = "datasets:"
_SPLIT = "train"
_SAVED = ("state.json", "dataset_dict.json")  # written by `save_to_disk` of `datasets`
_DROP_KEYS = {"passage", "qa_pairs"}


def read_rows(data: str) -> list[Row]:
    """All rows of a data file or of a data set.

    Args:
        data: A file: .jsonl (an object on each line), .json (a list of objects, or passages of
            DROP by their name) or .csv (with a header). Or "datasets:NAME" or
            "datasets:NAME:SPLIT", a data set of the Hugging Face hub or a local folder (of files or
            of `save_to_disk`), read by the package `datasets`; SPLIT is "train" by default.

    Raises:
        ArgumentError: it cannot be read as rows.
        BackendError: the data set cannot be had.
        MissingExtraError: the package `datasets` is not installed.
    """
    return [row for _, row in located_rows(data)]


def located_rows(data: str) -> list[tuple[str, Row]]:
    """All rows, as `read_rows` says, each with its place: "line 3" or, from 0, "row 2".

    The field `image` of a file names a picture beside it; its folder is put before.

    Raises:
        ArgumentError: see `read_rows`.
        BackendError: see `read_rows`.
        MissingExtraError: see `read_rows`.
    """
    rows: list[tuple[str, Row]] = []
    for place, row in rows_or_errors(data):
        if isinstance(row, ArgumentError):
            raise row
        rows.append((place, row))
    return rows


def rows_or_errors(data: str) -> list[tuple[str, Row | ArgumentError]]:
    """All rows, as in `located_rows`. A row that is not an object is replaced by its error.

    Raises:
        ArgumentError: the data cannot be read as rows, or none of them is an object.
        BackendError: see `read_rows`.
        MissingExtraError: see `read_rows`.
    """
    if data.startswith(HUB):
        return [(f"row {i}", row) for i, row in enumerate(_of_hub(data.removeprefix(HUB)))]
    path = Path(data)
    if path.is_dir():
        raise ArgumentError(f"{data}: is a folder; give a file in it, or {HUB}{data}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ArgumentError(f"{data}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{data}: is not UTF-8 (byte {error.start}); convert it") from error
    rows = [(place, _with_picture(row, path.parent)) for place, row in _rows_in(text, path)]
    if not rows:
        raise ArgumentError(f"{data}: holds no rows")
    errors = [row for _, row in rows if isinstance(row, ArgumentError)]
    if len(errors) == len(rows):
        raise errors[0]
    return rows


def _with_picture(row: Row | ArgumentError, folder: Path) -> Row | ArgumentError:
    if isinstance(row, ArgumentError):
        return row
    picture = row.get("image")
    if not isinstance(picture, str) or not picture:
        return row
    return {**row, "image": str(folder / picture)}


def _rows_in(text: str, path: Path) -> Iterator[tuple[str, Row | ArgumentError]]:
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        for cells in reader:
            yield f"line {reader.line_num}", cells
    elif path.suffix == ".jsonl":
        # Not splitlines: a text may hold separators of lines that JSON does not escape.
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                place = f"line {number}"
                where = f"{path}, {place}"
                yield place, _or_error(_line, line, where)
    elif path.suffix == ".json":
        content = _json(text, str(path))
        if isinstance(content, dict):
            for number, row in enumerate(_of_drop(content, path)):
                yield f"row {number}", row
            return
        if not isinstance(content, list):
            raise ArgumentError(f"{path}: holds no list; write a JSON list of objects")
        for number, row in enumerate(content):
            where = f"{path}, row {number}"
            yield f"row {number}", _or_error(_object, row, where)
    else:
        raise ArgumentError(
            f"{path}: is no .jsonl, .json or .csv; give one of these, or {HUB}NAME for a data set "
            "of the Hugging Face hub"
        )


def _line(text: str, where: str) -> Row:
    return _object(_json(text, where), where)


def _or_error(read: Callable[[Any, str], Row], what: Any, where: str) -> Row | ArgumentError:
    try:
        return read(what, where)
    except ArgumentError as error:
        return error


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        # If only one line of a file was parsed, the error's line number is not that of the file.
        line = f"line {error.lineno}, " if "\n" in text.strip() else ""
        what = f"{error.msg}, {line}column {error.colno}"
        raise ArgumentError(f"{where}: is not JSON ({what}); correct or remove it") from None
    except (ValueError, RecursionError) as error:  # such as an integer of thousands of digits
        raise ArgumentError(f"{where}: is not JSON ({error})") from None


def _object(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise ArgumentError(f"{where}: {shorten(repr(value))} is no object; write {{...}}")
    return value


def _of_drop(passages: Mapping[str, Any], path: Path) -> Iterator[Row]:
    """A row for each question of the public files of DROP (Dua et al. 2019)."""
    for passage in passages.values():
        if not isinstance(passage, dict) or not _DROP_KEYS <= set(passage):
            raise ArgumentError(
                f"{path}: is a JSON object, but no passages of DROP (objects with the keys "
                "'passage' and 'qa_pairs'); write a JSON list of objects"
            )
        for pair in passage["qa_pairs"]:
            yield {**pair, "passage": passage["passage"]}


def _saved(found: Any, split: str) -> Any:
    """One split of data that `save_to_disk` of `datasets` has written."""
    if not isinstance(found, dict):
        if split:
            raise ValueError(f"holds no splits; leave :{split} out")
        return found
    split = split or _SPLIT
    if split not in found:
        raise ValueError(f"holds no split {split!r}, but {', '.join(found)}")
    return found[split]


def _of_hub(name: str) -> list[Row]:
    datasets = require("datasets", "evaluate")
    path, _, split = name.partition(":")
    if not path:
        raise ArgumentError(f"{HUB}: names no data set; write {HUB}NAME or {HUB}NAME:SPLIT")
    try:
        if any((Path(path) / saved).is_file() for saved in _SAVED):
            found = _saved(datasets.load_from_disk(path), split)
        else:
            found = datasets.load_dataset(path, split=split or _SPLIT)
    except ValueError as error:  # an unknown split or configuration
        raise ArgumentError(f"{HUB}{name}: {shorten(str(error), 200)}") from error
    except Exception as error:  # a hub that cannot be reached, a folder without data
        raise BackendError(f"{HUB}{name} cannot be read: {shorten(str(error), 200)}") from error
    labels = {
        column: feature.names
        for column, feature in found.features.items()
        if hasattr(feature, "names")
    }
    return [
        {key: labels[key][value] if key in labels and value is not None and value >= 0 else value
         for key, value in row.items()}
        for row in found
    ]  # fmt: skip
