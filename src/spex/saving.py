"""What is saved as versioned JSON, and how a file that anybody may have written is read.

Each value of a file is checked where it is used; what is wrong is told with its place.
"""

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from spex._typing import FloatArray
from spex.errors import FileFormatError
from spex.files import read_json, write_json

REMEDY = "take an undamaged copy, or make it again"
# What a file of each format holds, and what reads it.
_READERS = {
    "spex-explanation": ("one explanation", "Explanation.load"),
    "spex-explanations": ("explanations of several outputs", "Explanations.load"),
    "spex-zoom": ("an explanation on two levels", "Zoom.load"),
}
_MANY, _LARGEST = 1 << 62, 1e300
T = TypeVar("T", bound="Saved")


@dataclass(frozen=True, slots=True)
class Found:
    """A value of a file.

    Args:
        value: JSON content.
        place: Where it stands, such as `outputs['yes'].r2`; empty for the whole.
    """

    value: Any
    place: str = ""

    def error(self, expected: str) -> FileFormatError:
        """The error that says that the value is not what was expected."""
        try:
            shown = reprlib.repr(self.value)
        except ValueError:  # an integer of thousands of digits
            shown = "a very long integer"
        where = f" at {self.place}" if self.place else ""
        return FileFormatError(f"damaged{where}: {shown} is not {expected}; {REMEDY}")

    def items(self) -> "Iterator[tuple[str, Found]]":
        """The entries of an object."""
        if not isinstance(self.value, Mapping):
            raise self.error("an object")
        return ((str(k), Found(v, f"{self.place}[{k!r:.40}]")) for k, v in self.value.items())

    def __getitem__(self, name: str) -> "Found":
        if not isinstance(self.value, Mapping):
            raise self.error("an object")
        place = f"{self.place}.{name}" if self.place else name
        if name not in self.value:
            raise FileFormatError(f"damaged: it lacks {place}; {REMEDY}")
        return Found(self.value[name], place)

    def get(self, name: str, default: Any = None) -> "Found":
        """A field of an object; the default if it is missing."""
        if isinstance(self.value, Mapping) and name not in self.value:
            return Found(default, name)
        return self[name]

    def list(self, least: int = 0, most: int = _MANY) -> "list[Found]":
        """The entries of a list."""
        self._check_length(least, most)
        return [Found(entry, f"{self.place}[{i}]") for i, entry in enumerate(self.value)]

    def _check_length(self, least: int, most: int) -> None:
        if not isinstance(self.value, list | tuple):
            raise self.error("a list")
        if not least <= len(self.value) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most:,}"
            raise FileFormatError(
                f"damaged at {self.place}: it has {len(self.value):,} entries, and should have "
                f"{wanted}; {REMEDY}"
            )

    def read_as(self, kind: "type[T]") -> "T":
        """Something saved inside something else."""
        try:
            return kind.from_dict(self.value)
        except FileFormatError as error:
            raise FileFormatError(f"{self.place}: {error}") from None

    def text(self) -> str:
        """A text."""
        if not isinstance(self.value, str):
            raise self.error("a text")
        return self.value

    def one_of(self, names: Sequence[str]) -> str:
        """One of these texts."""
        if self.text() not in names:
            raise self.error(f"one of {', '.join(names)}")
        return self.text()

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value

    def texts(self, least: int = 0, most: int = _MANY) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(entry.text() for entry in self.list(least, most))

    def number(self, least: float = -math.inf, most: float = math.inf) -> float:
        """A finite number within bounds."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error("a number")
        # An integer may be too large for a float.
        if not (abs(value) <= _LARGEST and least <= value <= most):
            bounds = f" from {least:g}" * (least > -math.inf) + f" up to {most:g}" * (
                most < math.inf
            )
            raise self.error(f"a finite number{bounds}")
        return float(value)

    def numbers(self, count: int, least: float = -math.inf) -> FloatArray:
        """(count,) finite numbers."""
        self._check_length(count, count)
        for number, entry in enumerate(self.value):
            # There may be a million entries, so make no object for a valid one.
            if type(entry) is not float or not max(least, -_LARGEST) <= entry <= _LARGEST:
                Found(entry, f"{self.place}[{number}]").number(least)
        return np.array(self.value, dtype=np.float64)

    def number_or_none(self, least: float = -math.inf, most: float = math.inf) -> float | None:
        """A finite number within bounds, or null."""
        return None if self.value is None else self.number(least, most)

    def whole(self, least: int = 0, most: int = _MANY) -> int:
        """A whole number within bounds."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            upper = f"{most:,}" if most <= _MANY else f"2^{most.bit_length() - 1}"
            raise self.error(f"a whole number from {least} to {upper}")
        return value


class Saved(ABC):
    """A base of what is saved as versioned JSON."""

    FORMAT: ClassVar[str]
    FORMAT_VERSION: ClassVar[int | None]

    def to_dict(self) -> dict[str, Any]:
        """The JSON content; `from_dict` undoes it."""
        versions = {} if self.FORMAT_VERSION is None else {"format_version": self.FORMAT_VERSION}
        return {"format": self.FORMAT, **versions, **self._content()}

    @classmethod
    def from_dict(cls, content: object) -> Self:
        """Undo `to_dict`.

        Raises:
            FileFormatError: it is something else, is damaged, or of a version that this spex does
                not know.
        """
        kind = format_of(content)
        if kind != cls.FORMAT:
            if kind in _READERS:
                raise FileFormatError(
                    f"it holds {_READERS[kind][0]}; read it with spex.{_READERS[kind][1]}"
                )
            raise FileFormatError(
                f'no explanation of spex: it lacks "format": "{cls.FORMAT}"; give a file that spex '
                "saved"
            )
        found = Found(content)
        version = found.get("format_version")
        if version.value != cls.FORMAT_VERSION or isinstance(version.value, bool):
            raise FileFormatError(
                f"format version {reprlib.repr(version.value)}; this spex reads version "
                f"{cls.FORMAT_VERSION or 'null'}: use the spex that wrote it"
            )
        return cls._read(found)

    def save(self, path: str | Path) -> None:
        """Write versioned JSON; the file is replaced as a whole or not at all.

        Raises:
            ArgumentError: the file cannot be written there, or would be too large to be read.
        """
        write_json(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            FileFormatError: the file cannot be read as what it should be.
        """
        return cls.of_file(path, read_json(Path(path)))

    @classmethod
    def of_file(cls, path: str | Path, content: object) -> Self:
        """`from_dict` of the content of a file, which errors name."""
        try:
            return cls.from_dict(content)
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from None

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """The fields beside format and version."""

    @classmethod
    @abstractmethod
    def _read(cls, found: Found) -> Self:
        """Read what `_content` gave."""


def format_of(content: object) -> str | None:
    """The name of the format of JSON content; None if it has none."""
    kind = content.get("format") if isinstance(content, Mapping) else None
    return kind if isinstance(kind, str) else None
