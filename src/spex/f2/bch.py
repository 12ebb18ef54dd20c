"""Shortened narrow-sense binary BCH codes: parity rows and batched hard-decision decoding.

In SPEX the codeword is never sent. The rows of the parity-check matrix are the offsets of the
masks, the unknown interaction k is the *error pattern*, and the signs observed are its syndrome:
decoding the syndrome finds k whenever it joins at most t features.

Source: Lin & Costello, Error Control Coding, 2nd ed., section 6.1 (codes), 6.2 and 6.3
(Berlekamp-Massey, Chien search).
"""

from dataclasses import dataclass
from functools import lru_cache

import numba as nb
import numpy as np

from spex._typing import BoolArray, IntArray
from spex.errors import ArgumentError
from spex.f2.linalg import independent_rows

# Primitive polynomials over F2 by degree, bit i the coefficient of x^i (Lin & Costello, table 2.7).
_PRIMITIVE = {
    2: 0x7,
    3: 0xB,
    4: 0x13,
    5: 0x25,
    6: 0x43,
    7: 0x89,
    8: 0x11D,
    9: 0x211,
    10: 0x409,
    11: 0x805,
    12: 0x1053,
    13: 0x201B,
    14: 0x4443,
    15: 0x8003,
    16: 0x1100B,
}
MAX_LENGTH = (1 << max(_PRIMITIVE)) - 1


@dataclass(frozen=True, eq=False)
class BCHCode:
    """A binary BCH code of length 2^m - 1 shortened to its first n positions.

    Args:
        n: Length after shortening.
        t: Number of errors that it corrects (a lower bound, by design).
        m: Degree of the field GF(2^m) over F2.
        parity_rows: (P, n) bool, independent rows of the parity-check matrix, P <= t m.
        syndrome_map: (t m, P) bool; times the P syndrome bits it gives the bits of the power sums
            S_1, S_3, .., S_{2t-1}, m bits each (some of them depend on others when the field
            or n is small, and are not measured twice).
        exp: (2 (2^m - 1),) powers of the primitive element alpha, twice over.
        log: (2^m,) logarithms to the base alpha; log[0] is -1.
    """

    n: int
    t: int
    m: int
    parity_rows: BoolArray
    syndrome_map: BoolArray
    exp: IntArray
    log: IntArray

    @property
    def n_parity(self) -> int:
        """P, the number of syndrome bits."""
        return len(self.parity_rows)

    def syndrome(self, patterns: BoolArray) -> BoolArray:
        """Syndrome bits of error patterns: (m, n) bool to (m, P) bool."""
        counts = patterns.astype(np.int64) @ self.parity_rows.T.astype(np.int64)
        return (counts & 1).astype(np.bool_)

    def decode(self, syndromes: BoolArray) -> tuple[IntArray, IntArray]:
        """Find the error pattern of weight <= t that has a syndrome, for many at once.

        Args:
            syndromes: (m, P) bool.

        Returns:
            weights: (m,) int64, the number of errors, or -1 where no pattern of weight <= t
                within the n positions has this syndrome.
            positions: (m, t) int64, their positions ascending, filled up with -1.
        """
        bits = syndromes.astype(np.int64) @ self.syndrome_map.T.astype(np.int64) & 1
        powers = 1 << np.arange(self.m, dtype=np.int64)
        odd = bits.reshape(len(syndromes), self.t, self.m) @ powers
        return _decode_batch(np.ascontiguousarray(odd), self.n, self.exp, self.log)


