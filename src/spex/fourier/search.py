"""Where frequencies are looked for: all of a low order, neighbours of those found, and codewords.

Each search proposes frequencies as rows of features, filled with -1; `evidence` judges them all by
the same measure. A search may propose too much, never too little to its best knowledge.
"""

import numba as nb
import numpy as np
from scipy.special import ndtr

from spex._typing import FloatArray, IntArray
from spex.f2.bch import BCHCode, decode_batch
from spex.fourier.evidence import Residual, log_count

# All frequencies of an order above two are tried if there are no more than this: about half a
# second. All pairs always are: 2 s for 10,000 features.
MAX_ENUMERATED = 5_000_000
# Proposals of one search; more than are ever right.
_CAPACITY = 20_000
# Signs that soft decoding may doubt: 2^this hard decodings of a bin.
_DOUBTED = 6


def enumerable_order(n: int, max_degree: int) -> int:
    """The highest order up to which every frequency is tried."""
    order = min(2, max_degree, n)
    while order < min(max_degree, n) and np.exp(log_count(n, np.array([order + 1])))[0] <= (
        MAX_ENUMERATED
    ):
        order += 1
    return order


def enumerate_order(residual: Residual, order: int, least: float) -> IntArray:
    """All frequencies of an order whose evidence may exceed a threshold.

    Args:
        residual: The bins.
        order: d, at least 1.
        least: The log-likelihood ratio that is asked for.

    Returns:
        (k, d) int64 features.
    """
    geometry = residual.geometry
    found = np.empty((_CAPACITY, order), dtype=np.int64)
    shares = np.empty(_CAPACITY)
    # With shares rho_c of the bins' energy explained, the evidence is at most
    # -weight ln(1 - sum rho_c), whatever the amplitude.
    needed = 1.0 - np.exp(-least / residual.weight)
    scale = 1.0 / (np.maximum(residual.energy, residual.floor) * geometry.n_offsets**2)
    count = _enumerate(
        geometry.signs, geometry.numbers, geometry.start, residual.rows,
        scale.astype(np.float32), residual.potential, least, needed, found, shares,
    )  # fmt: skip
    return found[:count].copy()


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _enumerate(  # type: ignore[no-untyped-def]
    signs, numbers, start, rows, scale, potential, least, needed, found, shares
):
    n, n_offsets = signs.shape
    n_groups = len(start)
    capacity, order = found.shape
    # Signs and bin numbers of the first d features, for d < order; only the last one moves fast.
    prefix = np.ones((order, n_offsets), np.float32)
    prefix_number = np.zeros((order, n_groups), np.int64)
    chosen = np.arange(order)
    row = np.zeros(n_groups, np.int64)
    count = 0
    depth = 0  # the prefix is up to date before this position
    while True:
        for d in range(depth, order - 1):
            for i in range(n_offsets):
                prefix[d + 1, i] = prefix[d, i] * signs[chosen[d], i]
            for c in range(n_groups):
                prefix_number[d + 1, c] = prefix_number[d, c] ^ numbers[c, chosen[d]]
        last = prefix[order - 1]
        for feature in range(chosen[order - 1], n):
            possible = 0.0
            for c in range(n_groups):
                row[c] = start[c] + (prefix_number[order - 1, c] ^ numbers[c, feature])
                possible += potential[row[c]]
            if possible < least:
                continue
            share = np.float32(0)
            for c in range(n_groups):
                total = np.float32(0)
                for i in range(n_offsets):
                    total += last[i] * signs[feature, i] * rows[row[c], i]
                share += total * total * scale[row[c]]
            if share < needed:
                continue
            if count == capacity:
                # Too many: go on with the better half, and ask for more from now on.
                needed = np.median(shares)
                kept = 0
                for k in range(count):
                    if shares[k] > needed:
                        found[kept] = found[k]
                        shares[kept] = shares[k]
                        kept += 1
                count = kept
                if share <= needed or count == capacity:
                    continue
            found[count, : order - 1] = chosen[: order - 1]
            found[count, order - 1] = feature
            shares[count] = share
            count += 1
        # The next combination of all but the last.
        depth = order - 2
        while depth >= 0 and chosen[depth] == n - order + depth:
            depth -= 1
        if depth < 0:
            return count
        chosen[depth] += 1
        for d in range(depth + 1, order):
            chosen[d] = chosen[d - 1] + 1


def neighbours(members: IntArray, n: int, max_degree: int) -> IntArray:
    """Frequencies that differ in one feature from given ones, or are two of them joined.

    Args:
        members: (k, d) int64 features, filled with -1.
        n: Number of features.
        max_degree: Highest order returned.

    Returns:
        (j, max_degree) int64 features, sorted and filled with -1, without repetition.
    """
    found = []
    for frequency in members:
        present = frequency[frequency >= 0]
        if len(present) < max_degree:
            rows = np.full((n, max_degree), -1, dtype=np.int64)
            rows[:, : len(present)] = present
            rows[:, len(present)] = np.arange(n)
            found.append(rows[~np.isin(np.arange(n), present)])
        for left_out in range(len(present) if len(present) > 1 else 0):
            row = np.full((1, max_degree), -1, dtype=np.int64)
            row[0, : len(present) - 1] = np.delete(present, left_out)
            found.append(row)
    if not found:
        return np.zeros((0, max_degree), dtype=np.int64)
    return normalised(np.concatenate(found))


