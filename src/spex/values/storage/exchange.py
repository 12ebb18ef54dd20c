"""Sample stores as CSV and JSON Lines, for other programs and other machines."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, TypeAlias

import numpy as np

from spex.errors import ArgumentError, FileFormatError
from spex.files import followed, is_stream, unwritten, write_text
from spex.values.storage.care import opened, removed_if_empty
from spex.values.storage.merging import Merged, merge
from spex.values.storage.schema import VALID
from spex.values.store import Store
from spex.wording import counted, shorten

COLUMNS = ("function", "mask", "value")
_AT_ONCE = 10_000  # rows that are read before they are written
_MAGIC = b"SQLite format 3\0"
_IS_CSV, _IS_STORE = ".csv", (".sqlite", ".db")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")

# Stricter than Python's float, which also takes underscores and digits of any script.
_NUMBER = r"[ ]*[-+]?[0-9.]+([eE][-+]?[0-9]+)?[ ]*"

Sample: TypeAlias = tuple[str, bytes, float]  # identity of the function, packed mask, value
Answer: TypeAlias = tuple[str, str]  # request, answer


def export(path: Path, out: Path) -> None:
    """Write a store's contents to a file, without values that no function may return.

    Args:
        path: The store.
        out: A `.csv` with the columns function, mask and value; a `.sqlite` or `.db`, another
            store; or else JSON Lines, with the answers of models as well. A mask is hexadecimal:
            feature j is bit j % 8 of byte j // 8.

    Raises:
        ArgumentError: there is no such store, or the file cannot be written.
        BackendError: the disk of the file is full.
        StoreError: the store fails.
    """
    ending = out.suffix.lower()
    if ending in _COMPRESSED or str(out) == "-":
        raise ArgumentError(
            f"{out}: give a .csv, .sqlite or .jsonl, or /dev/stdout for JSON Lines; compress it "
            "afterwards"
        )
    if ending in _IS_STORE:
        with opened(path):
            pass
        merge(out, path)
        return
    if out.exists() and out.samefile(path):
        raise ArgumentError(f"{out} is the store itself; give another file")
    try:
        with opened(path) as connection, _replaced(out) as file:
            samples = connection.execute(
                "select identity, lower(hex(mask)), value from samples "
                f"join functions on function = id where {VALID} order by function, mask"
            )
            if ending == _IS_CSV:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(COLUMNS)
                writer.writerows((*names, repr(value)) for *names, value in samples)
            else:
                answers = connection.execute("select request, answer from answers")
                _write_lines(file, COLUMNS, samples)
                _write_lines(file, ("request", "answer"), answers)
    except OSError as error:
        raise unwritten(out, error) from error


def _write_lines(file: IO[str], names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    file.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


@contextmanager
def _replaced(path: Path) -> Iterator[IO[str]]:
    """A file that is written completely or not at all, readable only by its owner."""
    if is_stream(path):
        whole = io.StringIO(newline="")
        yield whole
        write_text(path, whole.getvalue())
        return
    path = followed(path)
    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=".spex-", delete=False
    ) as file:
        try:
            yield file
            file.close()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def import_from(path: Path, other: Path) -> Merged:
    """Copy what a file has into a store, which is made if there is none.

    What the store has already stays as it is.

    Args:
        path: The store.
        other: Another store, or what `export` wrote.

    Raises:
        ArgumentError: the file cannot be read, or is the store itself.
        FileFormatError: it is something else; the lines before the wrong one are kept.
        StoreError: a store failed.
    """
    try:
        with other.open("rb") as file:
            is_store = file.read(len(_MAGIC)) == _MAGIC or other.suffix.lower() in _IS_STORE
    except OSError as error:
        raise ArgumentError(f"cannot read {other}: {error.strerror}; give a file") from error
    if is_store:
        return merge(path, other)
    total, n_read = np.zeros(3, dtype=np.int64), 0
    rows_of = _csv_rows if other.suffix.lower() == _IS_CSV else _json_rows
    with removed_if_empty(path), Store(path) as store:
        chunk: list[Sample | Answer] = []
        try:
            with other.open(encoding="utf-8-sig", newline="") as file:
                for row in rows_of(file, other):
                    chunk.append(row)
                    n_read += 1
                    if len(chunk) == _AT_ONCE:
                        total += _keep(store, chunk)
                        chunk = []
        except (FileFormatError, UnicodeDecodeError) as error:
            what = str(error)
            if isinstance(error, UnicodeDecodeError):
                what = f"{other} is neither a store nor text in UTF-8"
            is_or_are = "is" if n_read == 1 else "are"
            kept = f"; {counted(n_read, 'row')} before it {is_or_are} kept" if n_read else ""
            raise FileFormatError(f"{what}{kept}") from None
        finally:  # keep what came before a wrong line
            total += _keep(store, chunk)
    values, answers, differing = total.tolist()
    return Merged(values, answers, differing)


def _keep(store: Store, rows: list[Sample | Answer]) -> tuple[int, int, int]:
    """Keep rows, in their order; see `Merged`."""
    new = answers = differing = 0
    kinds = groupby(rows, key=lambda row: (row[0], len(row[1])) if len(row) == 3 else None)
    for kind, group in kinds:
        if kind is None:
            for request, answer in group:  # type: ignore[misc]
                answers += store.get_answer(request) is None
                store.put_answer(request, answer)
            continue
        _, blobs, numbers = zip(*group, strict=True)
        masks = np.frombuffer(b"".join(blobs), dtype="<u8").reshape(len(blobs), -1)
        masks, first, place = np.unique(
            masks.astype(np.uint64), axis=0, return_index=True, return_inverse=True
        )
        values = np.array(numbers)[first]
        # Values of the same mask in this file.
        differing += int((values[place.ravel()] != numbers).sum())
        before = store.get(kind[0], masks)
        new += int(np.isnan(before).sum())
        differing += int((~np.isnan(before) & (before != values)).sum())
        store.put(kind[0], masks, values)
    return new, answers, differing


def _csv_rows(file: IO[str], where: Path) -> Iterator[Sample]:
    reader = csv.reader(_whole_lines(file, where))
    try:
        header = next(reader, [])
        if sorted(header) != sorted(COLUMNS):
            raise FileFormatError(
                f"{where}: its first line is {shorten(','.join(header))!r}; it should name the "
                f"columns {','.join(COLUMNS)}"
            )
        order = [header.index(name) for name in COLUMNS]
        for row in reader:
            place = f"{where}, line {reader.line_num}"
            if len(row) != len(COLUMNS):
                raise FileFormatError(f"{place}: {len(row)} cells, not {len(COLUMNS)}")
            function, mask, value = (row[column] for column in order)
            yield _sample(function, mask, value, place)
    except csv.Error as error:
        raise FileFormatError(f"{where}, line {reader.line_num}: {error}") from None


def _whole_lines(file: IO[str], where: Path) -> Iterator[str]:
    """Lines; a last one without an end may lack digits of its number.

    Raises:
        FileFormatError: the last line has no end.
    """
    for line in file:
        if not line.endswith(("\n", "\r")):
            raise FileFormatError(
                f"{where}: its last line has no line break, so that it may have been cut off; "
                "export it again, or add one if it is whole"
            )
        yield line


def _json_rows(file: IO[str], where: Path) -> Iterator[Sample | Answer]:
    for number, line in enumerate(file, 1):
        place = f"{where}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        match row:
            case {"function": function, "mask": mask, "value": value}:
                yield _sample(function, mask, value, place)
            case {"request": str(request), "answer": str(answer)}:
                yield request, answer
            case _:
                raise FileFormatError(
                    f"{place}: {shorten(line.strip())!r} is neither a value nor an answer of a "
                    "store; give a file that `spex store export` wrote"
                )


def _sample(function: object, mask: object, value: Any, place: str) -> Sample:
    """A row, checked.

    Raises:
        FileFormatError: it is no value of a mask.
    """
    try:
        is_written_oddly = isinstance(value, str) and re.fullmatch(_NUMBER, value) is None
        number, packed = math.nan if is_written_oddly else float(value), bytes.fromhex(str(mask))
    except (ValueError, TypeError, OverflowError):
        number, packed = math.nan, b""
    if (
        not isinstance(function, str)
        or not function
        or not packed
        or len(packed) % 8
        or isinstance(value, bool)
        or not abs(number) <= 1e100
    ):
        raise FileFormatError(
            f"{place}: {shorten(repr(value))} is no value of a mask of whole 64-bit words, "
            f"{shorten(repr(mask))}, of a function {shorten(repr(function))}"
        )
    return function, packed, number
