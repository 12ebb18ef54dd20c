"""A value function that counts what it is asked, and randomness that is put back."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.checks.values import checked_values
from spex.errors import SpexError, ValueFunctionError
from spex.evaluate.method import ValueFunctionOnMasks
from spex.f2.packing import DistinctRows, n_words, unpack
from spex.fourier.mask_distribution import UNIFORM
from spex.wording import counted


class OverBudgetError(SpexError, RuntimeError):
    """A method asked for more distinct masks than its budget."""


class CountedFunction:
    """A value function that counts masks and refuses distinct ones beyond a budget.

    Values are kept: a mask that was evaluated before costs nothing.

    Args:
        function: From masks (m, n) bool to values (m,).
        n_features: n.
        budget: The most distinct masks.
    """

    def __init__(self, function: ValueFunctionOnMasks, n_features: int, budget: int) -> None:
        self.n_features = n_features
        self.budget = budget
        self._function = function
        self._values: dict[bytes, float] = {}
        self._asked = 0
        self._inside = 0.0
        self._start = time.perf_counter()

    @property
    def n_evaluations(self) -> int:
        """Distinct masks evaluated."""
        return len(self._values)

    @property
    def n_asked(self) -> int:
        """Masks asked for, repeats included."""
        return self._asked

    @property
    def seconds_outside(self) -> float:
        """Wall clock since this object was made, without the time in the function."""
        return time.perf_counter() - self._start - self._inside

    def __call__(self, masks: Any) -> FloatArray:
        """Values of masks.

        Args:
            masks: (m, n) or (n,), bool or numbers, or a data frame: not 0 = present.

        Returns:
            (m,) float64.

        Raises:
            OverBudgetError: more distinct masks than the budget; none of these is evaluated.
            ValueFunctionError: the function did not give one finite number for each mask.
        """
        start = time.perf_counter()
        present = np.ascontiguousarray(np.atleast_2d(np.asarray(masks)) != 0)
        keys = [row.tobytes() for row in np.packbits(present, axis=1)]
        new = {key: at for at, key in enumerate(keys) if key not in self._values}
        if len(self._values) + len(new) > self.budget:
            raise OverBudgetError(
                f"{counted(len(self._values) + len(new), 'distinct mask')} asked for, of a budget "
                f"of {self.budget:,}"
            )
        if new:
            rows = present[list(new.values())]
            self._values.update(zip(new, self._evaluated(rows), strict=True))
        self._asked += len(keys)
        found = np.array([self._values[key] for key in keys])
        self._inside += time.perf_counter() - start
        return found

    def _evaluated(self, masks: BoolArray) -> list[float]:
        values = checked_values(self._function(masks), masks)
        if values.shape[1] != 1:
            raise ValueFunctionError(
                f"the value function has {values.shape[1]} outputs; a method of attribution takes "
                "one: give a function of the output that you mean"
            )
        return values[:, 0].tolist()


def uniform_masks(n_features: int, count: int, seed: int) -> BoolArray:
    """Distinct masks of which each feature is present with probability 1/2.

    They are the first ones that `spex` draws with this seed, so methods that take given masks can
    be compared on the same ones.

    Args:
        n_features: n.
        count: How many; all 2^n where that is fewer.
        seed: Random seed.

    Returns:
        (min(count, 2^n), n) bool.
    """
    if n_features < count.bit_length():
        count = min(count, 1 << n_features)
    drawn = DistinctRows(n_words(n_features))
    for block, _ in UNIFORM.stream(n_features, seed):
        drawn.add(block)
        if len(drawn) >= count:
            break
    return unpack(drawn.rows[:count], n_features)


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators of numpy and of Python, and put back their states at the end.

    For packages that read them. Threads share these generators: use processes for parallel runs.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % (1 << 32))  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
