"""Masks by number, and the values told of them."""

import math

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.checks.masks import check_masks
from spex.checks.values import checked_values
from spex.errors import ArgumentError
from spex.f2.packing import DistinctRows, n_words, pack
from spex.wording import counted

# Values of one mask that differ by at most this share count as the same.
_ROUNDING = 1e-9


class OrderedRows:
    """Row numbers in the order of their first entry, and whether each was drawn."""

    def __init__(self, rows: IntArray | None = None, drawn: BoolArray | None = None) -> None:
        self._parts: list[IntArray] = []
        self._count = 0
        self._entered = np.zeros(0, dtype=np.bool_)  # by row number, as the next
        self._drawn = np.zeros(0, dtype=np.bool_)
        if rows is not None and drawn is not None:
            self.add(rows, False)
            self.mark(rows[drawn], True)

    def __len__(self) -> int:
        return self._count

    def add(self, rows: IntArray, drawn: bool) -> None:
        """Add those that are new."""
        if not len(rows):
            return
        missing = int(rows.max()) + 1 - len(self._entered)
        if missing > 0:
            room = max(missing, len(self._entered))
            self._entered = np.pad(self._entered, (0, room))
            self._drawn = np.pad(self._drawn, (0, room))
        new = rows[~self._entered[rows]]
        new = new[np.sort(np.unique(new, return_index=True)[1])]
        self._parts.append(new)
        self._count += len(new)
        self._entered[new] = True
        self._drawn[new] = drawn

    def mark(self, rows: IntArray, drawn: bool) -> None:
        """Mark whether rows count as drawn."""
        self._drawn[rows] = drawn

    def arrays(self) -> tuple[IntArray, BoolArray]:
        """(w,) row numbers and (w,) drawn."""
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *self._parts])
        return rows, self._drawn[rows]


class Told:
    """Numbers of masks, and the values told of them.

    Args:
        n: Number of features.
        is_exhaustive: Whether all 2^n masks are wanted; a mask's number is then its bits.
        outputs: Names of the outputs, where they are given.

    Attributes:
        n_outputs: q, once a value was told.
        is_single: Whether values are one number per mask, once one was told.
        count: Distinct masks that have a value.
        n_changes: How often a value was told of a mask that had one.
    """

    def __init__(self, n: int, is_exhaustive: bool, outputs: tuple[str, ...] | None = None) -> None:
        self._n = n
        self._outputs = outputs
        self._distinct = None if is_exhaustive else DistinctRows(n_words(n))
        size = 1 << n if is_exhaustive else 0
        self._flags = np.zeros(size, dtype=np.bool_)
        self._repeats: dict[int, list[FloatArray]] = {}  # values of masks told again
        self._values: FloatArray = np.zeros((size, 0))
        self.n_outputs: int | None = None
        self.is_single: bool | None = None
        self.count = 0
        self.n_changes = 0

    def numbers(self, words: WordArray) -> IntArray:
        """(m,) the numbers of masks (m, n_words); new ones get the next numbers."""
        if self._distinct is None:
            return words[:, 0].astype(np.int64)
        numbers = self._distinct.add(words)
        if len(self._distinct) > len(self._flags):
            room = max(len(self._distinct), 2 * len(self._flags)) - len(self._flags)
            self._flags = np.pad(self._flags, (0, room))
            self._values = np.pad(self._values, ((0, room), (0, 0)))
        return numbers

    @property
    def ends(self) -> IntArray:
        """(2,) the numbers of the masks with all features and with none."""
        return self.numbers(pack(np.array([[True] * self._n, [False] * self._n])))

    def words(self, numbers: IntArray) -> WordArray:
        """(m, n_words) the masks of numbers."""
        if self._distinct is None:
            return numbers.astype(np.uint64)[:, None]
        return self._distinct.rows[numbers]

    def is_told(self, numbers: IntArray) -> BoolArray:
        """(m,) whether each mask has a value."""
        return self._flags[numbers]

    def tell(self, masks: npt.ArrayLike, values: npt.ArrayLike, origin: str) -> None:
        """Keep values of masks; if a mask is told again, the mean.

        Args:
            masks: (k, n) of bool or 0/1.
            values: (k,) or (k, q).
            origin: What messages say of the values, such as "tell was given".

        Raises:
            ArgumentError: the masks have another shape or other entries, or the values have
                another number of outputs than before.
            ValueFunctionError: a value is not a finite real number, or exceeds 1e100.
        """
        checked = check_masks(masks, self._n)
        found = checked_values(values, checked, origin)
        is_single = np.ndim(values) == 1
        if not len(found):
            return
        q = found.shape[1]
        names = self._outputs
        if names is not None and (is_single or len(names) != q):
            shown = "one number" if is_single else counted(q, "output")
            raise ArgumentError(f"{shown} per mask, and outputs= has {counted(len(names), 'name')}")
        if self.is_single not in (None, is_single) or self.n_outputs not in (None, q):
            before = "(k,)" if self.is_single else f"(k, {self.n_outputs})"
            raise ArgumentError(
                f"values of shape {np.shape(values)}; those before had shape {before}: tell the "
                "same number of outputs, in the same form, each time"
            )
        self.is_single = is_single
        self._keep(self.numbers(pack(checked)), found)

    def _keep(self, numbers: IntArray, values: FloatArray) -> None:
        """Keep (m, q) values of masks by number."""
        if self.n_outputs is None:
            self.n_outputs = values.shape[1]
            self._values = np.zeros((len(self._flags), self.n_outputs))
        distinct, first = np.unique(numbers, return_index=True)
        first = first[~self._flags[distinct]]
        self._values[numbers[first]] = values[first]
        self._flags[numbers[first]] = True
        self.count += len(first)
        for place in np.setdiff1d(np.arange(len(numbers)), first).tolist():
            number = int(numbers[place])
            told = self._repeats.setdefault(number, [self._values[number].copy()])
            told.append(values[place].copy())
            # Exact sums: the mean does not depend on the order of telling.
            self._values[number] = [math.fsum(each) / len(told) for each in zip(*told, strict=True)]
            self.n_changes += 1

    def repeats(self, output: int) -> tuple[int, float]:
        """How many masks were told values that differ, and their standard deviation.

        Differences in the last digits are those of rounding. The deviation is that of one value
        about the mean of its mask, over all masks told more than once; 0 if none differ.
        """
        told = [np.array([value[output] for value in each]) for each in self._repeats.values()]
        differ = sum(bool(np.ptp(each) > _ROUNDING * np.abs(each).max()) for each in told)
        if not differ:
            return 0, 0.0
        squares = math.fsum(len(each) * float(each.var()) for each in told)
        return differ, math.sqrt(squares / sum(len(each) - 1 for each in told))

    def all_told(self) -> IntArray:
        """The numbers of all masks that have a value."""
        return np.flatnonzero(self._flags)

    def values(self, numbers: IntArray) -> FloatArray:
        """(m, q) float64."""
        return self._values[numbers]

    def others(self, rows: IntArray) -> IntArray:
        """The numbers of masks with a value that are not among rows, sorted by mask."""
        outside = self._flags.copy()
        outside[rows] = False
        numbers = np.flatnonzero(outside)
        return numbers[np.lexsort(self.words(numbers).T)] if len(numbers) else numbers
