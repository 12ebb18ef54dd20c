"""Packed masks as keys of tables: looked up and written in bulk, in the order of the table."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import IntArray, WordArray

_AT_ONCE = 10_000  # keys per query, whose result is held in memory


@dataclass(frozen=True)
class Keys:
    """Keys in the order of the table: neighbours lie on one page, which is then read once.

    Args:
        order: (m,) the number of the mask of each key.
        masks: (m, n_words) uint64, little-endian, in that order.
    """

    order: IntArray
    masks: WordArray

    @classmethod
    def of(cls, masks: WordArray) -> "Keys":
        """Keys of (m, n_words) uint64 masks; the first of equal ones comes first."""
        little = np.ascontiguousarray(masks, dtype="<u8")
        # SQLite compares bytes from the first on, like big-endian numbers.
        order = np.lexsort(little.view(">u8").astype(np.uint64).T[::-1])
        return cls(order, little[order])

    def __len__(self) -> int:
        return len(self.order)

    def part(self, rows: IntArray) -> "Keys":
        """Those at some positions, which ascend."""
        return Keys(self.order[rows], self.masks[rows])

    def blobs(self) -> list[bytes]:
        """One bytes object for each key."""
        return self.masks.view(f"V{self._width}").ravel().tolist()

    @property
    def _width(self) -> int:
        return 8 * self.masks.shape[1]

    def matches(
        self, connection: sqlite3.Connection, table: str, column: str, *conditions: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """(position among the keys, column) of each key that a table has.

        Args:
            connection: To the store.
            table: With a column `mask`.
            column: The column to read.
            conditions: Further conditions (SQL, parameters ...).
        """
        wanted = " and ".join(sql for sql, *_ in conditions)
        given = [value for _, *values in conditions for value in values]
        # Pass all keys as one parameter: a statement for each, or a list of them, takes longer.
        query = f"""
            with recursive keys (at) as (
                values (0) union all select at + 1 from keys where at + 1 < ?
            )
            select at, {column} from keys cross join {table}
            on mask = substr(?, at * {self._width} + 1, {self._width}) and {wanted}
        """
        for start in range(0, len(self), _AT_ONCE):
            part = self.masks[start : start + _AT_ONCE]
            for at, found in connection.execute(query, (len(part), part.tobytes(), *given)):
                yield start + at, found
