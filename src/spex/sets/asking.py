"""Values of a function at masks, each asked once, up to a limit of calls."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.checks.arguments import whole_number
from spex.checks.values import checked_values
from spex.errors import ArgumentError
from spex.wording import counted

_LEAST_CALLS = 2  # with everything and with nothing


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
        seconds: Wall clock that the function itself has taken.

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
        self._function = function
        self._most = whole_number("max_calls", max_calls, _LEAST_CALLS)
        self.n_features = n_features
        self.seconds = 0.0
        self._values: dict[bytes, float] = {}
        self._masks: list[BoolArray] = []
        if known is not None:
            self._masks += list(known[0])
            keys = (mask.tobytes() for mask in known[0])
            self._values |= dict(zip(keys, known[1].tolist(), strict=True))
        self.n_known = len(self._masks)
        ends = np.repeat([[True], [False]], n_features, axis=1)
        self.whole, self.nothing = self.ask(ends).tolist()

    @property
    def n_calls(self) -> int:
        """Distinct masks asked for so far."""
        return len(self._masks) - self.n_known

    @property
    def left(self) -> int:
        """Calls that are left."""
        return self._most - self.n_calls

    def known(self, mask: BoolArray) -> float | None:
        """The value of a mask (n,), if it was asked for."""
        return self._values.get(mask.tobytes())

    def ask(self, masks: BoolArray) -> FloatArray:
        """Values of (m, n) masks: (m,) float64; NaN for masks beyond the limit."""
        keys = [mask.tobytes() for mask in masks]
        places: dict[bytes, int] = {}
        for i, key in enumerate(keys):
            if key not in self._values:
                places.setdefault(key, i)
        new = list(places.values())[: self.left]
        if new:
            began = time.monotonic()
            # The function gets its own copy, as in `spex.explain`.
            values = checked_values(self._function(masks[new].copy()), masks[new])
            self.seconds += time.monotonic() - began
            if values.shape[1] != 1:
                raise ArgumentError(
                    f"f gives {values.shape[1]} numbers for each mask; sets are about one: give a "
                    "function of one output"
                )
            for i, value in zip(new, values[:, 0].tolist(), strict=True):
                self._values[keys[i]] = value
                self._masks.append(masks[i].copy())
        return np.array([self._values.get(key, np.nan) for key in keys])

    def all(self) -> tuple[BoolArray, FloatArray]:
        """All masks asked for, (c, n), and their values (c,)."""
        masks = np.array(self._masks)
        return masks, self.ask(masks)
