"""Shortened narrow-sense binary BCH codes: parity rows and batched hard-decision decoding.

SPEX sends no codeword. The rows of the parity-check matrix are the offsets of the masks. The
unknown frequency k is the *error pattern*, and the observed signs are its syndrome. Decoding the
syndrome finds k if its order is at most t.

Source: Lin & Costello, Error Control Coding, 2nd ed., section 6.1 (codes), 6.2 and 6.3
(Berlekamp-Massey, Chien search).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numba as nb
import numpy as np

from spex._typing import BoolArray, IntArray
from spex.errors import ArgumentError
from spex.f2.linalg import independent_rows

# Primitive polynomials over F2 by degree, bit i the coefficient of x^i (Lin & Costello, table 2.7).
_HEXADECIMAL = "7 B 13 25 43 89 11D 211 409 805 1053 201B 4443 8003 1100B"
_PRIMITIVE = {degree: int(digits, 16) for degree, digits in enumerate(_HEXADECIMAL.split(), 2)}
MAX_LENGTH = (1 << max(_PRIMITIVE)) - 1


@dataclass(frozen=True, eq=False)
class BCHCode:
    """A binary BCH code of length 2^m - 1 shortened to its first n positions.

    Args:
        n: Length after shortening.
        t: Number of errors that it corrects, at least.
        m: Degree of the field GF(2^m) over F2.
        parity_rows: (P, n) bool, independent rows of the parity-check matrix, P <= t m.
        syndrome_map: (t m, P) bool; times the P syndrome bits it gives the bits of the power sums
            S_1, S_3, .., S_{2t-1}, m bits each. P < t m where the field or n is so small that some
            of these bits depend on others.
        exp: (2 (2^m - 1),) int64, powers of the primitive element alpha, twice over.
        log: (2^m,) int64, logarithms to the base alpha; log[0] is -1.
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

    def decode(self, odd_power_sums: IntArray) -> tuple[IntArray, IntArray]:
        """Find the error patterns of weight <= t that have given syndromes.

        Args:
            odd_power_sums: (k, t) int64: for each syndrome the exclusive or of the
                `bit_power_sums` of its set bits.

        Returns:
            weights: (k,) int64, the number of errors, or -1 if no pattern of weight <= t
                within the n positions has this syndrome.
            positions: (k, t) int64, the positions of the errors, ascending, filled with -1.
        """
        weights = np.empty(len(odd_power_sums), dtype=np.int64)
        positions = np.full((len(odd_power_sums), self.t), -1, dtype=np.int64)
        _decode_batch(odd_power_sums, self.n, self.exp, self.log, weights, positions)
        return weights, positions

    @cached_property
    def bit_power_sums(self) -> IntArray:
        """(P, t) int64: what each set syndrome bit adds to the power sums S_1, S_3, .., S_2t-1.

        Power sums are elements of GF(2^m) as numbers; addition is exclusive or.
        """
        powers = 1 << np.arange(self.m, dtype=np.int64)
        bits = self.syndrome_map.T.reshape(self.n_parity, self.t, self.m)
        return np.asarray(bits.astype(np.int64) @ powers)


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
        array.flags.writeable = False  # the cache shares them
    return BCHCode(n, t, m, parity_rows, combination, exp, log)


@lru_cache(maxsize=16)
def _field_tables(m: int) -> tuple[IntArray, IntArray]:
    """`exp` and `log` of GF(2^m); see `BCHCode`."""
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
    """The product of two elements of GF(2^m), given as numbers; exp and log as in `BCHCode`."""
    if a == 0 or b == 0:
        return 0
    return exp[log[a] + log[b]]


@nb.njit(cache=True)
def _locate(power_sums, exp, log, sigma, previous, kept):  # type: ignore[no-untyped-def]
    """Berlekamp-Massey over GF(2^m): the shortest recurrence of S_1 .. S_2t.

    In a binary code every second discrepancy is zero (Lin & Costello, section 6.2) and is not
    computed.

    Args:
        power_sums: (2t,) int64, S_1 .. S_2t.
        exp: (2 (2^m - 1),) int64.
        log: (2^m,) int64.
        sigma: (2t + 1,) int64, written: the locator polynomial, constant term first.
        previous: (2t + 1,) int64, work space.
        kept: (2t + 1,) int64, work space.

    Returns:
        The length of the recurrence.
    """
    count = len(power_sums)
    order = len(log) - 1
    sigma[:] = 0
    previous[:] = 0
    sigma[0] = previous[0] = 1
    length, gap, last, reach = 0, 1, 1, 0  # reach: degree of `previous`
    for r in range(0, count, 2):
        discrepancy = power_sums[r]
        for i in range(1, length + 1):
            discrepancy ^= _multiply(sigma[i], power_sums[r - i], exp, log)
        if discrepancy == 0:
            gap += 2
            continue
        scale = log[discrepancy] + order - log[last]
        scale -= order if scale >= order else 0
        longer = 2 * length <= r
        if longer:
            for i in range(length + 1):  # numba compiles the copy of a slice for seconds
                kept[i] = sigma[i]
        for i in range(min(reach, count - gap) + 1):
            if previous[i]:
                sigma[i + gap] ^= exp[scale + log[previous[i]]]
        gap += 2
        if longer:
            for i in range(length + 1):
                previous[i] = kept[i]
            reach = length
            length = r + 1 - length
            last = discrepancy
            gap = 2
    return length


