"""Checks of arguments that several public functions share, and the limits they enforce."""

import math
import operator
from collections.abc import Callable
from numbers import Real

import numpy as np

from spex.errors import ArgumentError
from spex.wording import shorten

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
        raise ArgumentError(
            f"{name}={_shown(value)}; it must be a whole number of at least {least}"
        )
    return number


def real_number(
    name: str, value: object, wanted: str, is_wanted: Callable[[float], bool] | None = None
) -> float:
    """A value as a float. Numbers of NumPy are accepted, truth values are not.

    Args:
        name: Name of the argument.
        value: What was given.
        wanted: What to give, for the message.
        is_wanted: Whether a finite number is accepted; default: any.

    Raises:
        ArgumentError: it is no finite number, or not wanted.
    """
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # an integer too large for a float
            number = math.inf
    if not math.isfinite(number) or not (is_wanted is None or is_wanted(number)):
        raise ArgumentError(f"{name}={_shown(value)}; {wanted}")
    return number


def seconds_of(name: str, value: object) -> float:
    """A limit of time, in seconds.

    Raises:
        ArgumentError: it is no finite number above 0.
    """
    return real_number(name, value, "give seconds, a finite number above 0", lambda s: s > 0)


def _shown(value: object) -> str:
    try:
        return shorten(repr(value))
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return "a number of thousands of digits"


def is_exhaustive(n_features: int, budget: int) -> bool:
    """Whether a budget pays for all 2^n masks, and there are not too many to hold."""
    return n_features <= MAX_EXACT_FEATURES and 1 << n_features <= budget
