"""Vectors over F2 as rows of packed 64-bit words.

Feature j is bit j % 64 of word j // 64. Bits past the last feature are always zero, so that
equality of words is equality of vectors and a population count counts features.
"""

import numba as nb
import numpy as np

from spex._typing import BoolArray, Float32Array, IntArray, WordArray

_BLOCK = 1 << 24  # booleans unpacked at once


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


def set_bits(words: WordArray, n: int) -> tuple[IntArray, IntArray]:
    """The set bits of packed rows, row by row.

    Args:
        words: (m, n_words) uint64.
        n: Number of features.

    Returns:
        Two (bits,) int64: the row of each bit, and its feature.
    """
    step = max(1, _BLOCK // n)
    starts = range(0, len(words), step)
    parts = [np.argwhere(unpack(words[at : at + step], n)) + np.array([at, 0]) for at in starts]
    rows, features = np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts]).T
    return rows, features


def parity(a: WordArray, b: WordArray) -> BoolArray:
    """Inner products over F2 of packed rows.

    Args:
        a: (..., n_words) uint64.
        b: (..., n_words) uint64; all axes but the last are broadcast.

    Returns:
        (...) bool, <a, b> mod 2.
    """
    folded = np.bitwise_xor.reduce(a & b, axis=-1)
    return (np.bitwise_count(folded) & 1).astype(np.bool_)


def signs(a: WordArray, b: WordArray) -> Float32Array:
    """(m, k) float32 of (-1)^<a,b> for packed rows a (m, n_words) and b (k, n_words)."""
    out = np.empty((len(a), len(b)), dtype=np.float32)
    _signs(np.ascontiguousarray(a), np.ascontiguousarray(b.T), out.view(np.uint32))
    return out


@nb.njit(cache=True, nogil=True)
def _signs(rows, columns, out):  # type: ignore[no-untyped-def]
    """Write the bits of the float32 1.0 and -1.0.

    Args:
        rows: (m, n_words) uint64.
        columns: (n_words, k) uint64: words side by side fill vectors.
        out: (m, k) uint32, written.
    """
    folded = np.empty(columns.shape[1], np.uint32)
    for row in range(len(rows)):
        folded[:] = 0
        for word in range(len(columns)):
            of_row = rows[row, word]
            for column in range(len(folded)):
                common = of_row & columns[word, column]
                folded[column] ^= np.uint32(common ^ (common >> np.uint64(32)))
        for column in range(len(folded)):
            parity = np.uint64(folded[column])  # of all its bits, in the end, in bit 31
            parity ^= parity << np.uint64(16)
            parity ^= parity << np.uint64(8)
            parity ^= parity << np.uint64(4)
            parity ^= parity << np.uint64(2)
            parity ^= parity << np.uint64(1)
            out[row, column] = np.uint32((parity & np.uint64(1 << 31)) ^ np.uint64(0x3F800000))


class DistinctRows:
    """Packed rows without repetition, numbered in the order of their first use.

    A hash table with linear probing: a dictionary of bytes without an object for each row.

    Args:
        words: Number of 64-bit words in a row.
    """

    def __init__(self, words: int) -> None:
        self._table = np.full(1 << 8, -1, dtype=np.int64)  # numbers of rows, -1 where free
        self._rows = np.zeros((0, words), dtype=np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> WordArray:
        """(len, words) uint64; rows added later do not change this array."""
        return self._rows[: self._count]

    def add(self, rows: WordArray) -> IntArray:
        """Add the rows that are new.

        Args:
            rows: (m, words) uint64.

        Returns:
            (m,) int64, the number of each row, new or not.
        """
        room = self._count + len(rows)
        if room > len(self._rows):
            larger = np.empty((max(room, 3 * self._count // 2), rows.shape[1]), dtype=np.uint64)
            larger[: self._count] = self.rows
            self._rows = larger
        if 2 * room > len(self._table):
            self._table = np.full(4 << room.bit_length(), -1, dtype=np.int64)
            _enter(self._table, self._rows, 0, self.rows)
        numbers, self._count = _enter(
            self._table, self._rows, self._count, np.ascontiguousarray(rows)
        )
        return numbers


def are_among(rows: WordArray, known: WordArray) -> BoolArray:
    """Which rows are among known ones: (m, words) and (k, words) uint64 to (m,) bool."""
    distinct = DistinctRows(known.shape[1])
    distinct.add(known)
    n_known = len(distinct)
    return np.asarray(distinct.add(rows) < n_known)


@nb.njit(cache=True)
def _enter(table, kept, count, rows):  # type: ignore[no-untyped-def]
    """Number rows, and write the new ones after the first `count` of `kept`.

    Args:
        table: (2^b,) int64, numbers of rows, -1 if free; written.
        kept: (capacity, words) uint64, written.
        count: Number of rows kept so far.
        rows: (m, words) uint64.

    Returns:
        (m,) int64, the number of each row; and the new count.
    """
    # Elements are copied one by one: numba compiles a slice for seconds.
    numbers = np.empty(len(rows), np.int64)
    last = np.uint64(len(table) - 1)  # a power of two less one
    for i in range(len(rows)):
        # The step of splitmix64 on each word (Steele, Lea, Flood 2014).
        state = np.uint64(0)
        for j in range(rows.shape[1]):
            state = (state ^ rows[i, j]) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
        place = state & last
        while True:
            number = table[place]
            if number < 0:
                number = table[place] = count
                for j in range(rows.shape[1]):
                    kept[count, j] = rows[i, j]
                count += 1
                break
            same = True
            for j in range(rows.shape[1]):
                same &= kept[number, j] == rows[i, j]
            if same:
                break
            place = (place + np.uint64(1)) & last
        numbers[i] = number
    return numbers, count
