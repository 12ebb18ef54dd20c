"""The fast Walsh-Hadamard transform, with the one sign and scale convention of spex."""

import numpy as np

from spex._typing import FloatArray


def walsh_hadamard(values: FloatArray) -> FloatArray:
    """F(j) = 2^-b sum_l (-1)^<j,l> f(l) along the last axis.

    The number l stands for the vector whose r-th component is bit r of l.

    Args:
        values: (..., 2^b) float64.

    Returns:
        (..., 2^b) float64.
    """
    size = values.shape[-1]
    out = np.array(values, dtype=np.float64) / size
    flat = out.reshape(-1, size)
    half = 1
    while half < size:
        pairs = flat.reshape(len(flat), size // (2 * half), 2, half)
        even = pairs[:, :, 0].copy()
        odd = pairs[:, :, 1]
        pairs[:, :, 0] += odd
        pairs[:, :, 1] = even - odd
        half *= 2
    return flat.reshape(values.shape)
