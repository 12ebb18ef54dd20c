"""The result of each item: a line of a journal, a row of a table."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations
from spex.wording import one_line, shorten

OK, PARTIAL, FAILED, LEFT = "ok", "partial", "failed", "not explained"
_KEPT = 20  # most interactions per output in a record
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Output:
    """A summary of an explanation of one output.

    Args:
        output: Its name; empty if there is one.
        n_features: n.
        n_evaluations: Distinct masks evaluated.
        method: The method that made the spectrum.
        r2: See `Explanation.r2`; None if unknown.
        r2_low: Lower end of its 90 % interval.
        r2_high: Upper end.
        whole: The value with all features; None if not evaluated.
        nothing: The value with none.
        score: What is measured.
        answer: The answer that is explained.
        orders: Share of the surrogate's variance in interactions of order 1, 2, ...
        top: (labels, value) of the largest interactions, the largest first.
    """

    output: str
    n_features: int
    n_evaluations: int
    method: str
    r2: float | None
    r2_low: float | None
    r2_high: float | None
    whole: float | None
    nothing: float | None
    score: str | None
    answer: str | None
    orders: tuple[float, ...]
    top: tuple[tuple[tuple[str, ...], float], ...]

    @classmethod
    def of(cls, name: str, one: Explanation) -> "Output":
        """The facts of an explanation."""
        r2, low, high = (None if math.isnan(x) else float(x) for x in (one.r2, *one.r2_interval))
        values = one.interactions()
        top = [(key, value) for key, value in values.items() if key and value][:_KEPT]
        return cls(
            output=name,
            n_features=one.n_features,
            n_evaluations=one.n_evaluations,
            method=one.method,
            r2=r2,
            r2_low=low,
            r2_high=high,
            whole=one.observed[0],
            nothing=one.observed[1],
            score=one.context.score,
            answer=one.context.answer,
            orders=_orders(one),
            top=tuple((tuple(one.features[i] for i in key), float(value)) for key, value in top),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Output":
        """Undo `asdict`."""
        top = tuple((tuple(labels), value) for labels, value in content["top"])
        return cls(**{**content, "orders": tuple(content["orders"]), "top": top})


def _orders(one: Explanation) -> tuple[float, ...]:
    squares = np.zeros(one.n_features + 1)
    for key, value in one.spectrum.items():
        squares[len(key)] += value * value
    squares = np.trim_zeros(squares[1:], "b")
    total = squares.sum()
    return tuple((squares / total).tolist()) if total > 0 else ()


@dataclass(frozen=True)
class Record:
    """The result of one item.

    Args:
        name: Name of the item.
        status: "ok"; "partial" where a limit or Ctrl-C stopped it; "failed"; or "not explained"
            where the run ended before it had enough values.
        key: Changes with the settings and with anything that changes a value; None if the value
            function has no identity.
        reason: Why it is not explained; empty if it is.
        file: Name of the file of the explanation in the folder; None if none is written.
        seconds: Time from its first mask to its explanation, including work on other items.
        outputs: One for each output.
    """

    name: str
    status: str
    key: str | None
    reason: str = ""
    file: str | None = None
    seconds: float = 0.0
    outputs: tuple[Output, ...] = ()

    @property
    def is_explained(self) -> bool:
        """Whether there is an explanation."""
        return self.status in (OK, PARTIAL)

    @classmethod
    def of(
        cls,
        name: str,
        key: str | None,
        found: Explanation | Explanations,
        file: str | None,
        seconds: float,
        status: str = OK,
    ) -> "Record":
        """The record of an explanation."""
        pairs = [("", found)] if isinstance(found, Explanation) else list(found.items())
        outputs = tuple(Output.of(output, one) for output, one in pairs)
        return cls(name, status, key, "", file, seconds, outputs)

    @classmethod
    def failure(cls, name: str, error: BaseException, seconds: float = 0.0) -> "Record":
        """The record of an item that could not be explained."""
        text = one_line(str(error)) or "no message"
        reason = shorten(f"{type(error).__name__}: {text}", _LONGEST_REASON)
        return cls(name, FAILED, None, reason, None, seconds)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Record":
        """Undo `asdict`."""
        outputs = tuple(map(Output.from_json, content["outputs"]))
        return cls(**{**content, "outputs": outputs})

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table: one for each output, or one with the reason if there are none."""
        head = {"item": self.name, "status": self.status, "reason": self.reason}
        for one in self.outputs or (None,):
            row: dict[str, Any] = {**head, "file": self.file, "seconds": self.seconds}
            for field in fields(Output):
                if field.name not in ("top", "orders"):
                    row[field.name] = None if one is None else getattr(one, field.name)
            strongest = one.top[0] if one is not None and one.top else None
            row["strongest"] = None if strongest is None else " + ".join(strongest[0])
            yield {**row, "value": None if strongest is None else strongest[1]}


def file_of(name: str) -> str:
    """The file of an item's explanation; different for different names."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "item"
    return f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"


class Journal:
    """The records of a folder, one line of JSON each; the last of a name counts.

    Args:
        path: The file; None to keep none.

    Raises:
        ArgumentError: the file cannot be read or written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._is_torn = False  # whether the last line is incomplete
        self.records: dict[str, Record] = {}
        if path is None or not path.exists():
            return
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(f"cannot read {path}: {error}; give another folder") from error
        self._is_torn = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            # A killed process may leave an incomplete line.
            with suppress(ValueError, TypeError, KeyError):
                record = Record.from_json(json.loads(line))
                self.records[record.name] = record

    def add(self, record: Record) -> None:
        """Keep a record."""
        self.records.pop(record.name, None)
        self.records[record.name] = record
        if self._path is not None:
            line = json.dumps(asdict(record), ensure_ascii=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(("\n" if self._is_torn else "") + line + "\n")
            self._is_torn = False
