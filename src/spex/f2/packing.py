"""Vectors over F2 as rows of packed 64-bit words.

Feature j is bit j % 64 of word j // 64. Bits past the last feature are always zero, so that
equality of words is equality of vectors and a population count counts features.
"""

import numpy as np

from spex._typing import BoolArray, WordArray


def n_words(n: int) -> int:
    """Number of 64-bit words that hold n bits."""
    return (n + 63) // 64


def pack(bits: BoolArray) -> WordArray:
    """Pack rows of booleans.

    Args:
        bits: (m, n) bool.

    Returns:
        (m, n_words(n)) uint64.
    """
    m, n = bits.shape
    padded = np.zeros((m, n_words(n) * 8), dtype=np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little")
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64, copy=False)


def unpack(words: WordArray, n: int) -> BoolArray:
    """Undo `pack`: (m, n_words) uint64 to (m, n) bool."""
    as_bytes = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(as_bytes, axis=1, count=n, bitorder="little").astype(np.bool_)


def parity(a: WordArray, b: WordArray) -> BoolArray:
    """Inner products over F2 of packed rows, by broadcasting over all but the last axis.

    Returns:
        <a, b> mod 2 as booleans.
    """
    folded = np.bitwise_xor.reduce(a & b, axis=-1)
    return (np.bitwise_count(folded) & 1).astype(np.bool_)


def row_keys(words: WordArray) -> list[bytes]:
    """Each row as bytes, for sets and dictionaries: (m, n_words) to m keys."""
    rows = np.ascontiguousarray(words)
    whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))
    return list(map(bytes, whole.ravel().tolist()))
