"""Calls, a mask on an item each, as rows: the mask, then the bits of the item's number."""

import numpy as np

from spex._typing import BoolArray, IntArray


def item_bits(n_items: int) -> int:
    """Columns that hold the number of an item."""
    return max(1, (n_items - 1).bit_length())


def joined_calls(masks: BoolArray, items: IntArray, n_items: int) -> BoolArray:
    """Masks (c, n) and items (c,) as rows (c, n + b) of booleans."""
    bits = items[:, None] >> np.arange(item_bits(n_items)) & 1
    return np.concatenate([masks, bits.astype(np.bool_)], axis=1)


def split_calls(calls: BoolArray, n: int) -> tuple[BoolArray, IntArray]:
    """Undo `joined_calls`."""
    bits = calls[:, n:].astype(np.int64)
    return calls[:, :n], (bits << np.arange(bits.shape[1])).sum(axis=1)
