"""Checks of arguments that several public functions share, and the limits they enforce."""

import operator

import numpy as np

from spex.errors import ArgumentError

MAX_FEATURES = 16_384
# More masks than this are never evaluated exhaustively: 2^26 values are 0.5 GB.
MAX_EXACT_FEATURES = 26


def whole_number(name: str, value: object, least: int) -> int:
    """A value as an int.

    Raises:
        ArgumentError: it is no whole number, or less than `least`.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_) or number < least:
        raise ArgumentError(f"{name}={value!r}; it must be a whole number of at least {least}")
    return number


def is_exhaustive(n_features: int, budget: int) -> bool:
    """Whether a budget pays for all 2^n masks, and there are not too many to hold."""
    return n_features <= MAX_EXACT_FEATURES and 1 << n_features <= budget
