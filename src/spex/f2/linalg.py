"""Ranks, spans and products of packed matrices over F2."""

import numpy as np

from spex._typing import BoolArray, IntArray, WordArray
from spex.f2.packing import n_words, parity


def random_independent_rows(n: int, count: int, rng: np.random.Generator) -> WordArray:
    """Draw linearly independent vectors of F2^n, uniformly.

    The first rows do not depend on `count`, so designs of different sizes nest.

    Args:
        n: Length of the vectors.
        count: Number of vectors, at most n.
        rng: Random generator.

    Returns:
        (count, n_words) uint64.
    """
    words = n_words(n)
    tail = np.uint64((1 << (n % 64)) - 1) if n % 64 else np.uint64(0xFFFFFFFFFFFFFFFF)
    rows = np.zeros((count, words), dtype=np.uint64)
    basis: list[int] = []  # rows reduced against each other, as Python integers
    found = 0
    while found < count:
        row = rng.integers(0, 1 << 64, size=words, dtype=np.uint64)
        row[-1] &= tail
        rest = int.from_bytes(row.astype("<u8").tobytes(), "little")
        for reduced in basis:  # descending, leading bits all different
            rest = min(rest, rest ^ reduced)
        if rest:
            basis.append(rest)
            basis.sort(reverse=True)
            rows[found] = row
            found += 1
    return rows


def span(rows: WordArray) -> WordArray:
    """All F2-combinations of rows.

    Args:
        rows: (b, n_words) uint64.

    Returns:
        (2^b, n_words) uint64; entry l is the sum of the rows r whose bit r of l is set.
    """
    combinations = np.zeros((1, rows.shape[1]), dtype=np.uint64)
    for row in rows:
        combinations = np.concatenate([combinations, combinations ^ row])
    return combinations


def multiply(rows: WordArray, vectors: WordArray) -> IntArray:
    """The product of a (b, n) matrix with vectors, as numbers.

    Args:
        rows: (b, n_words) uint64 with b <= 62.
        vectors: (m, n_words) uint64.

    Returns:
        (m,) int64; bit r is <rows[r], vector>.
    """
    product = np.zeros(len(vectors), dtype=np.int64)
    for r, row in enumerate(rows):
        product |= parity(row, vectors).astype(np.int64) << r
    return product


def independent_rows(matrix: BoolArray) -> tuple[IntArray, BoolArray]:
    """Choose a basis among the rows of a matrix over F2 and express all rows in it.

    Args:
        matrix: (r, n) bool.

    Returns:
        chosen: (p,) int64, the numbers of the rows that are independent of all rows before them.
        combination: (r, p) bool with matrix = combination @ matrix[chosen] over F2.
    """
    chosen: list[int] = []
    reduced: list[tuple[int, int]] = []  # (row, which chosen rows it is the sum of), descending
    combination: list[int] = []
    for number, row in enumerate(matrix):
        rest = int.from_bytes(np.packbits(row).tobytes(), "big")
        members = 0
        for value, parts in reduced:
            if rest ^ value < rest:
                rest ^= value
                members ^= parts
        if rest:
            own = 1 << len(chosen)
            chosen.append(number)
            reduced.append((rest, members ^ own))
            reduced.sort(reverse=True)
            members = own
        combination.append(members)
    bits = np.array(
        [[(members >> p) & 1 for p in range(len(chosen))] for members in combination],
        dtype=np.bool_,
    )
    return np.array(chosen, dtype=np.int64), bits.reshape(len(matrix), len(chosen))
