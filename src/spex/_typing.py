"""Array types used in signatures."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Float32Array: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]
WordArray: TypeAlias = npt.NDArray[np.uint64]
"""Vectors over F2, packed: feature j is bit j % 64 of word j // 64; bits past the last are zero."""

Interaction: TypeAlias = tuple[int, ...]
"""A sorted tuple of feature numbers; its length is the order of the interaction."""
