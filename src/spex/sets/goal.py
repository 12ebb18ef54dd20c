"""The goal for a set: a value on one side of a threshold."""

import math
from dataclasses import dataclass

from spex.checks.arguments import real_number
from spex.errors import ArgumentError

FLIP = "where the answer flips"
_HALF_WAY = "half way between the value with everything and with nothing"
GIVEN = "as given"


@dataclass(frozen=True)
class Goal:
    """Values that a set has to reach.

    Args:
        threshold: In the unit of the value.
        sign: 1.0 if values above it are wanted, -1.0 if values below it are.
        is_strict: Whether the threshold itself is not enough.
        origin: Where the threshold comes from, in words.
    """

    threshold: float
    sign: float
    is_strict: bool
    origin: str

    def is_reached(self, value: float) -> bool:
        """Whether a value is on the wanted side; NaN is not."""
        over = self.sign * (value - self.threshold)
        return over > 0 if self.is_strict else over >= 0

    @property
    def wanted(self) -> str:
        """Such as `below 0`."""
        number, above = f"{self.threshold:.6g}", self.sign > 0
        if self.is_strict:
            return f"{'above' if above else 'below'} {number}"
        return f"{number} or {'more' if above else 'less'}"


def default_threshold(flip: float | None, whole: float, nothing: float) -> tuple[float, str]:
    """Where an answer counts as changed: where it flips, such as 0 for log-odds, else half way.

    Args:
        flip: `Context.score_threshold`: the value at which the answer flips, if there is one.
        whole: f(all).
        nothing: f(none).

    Returns:
        The threshold, and where it comes from in words.

    Raises:
        ArgumentError: with everything and with nothing the value is the same.
    """
    if flip is not None and whole != flip:
        return flip, FLIP
    middle = (whole + nothing) / 2
    if middle in (whole, nothing):  # they are equal or almost equal
        raise ArgumentError(
            f"the value is {whole:g} with everything and with nothing, so that there is no half "
            "way; give a threshold: to=, by= or keep= (--change-to, --change-by, --keep)"
        )
    return middle, _HALF_WAY


def answer_side(flip: float | None, whole: float, nothing: float) -> float:
    """Which way the answer lies: 1.0 up, -1.0 down.

    If the answer flips at a value, the side of it on which f(all) lies. Otherwise the direction
    from f(none) to f(all), up if both are equal.
    """
    if flip is not None and whole != flip:
        return math.copysign(1.0, whole - flip)
    return 1.0 if whole >= nothing else -1.0


def change_goal(
    flip: float | None, whole: float, nothing: float, to: float | None, by: float | None
) -> Goal:
    """The goal of a change: to cross a threshold, or to move by so much.

    Raises:
        ArgumentError: both are given, or a number makes no sense.
    """
    if to is not None and by is not None:
        raise ArgumentError(f"to={to!r} and by={by!r}; give one of the two")
    if by is not None:
        moved = _number("by", by)
        if moved == 0:
            raise ArgumentError("by=0 is no change; give how far: -2.0 for a fall, 2.0 for a rise")
        if whole + moved == whole:
            raise ArgumentError(
                f"by={by!r} is lost in rounding next to the value with everything, {whole:g}; give "
                "a larger change"
            )
        return Goal(whole + moved, math.copysign(1.0, moved), False, GIVEN)
    if to is None:
        threshold, origin = default_threshold(flip, whole, nothing)
    else:
        threshold, origin = _number("to", to), GIVEN
        if threshold == whole:
            raise ArgumentError(f"to={to!r} is the value with everything; give another threshold")
    return Goal(threshold, math.copysign(1.0, threshold - whole), True, origin)


def keep_goal(flip: float | None, whole: float, nothing: float, keep: float | None) -> Goal:
    """The goal of a set that alone keeps the answer: on the side of f(all).

    `keep` itself is enough, f(all) included.

    Raises:
        ArgumentError: there is no half way, or not even everything has the value `keep`.
    """
    if keep is None:
        threshold, origin = default_threshold(flip, whole, nothing)
        return Goal(threshold, math.copysign(1.0, whole - threshold), True, origin)
    threshold = _number("keep", keep)
    side = answer_side(flip, whole, nothing)
    if side * (threshold - whole) > 0:
        raise ArgumentError(
            f"keep={keep!r} is {'above' if side > 0 else 'below'} the value with everything: it "
            f"is {whole} with everything and {nothing:g} with nothing; give {whole} or "
            f"{'less' if side > 0 else 'more'}"
        )
    return Goal(threshold, side, False, GIVEN)


def _number(name: str, value: object) -> float:
    return real_number(name, value, "give a finite number, in the unit of the value")
