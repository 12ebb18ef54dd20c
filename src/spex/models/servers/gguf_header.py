"""The metadata of a GGUF file: its chat template and special tokens.

The format is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 2 or 3.
The package gguf reads it as well, but takes seconds for a vocabulary.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from spex.errors import BackendError

MAGIC = b"GGUF"
# Numbers by the type's number: u8, i8, u16, i16, u32, i32, f32, bool, and u64, i64, f64.
_NUMBERS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata, by key.

    Raises:
        BackendError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it does not begin with the letters GGUF")
            _, _, count = struct.unpack("<IQQ", file.read(20))
            return {_text(file): _value(file, _number(file, "I")) for _ in range(count)}
    except (OSError, ValueError, KeyError, struct.error, MemoryError, OverflowError) as error:
        raise BackendError(f"the metadata of {path} cannot be read: {error}") from error


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        inner, count = _number(file, "I"), _number(file, "Q")
        return [_value(file, inner) for _ in range(count)]
    return _number(file, _NUMBERS[kind])


def _number(file: BinaryIO, code: str) -> Any:
    form = f"<{code}"
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _text(file: BinaryIO) -> str:
    # A token need not be a whole character.
    return file.read(_number(file, "Q")).decode(errors="replace")
