"""Checks of values: one finite real number, or several, for each mask."""

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.errors import ValueFunctionError
from spex.wording import counted

# Limits of absolute values. The squares of larger ones overflow. If all are below SMALLEST, their
# squares underflow, and the function would seem constant.
_LARGEST, SMALLEST = 1e100, 1e-100
_MOST_SHOWN = 12


def checked_values(
    returned: object, masks: BoolArray, source: str = "the value function returned"
) -> FloatArray:
    """Values as an array.

    Args:
        returned: What a value function returned: (m,) or (m, q) real numbers.
        masks: (m, n) bool.
        source: Where they come from: how a message begins.

    Returns:
        (m, q) float64; q = 1 for one number per mask.

    Raises:
        ValueFunctionError: it is something else, or not finite, or above 1e100.
    """
    if isinstance(returned, np.ma.MaskedArray) and returned.dtype.kind in "fiub":
        # A masked value is missing.
        returned = np.where(np.ma.getmaskarray(returned), np.nan, np.ma.getdata(returned))
    try:
        values = np.asarray(returned)
    except Exception as error:
        raise ValueFunctionError(
            f"{source} a {type(returned).__name__} that is no array: {error}"
        ) from error
    is_empty = values.ndim == 2 and values.shape[1] == 0
    if values.ndim not in (1, 2) or len(values) != len(masks) or is_empty:
        raise ValueFunctionError(
            f"{source} shape {values.shape} for {counted(len(masks), 'mask')} of "
            f"{counted(masks.shape[1], 'feature')}; "
            f"it must be shape ({len(masks)},), one number per mask, or ({len(masks)}, q) for q "
            "outputs"
        )
    if values.dtype.kind not in "fiub":
        raise ValueFunctionError(
            f"{source} {values.dtype} values; they must be real numbers"
            + (" (take the real part or the modulus)" if values.dtype.kind == "c" else "")
        )
    values = values.astype(np.float64)
    values = values[:, None] if values.ndim == 1 else values
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        worst = values[bad[0]][~np.isfinite(values[bad[0]])][0]
        raise ValueFunctionError(
            f"{source} {worst}, no finite number ({len(bad):,} of {counted(len(values), 'mask')}, "
            f"first with {described(masks[bad[0]])}); clip it or score by log-odds instead of "
            "probabilities"
        )
    if (largest := float(np.abs(values).max(initial=0.0))) > _LARGEST:
        raise ValueFunctionError(
            f"{source} {largest:.3g} in absolute value; the limit is "
            f"{_LARGEST:.0e}, because sums of squares must be finite: divide the values by a "
            "constant"
        )
    return values


def described(mask: BoolArray) -> str:
    """The present or the absent features of a mask, whichever are fewer."""
    kinds = {"present": np.flatnonzero(mask), "left out": np.flatnonzero(~mask)}
    word, numbers = min(kinds.items(), key=lambda kind: len(kind[1]))
    shown = numbers.tolist()
    if len(shown) > _MOST_SHOWN:
        return f"{counted(len(shown), 'feature')} {word}"
    return (
        f"{'all' if word == 'left out' else 'no'} features present"
        if not shown
        else (f"feature{'s' if len(shown) > 1 else ''} {', '.join(map(str, shown))} {word}")
    )


def check_resolution(values: FloatArray) -> None:
    """Refuse values that vary although their squares underflow.

    Args:
        values: (m,) float64.

    Raises:
        ValueFunctionError: all are below 1e-100 in absolute value, and not all the same.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if 0 < largest < SMALLEST and np.ptp(values) > 0:
        raise ValueFunctionError(
            f"no value of the function exceeds {largest:.3g} in absolute value; the limit is "
            f"{SMALLEST:.0e}, below which squares underflow: rescale the values, or return their "
            "logarithms"
        )