@lru_cache(maxsize=32)
def bch_code(n: int, t: int) -> BCHCode:
    """The BCH code of length n that corrects t errors.

    Raises:
        ArgumentError: n or t is out of range.
    """
    if not 1 <= n <= MAX_LENGTH:
        raise ArgumentError(f"a BCH code of length {n}; the length must be 1 to {MAX_LENGTH}")
    if not 1 <= t <= n:
        raise ArgumentError(f"a BCH code of length {n} cannot correct t={t}; t must be 1 to {n}")
    m = max(2, n.bit_length())  # the smallest with 2^m - 1 >= n
    exp, log = _field_tables(m)
    order = (1 << m) - 1
    exponents = np.outer(2 * np.arange(t) + 1, np.arange(n)) % order  # (t, n)
    elements = exp[exponents]
    rows = (elements[:, None, :] >> np.arange(m)[None, :, None]) & 1
    chosen, combination = independent_rows(rows.reshape(t * m, n).astype(np.bool_))
    parity_rows = rows.reshape(t * m, n)[chosen].astype(np.bool_)
    for array in (parity_rows, combination, exp, log):
        array.flags.writeable = False  # shared by everyone who asks for this code
    return BCHCode(n, t, m, parity_rows, combination, exp, log)


@lru_cache(maxsize=16)
def _field_tables(m: int) -> tuple[IntArray, IntArray]:
    order = (1 << m) - 1
    exp = np.zeros(2 * order, dtype=np.int64)
    log = np.full(order + 1, -1, dtype=np.int64)
    element = 1
    for power in range(order):
        exp[power] = exp[power + order] = element
        log[element] = power
        element <<= 1
        if element >> m:
            element ^= _PRIMITIVE[m]
    return exp, log


@nb.njit(cache=True)
def _multiply(a, b, exp, log):  # type: ignore[no-untyped-def]
    if a == 0 or b == 0:
        return 0
    return exp[log[a] + log[b]]


@nb.njit(cache=True)
def _error_locator(power_sums, exp, log):  # type: ignore[no-untyped-def]
    """Berlekamp-Massey over GF(2^m): the shortest recurrence of S_1 .. S_2t.

    Returns the locator polynomial (constant term first) and its length.
    """
    count = len(power_sums)
    order = len(log) - 1
    sigma = np.zeros(count + 1, np.int64)
    previous = np.zeros(count + 1, np.int64)
    sigma[0] = previous[0] = 1
    length, gap, last = 0, 1, 1
    for r in range(count):
        discrepancy = power_sums[r]
        for i in range(1, length + 1):
            discrepancy ^= _multiply(sigma[i], power_sums[r - i], exp, log)
        if discrepancy == 0:
            gap += 1
            continue
        scale = exp[log[discrepancy] + order - log[last]]
        kept = sigma.copy()
        for i in range(count + 1 - gap):
            sigma[i + gap] ^= _multiply(scale, previous[i], exp, log)
        if 2 * length <= r:
            length = r + 1 - length
            previous = kept
            last = discrepancy
            gap = 1
        else:
            gap += 1
    return sigma, length


@nb.njit(cache=True)
def _decode_batch(odd_power_sums, n, exp, log):  # type: ignore[no-untyped-def]
    batch, t = odd_power_sums.shape
    order = len(log) - 1
    weights = np.full(batch, -1, np.int64)
    positions = np.full((batch, t), -1, np.int64)
    sums = np.zeros(2 * t, np.int64)
    for row in range(batch):
        for j in range(1, 2 * t + 1):  # S_2j = S_j^2 in a binary code
            if j % 2:
                sums[j - 1] = odd_power_sums[row, j // 2]
            else:
                half = sums[j // 2 - 1]
                sums[j - 1] = _multiply(half, half, exp, log)
        sigma, length = _error_locator(sums, exp, log)
        if length > t:
            continue
        # Chien search: position i is in error when sigma(alpha^-i) = 0. All roots must lie among
        # the n positions that shortening has left.
        found = 0
        for i in range(n):
            value = 0
            for j in range(length + 1):
                if sigma[j]:
                    value ^= exp[(log[sigma[j]] + j * (order - i)) % order]
            if value == 0:
                if found < t:
                    positions[row, found] = i
                found += 1
        if found == length:
            weights[row] = length
        else:
            positions[row, :] = -1
    return weights, positions
