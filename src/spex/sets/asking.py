"""Values of a function at masks, each asked once, up to a limit of calls."""

from collections.abc import Callable
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.checks.arguments import whole_number
from spex.checks.counting import CountedFunction
from spex.errors import ArgumentError
from spex.wording import counted

_LEAST_CALLS = 2  # the values with everything and with nothing


class Asker:
    """Asks a value function, and keeps what it said.

    Args:
        function: From bool masks (m, n), True = present, to (m,) real numbers.
        n_features: n.
        max_calls: The most distinct masks asked for, 2 or more.
        known: Masks (m, n) and their values (m,), which are not asked for again.

    Attributes:
        whole: The value with all features.
        nothing: The value with none.
        n_known: Masks that were known before.

    Raises:
        ArgumentError: the function is none, has other features, or the limit is too small.
        ValueFunctionError: a value is not one finite real number.
    """

    def __init__(
        self,
        function: Callable[[BoolArray], Any],
        n_features: int,
        max_calls: int,
        known: tuple[BoolArray, FloatArray] | None = None,
    ) -> None:
        if not callable(function):
            raise ArgumentError(
                f"f is a {type(function).__name__}; give the value function that was explained: a "
                "spex.ValueFunction, or a function from bool masks (m, n) to m numbers"
            )
        own = getattr(function, "features", None)
        if own is not None and len(own) != n_features:
            raise ArgumentError(
                f"f has {counted(len(own), 'feature')} and the explanation "
                f"{counted(n_features, 'feature')}; give the value function that was explained"
            )
        self._most = whole_number("max_calls", max_calls, _LEAST_CALLS)
        self._counted = CountedFunction(function, n_features)
        if known is not None:
            self._counted.tell(*known)
        self.n_features = n_features
        self.n_known = self._counted.n_evaluations
        ends = np.repeat([[True], [False]], n_features, axis=1)
        self.whole, self.nothing = self.ask(ends).tolist()

    @property
    def n_calls(self) -> int:
        """Distinct masks asked for so far."""
        return self._counted.n_evaluations - self.n_known

    @property
    def left(self) -> int:
        """Calls that are left."""
        return self._most - self.n_calls

    @property
    def seconds(self) -> float:
        """Wall clock that the function itself has taken."""
        return self._counted.seconds_inside

    def known(self, mask: BoolArray) -> float | None:
        """The value of a mask (n,), if it was asked for."""
        return self._counted.known(mask)

    def ask(self, masks: BoolArray) -> FloatArray:
        """Values of (m, n) masks: (m,) float64; NaN for masks beyond the limit."""
        self._counted.evaluate(masks, self.left)
        return self._counted.values(masks)

    def all(self) -> tuple[BoolArray, FloatArray]:
        """All masks asked for, (c, n), and their values (c,)."""
        return self._counted.all()
