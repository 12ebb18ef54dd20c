"""A function of masks that keeps its values: each distinct mask is evaluated once."""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.checks.values import checked_values
from spex.errors import ArgumentError, SpexError
from spex.wording import counted


class OverBudgetError(SpexError, RuntimeError):
    """More distinct masks were asked for than the budget."""


class CountedFunction:
    """Counts the distinct masks that a value function is asked for, and keeps their values.

    Args:
        function: From masks (m, n) bool, True = present, to (m,) real numbers.
        n_features: n.
        budget: The most distinct masks; default: any number.

    Attributes:
        n_asked: Masks that calls asked for, repeats included.
        seconds_inside: Wall clock that the function has taken, keeping its values included.
    """

    def __init__(
        self, function: Callable[[BoolArray], Any], n_features: int, budget: int = sys.maxsize
    ) -> None:
        self.n_features = n_features
        self.budget = budget
        self.n_asked = 0
        self.seconds_inside = 0.0
        self._function = function
        self._values: dict[bytes, float] = {}  # by packed mask, in the order of evaluation
        self._start = time.perf_counter()

    @property
    def n_evaluations(self) -> int:
        """Distinct masks evaluated."""
        return len(self._values)

    @property
    def seconds_outside(self) -> float:
        """Wall clock since this object was made, without the time in the function."""
        return time.perf_counter() - self._start - self.seconds_inside

    def __call__(self, masks: Any) -> FloatArray:
        """Values of masks.

        Args:
            masks: (m, n) or (n,), bool or numbers, or a data frame: not 0 = present.

        Returns:
            (m,) float64.

        Raises:
            OverBudgetError: more distinct masks than the budget; none of these is evaluated.
            ArgumentError: the function gives several numbers for each mask.
            ValueFunctionError: it did not give a finite number for each mask.
        """
        start = time.perf_counter()
        present = np.atleast_2d(np.asarray(masks)) != 0
        total = len(self._values) + len(self._new(_keys(present)))
        if total > self.budget:
            raise OverBudgetError(
                f"{counted(total, 'distinct mask')} asked for, of a budget of {self.budget:,}"
            )
        self._ask(present, total)
        self.n_asked += len(present)
        found = self.values(present)
        self.seconds_inside += time.perf_counter() - start
        return found

    def evaluate(self, masks: BoolArray, most: int) -> None:
        """Evaluate the new ones among (m, n) masks, at most the first `most`.

        Raises:
            ArgumentError: see `__call__`.
            ValueFunctionError: see `__call__`.
        """
        start = time.perf_counter()
        self._ask(masks, most)
        self.seconds_inside += time.perf_counter() - start

    def values(self, masks: BoolArray) -> FloatArray:
        """Values of (m, n) masks, NaN if not evaluated: (m,) float64."""
        return np.array([self._values.get(key, np.nan) for key in _keys(masks)], dtype=np.float64)

    def tell(self, masks: BoolArray, values: FloatArray) -> None:
        """Keep the values (m,) of masks (m, n), so that they are not asked for."""
        self._values.update(zip(_keys(masks), values.tolist(), strict=True))

    def _new(self, keys: list[bytes]) -> dict[bytes, int]:
        """Packed masks that are not known, each with the first row that has it."""
        places: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if key not in self._values:
                places.setdefault(key, row)
        return places

    def _ask(self, masks: BoolArray, most: int) -> None:
        new = dict(list(self._new(_keys(masks)).items())[:most])
        if not new:
            return
        rows = masks[list(new.values())]
        # The function gets its own copy, as in `spex.explain`.
        values = checked_values(self._function(rows.copy()), rows)
        if values.shape[1] != 1:
            raise ArgumentError(
                f"the function gives {values.shape[1]} numbers for each mask; give a function of "
                "one output, such as lambda masks: f(masks)[:, 0]"
            )
        self._values.update(zip(new, values[:, 0].tolist(), strict=True))

    def known(self, mask: BoolArray) -> float | None:
        """The value of a mask (n,), if it was evaluated."""
        return self._values.get(_keys(mask[None])[0])

    def all(self) -> tuple[BoolArray, FloatArray]:
        """All evaluated masks (c, n) in the order of evaluation, and their values (c,)."""
        width = (self.n_features + 7) // 8
        packed = np.frombuffer(b"".join(self._values), dtype=np.uint8).reshape(-1, width)
        masks = np.unpackbits(packed, axis=1, count=self.n_features).astype(np.bool_)
        return masks, np.array(list(self._values.values()), dtype=np.float64)


def _keys(masks: BoolArray) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(masks, axis=1)]
