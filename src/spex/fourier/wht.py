"""The fast Walsh-Hadamard transform, with the one sign and scale convention of spex."""

import numba as nb
import numpy as np

from spex._typing import FloatArray


def walsh_hadamard(values: FloatArray) -> FloatArray:
    """F(j) = 2^-b sum_l (-1)^<j,l> f(l) along the last axis.

    Component r of the vector l is bit r of the number l.

    Args:
        values: (..., 2^b) float64.

    Returns:
        (..., 2^b) float64.
    """
    size = values.shape[-1]
    out = np.array(values, dtype=np.float64, order="C") / size
    _butterflies(out.reshape(-1, size))
    return out


@nb.njit(cache=True, nogil=True)
def _butterflies(rows):  # type: ignore[no-untyped-def]
    """Transform (m, 2^b) float64 in place, along the last axis, without the factor 2^-b."""
    for row in range(len(rows)):
        half = 1
        while half < rows.shape[1]:
            for start in range(0, rows.shape[1], 2 * half):
                for i in range(start, start + half):
                    even, odd = rows[row, i], rows[row, i + half]
                    rows[row, i] = even + odd
                    rows[row, i + half] = even - odd
            half *= 2