@nb.njit(cache=True)
def _splits(sigma, length, m, exp, log, power, square, squares):  # type: ignore[no-untyped-def]
    """Whether the locator has as many different roots in GF(2^m) as its degree.

    It has if and only if it divides x^(2^m) - x: square x, modulo the locator, m times. This costs
    some hundred operations, a search for the roots n, and most words cannot be decoded. Squaring is
    linear in the squares of the coefficients: row i of `squares` has the logarithms of x^2i modulo
    the locator, -1 for zero.

    Args:
        sigma: (2t + 1,) int64, the locator, constant term first.
        length: Its degree, 2 to t.
        m: Degree of the field.
        exp: (2 (2^m - 1),) int64.
        log: (2^m,) int64.
        power: (2t + 1,) int64, work space.
        square: (t,) int64, work space.
        squares: (t, t) int64, work space.
    """
    order = len(log) - 1
    if sigma[length] == 0:
        return False
    inverse = order - log[sigma[length]]
    power[:length] = 0
    power[0] = 1
    for i in range(length):
        for j in range(length):
            squares[i, j] = log[power[j]]
        for _ in range(2):  # times x
            top = power[length - 1]
            for j in range(length - 1, 0, -1):
                power[j] = power[j - 1]
            power[0] = 0
            if top:
                factor = (log[top] + inverse) % order
                for j in range(length):
                    if sigma[j]:
                        power[j] ^= exp[factor + log[sigma[j]]]
    power[:length] = 0
    power[1] = 1
    for _ in range(m):
        square[:length] = 0
        for i in range(length):
            if power[i]:
                factor = 2 * log[power[i]]
                factor -= order if factor >= order else 0
                for j in range(length):
                    if squares[i, j] >= 0:
                        square[j] ^= exp[factor + squares[i, j]]
        for i in range(length):
            power[i] = square[i]
    for i in range(length):
        if power[i] != (1 if i == 1 else 0):
            return False
    return True


@nb.njit(cache=True)
def _decode_batch(odd_power_sums, n, exp, log, weights, positions):  # type: ignore[no-untyped-def]
    """Decode many syndromes, given as power sums.

    Args:
        odd_power_sums: (k, t) int64, S_1, S_3, .., S_2t-1.
        n: Length of the shortened code.
        exp: (2 (2^m - 1),) int64, of the code.
        log: (2^m,) int64, of the code.
        weights: (k,) int64, written: the number of errors, or -1.
        positions: (k, t) int64, filled with -1; written where decoding succeeds.
    """
    batch, t = odd_power_sums.shape
    order = len(log) - 1
    m = 0
    while (1 << m) < order:
        m += 1
    sums = np.zeros(2 * t, np.int64)
    sigma = np.zeros(2 * t + 1, np.int64)
    previous = np.zeros(2 * t + 1, np.int64)
    kept = np.zeros(2 * t + 1, np.int64)
    square = np.zeros(t, np.int64)
    squares = np.zeros((t, t), np.int64)
    steps = np.zeros(t + 1, np.int64)
    for row in range(batch):
        weights[row] = -1
        for j in range(1, 2 * t + 1):  # S_2j = S_j^2 in a binary code
            if j % 2:
                sums[j - 1] = odd_power_sums[row, j // 2]
            else:
                half = sums[j // 2 - 1]
                sums[j - 1] = _multiply(half, half, exp, log)
        length = _locate(sums, exp, log, sigma, previous, kept)
        if length == 0:
            weights[row] = 0
            continue
        if length == 1:  # sigma = 1 + S_1 x: the position is the logarithm of S_1
            position = log[sums[0]]
            if position < n:
                weights[row] = 1
                positions[row, 0] = position
            continue
        if length > t or not _splits(sigma, length, m, exp, log, previous, square, squares):
            continue
        if _search_roots(sigma, length, n, exp, log, steps, positions, row):
            weights[row] = length
        else:
            positions[row, :] = -1


@nb.njit(cache=True)
def _search_roots(sigma, length, n, exp, log, steps, positions, row):  # type: ignore[no-untyped-def]
    """Chien search: position i is in error when sigma(alpha^-i) = 0.

    Args:
        sigma: (2t + 1,) int64, the locator, constant term first.
        length: Its degree.
        n: Length of the shortened code.
        exp: (2 (2^m - 1),) int64.
        log: (2^m,) int64.
        steps: (t + 1,) int64, work space.
        positions: (k, t) int64; this row is written.
        row: Its number.

    Returns:
        Whether all roots lie among the n positions that shortening has left.
    """
    order = len(log) - 1
    for j in range(length + 1):
        steps[j] = log[sigma[j]]  # -1 for a coefficient that is zero
    found = 0
    for i in range(n):
        value = 0
        for j in range(length + 1):
            if steps[j] >= 0:
                value ^= exp[steps[j]]
                steps[j] -= j
                if steps[j] < 0:
                    steps[j] += order
        if value == 0:
            positions[row, found] = i
            found += 1
            if found == length:
                return True
    return False