def normalised(members: IntArray) -> IntArray:
    """Rows sorted, the -1 last, without repetition."""
    large = np.iinfo(np.int64).max
    rows = np.sort(np.where(members < 0, large, members), axis=1)
    rows[rows == large] = -1
    if not len(rows):
        return rows
    order = np.lexsort(rows.T)
    rows = rows[order]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[first]


def decode_bins(residual: Residual, code: BCHCode, least: float) -> IntArray:
    """Frequencies whose syndrome the signs of a bin show, up to a few wrong signs.

    Soft decoding after Chase (1972, algorithm 2): the least reliable signs are tried both ways,
    each word is decoded algebraically, and what does not fall into its own bin is dropped. Each bin
    is decoded alone and averaged with its likeliest partners in the other groups: the same
    frequency shows the same signs there, and averaging three lowers the noise by sqrt(3).

    Args:
        residual: The bins.
        code: The code whose parity rows are the offsets.
        least: Log-likelihood ratio below which a bin cannot hold anything.

    Returns:
        (k, t) int64 features, sorted and filled with -1.
    """
    geometry = residual.geometry
    found = []
    for words, rows, energy in _words(residual, least):
        # More wrong signs than are doubted cannot be put right.
        snr = np.sqrt(np.maximum(energy - 1, 0))
        hopeful = geometry.n_offsets * ndtr(-snr) <= _DOUBTED
        words, rows = words[hopeful], rows[hopeful]
        if not len(words):
            continue
        frequencies = _chase(words, code)
        if len(frequencies[0]):
            word, members = frequencies
            in_bin = (geometry.rows_of(members) == rows[word]).sum(axis=1) >= 1
            found.append(members[in_bin])
    if not found:
        return np.zeros((0, code.t), dtype=np.int64)
    return normalised(np.concatenate(found))


def _words(residual: Residual, least: float) -> list[tuple[FloatArray, IntArray, FloatArray]]:
    """Soft words to decode.

    Returns:
        Their entries, in which rows (-1 for none) their frequency must fall, and the mean energy of
        their entries in units of the noise's.
    """
    geometry = residual.geometry
    n_groups = len(geometry.start)
    hot = np.nonzero(residual.potential * n_groups >= least)[0]
    if not len(hot):
        return []
    group = np.searchsorted(geometry.start, hot, side="right") - 1
    rows = residual.rows[hot].astype(np.float64)
    alone = np.full((len(hot), n_groups), -1, dtype=np.int64)
    alone[np.arange(len(hot)), group] = hot
    noise = residual.noise / geometry.n_bins[group]
    words = [(rows, alone, (rows**2).mean(axis=1) / noise)]
    if n_groups == 1:
        return words

    unit = rows / np.maximum(np.sqrt((rows**2).sum(axis=1, keepdims=True)), 1e-300)
    merged, where, noises = rows.copy(), alone.copy(), noise.copy()
    for c in range(n_groups):
        in_group = np.nonzero(group == c)[0]
        others = np.nonzero(group != c)[0]
        if not len(in_group) or not len(others):
            continue
        correlation = unit[others] @ unit[in_group].T
        best = correlation.argmax(axis=1)
        # Above what the best of so many random words would reach.
        chance = np.sqrt(2 * np.log(max(len(in_group), 2)) / geometry.n_offsets)
        sure = correlation[np.arange(len(others)), best] > chance
        merged[others[sure]] += rows[in_group[best[sure]]]
        noises[others[sure]] += noise[in_group[best[sure]]]
        where[others[sure], c] = hot[in_group[best[sure]]]
    joined = (where >= 0).sum(axis=1) > 1
    if joined.any():
        energy = (merged[joined] ** 2).mean(axis=1) / noises[joined]
        words.append((merged[joined], where[joined], energy))
    return words


def _chase(words: FloatArray, code: BCHCode) -> tuple[IntArray, IntArray]:
    """Decode soft words: (w, P + 1) to numbers of words and (k, t) features, filled with -1."""
    doubted = min(_DOUBTED, words.shape[1])
    least = np.argpartition(np.abs(words), doubted - 1, axis=1)[:, :doubted]
    negative = words < 0
    syndromes = negative[:, 1:] != negative[:, :1]
    sums = np.zeros((len(words), code.t), dtype=np.int64)
    for bit, of_bit in zip(syndromes.T, code.bit_power_sums, strict=True):
        sums[bit] ^= of_bit
    # A wrong sign at the offset 0 turns every bit of the syndrome.
    every = np.bitwise_xor.reduce(code.bit_power_sums, axis=0)
    change = np.concatenate([every[None], code.bit_power_sums])[least]  # (w, doubted, t)
    tried = np.zeros((len(words), 1, code.t), dtype=np.int64)
    for flip in range(doubted):
        tried = np.concatenate([tried, tried ^ change[:, flip, None, :]], axis=1)
    tried ^= sums[:, None, :]
    batch = tried.reshape(-1, code.t)
    weights = np.empty(len(batch), dtype=np.int64)
    positions = np.full((len(batch), code.t), -1, dtype=np.int64)
    decode_batch(batch, code.n, code.exp, code.log, weights, positions)
    good = np.nonzero(weights > 0)[0]
    return good // tried.shape[1], positions[good]
