"""Frequencies decoded from the signs of the bins, as words of a code."""

import numba as nb
import numpy as np
from scipy.special import ndtr

from spex._typing import Float32Array, FloatArray, IntArray
from spex.f2.bch import BCHCode
from spex.fourier.evidence import Geometry, Residual
from spex.fourier.search import normalised

# Signs of a bin that soft decoding may flip: at most 2^this hard decodings.
_DOUBTED = 6
# Patterns of wrong signs are tried up to these log-odds against them.
_UNLIKELY = 8.0
# A bin is decoded again if it changes by more than this share of its energy. A smaller change turns
# only signs that soft decoding flips anyway.
UNCHANGED = 0.01


class Codewords:
    """Frequencies decoded from the signs of the bins.

    Soft decoding after Chase (1972, algorithm 2) tries both values of the least reliable signs and
    decodes each word algebraically. A frequency that does not fall into the word's own bin is
    dropped. Each bin is decoded alone, and also averaged with its most correlated bins in the other
    groups. A frequency has the same signs there, and averaging three bins lowers the noise by
    sqrt(3).

    From one round of message passing to the next most words hardly change. These are not decoded
    again; what they were decoded to remains proposed.

    Args:
        geometry: Geometry of the design.
        code: The code whose parity rows are the offsets.
    """

    def __init__(self, geometry: Geometry, code: BCHCode) -> None:
        self._geometry = geometry
        self._code = code
        self._doubted = min(_DOUBTED, geometry.n_offsets)
        self._found = np.zeros((0, code.t), dtype=np.int64)
        # The words that were decoded last, of each bin alone and averaged.
        shape = (2, int(geometry.n_bins.sum()), geometry.n_offsets)
        self._decoded = np.zeros(shape, dtype=np.float32)

    def propose(self, residual: Residual, least: float) -> IntArray:
        """Decode the words that have changed.

        Args:
            residual: The bins.
            least: The threshold, a log-likelihood ratio.

        Returns:
            (k, t) int64 features, sorted and filled with -1: all frequencies found so far.
        """
        for decoded, (hot, words, rows, energy) in zip(
            self._decoded, _words(residual, least), strict=False
        ):
            # Skip words with more wrong signs expected than can be flipped.
            snr = np.sqrt(np.maximum(energy - 1, 0))
            hopeful = self._geometry.n_offsets * ndtr(-snr) <= max(self._doubted, 1)
            change = ((words - decoded[hot]) ** 2).sum(axis=1)
            todo = hopeful & (change > UNCHANGED * (words**2).sum(axis=1))
            if not todo.any():
                continue
            decoded[hot[todo]] = words[todo]
            word, members = _chase(words[todo], snr[todo], self._code, self._doubted)
            in_bin = (self._geometry.rows_of(members) == rows[todo][word]).any(axis=1)
            self._found = np.concatenate([self._found, members[in_bin]])
        self._found = normalised(self._found)
        return self._found


def _words(
    residual: Residual, least: float
) -> list[tuple[IntArray, Float32Array, IntArray, FloatArray]]:
    """Soft words to decode: those of single bins, and those averaged over groups.

    Returns:
        For both kinds: (w,) int64, the bin of each word. (w, P + 1) float32, its entries. (w, C)
        int64, the bins that it averages, -1 for none. (w,) float64, the mean square of its entries
        over the variance of their noise.
    """
    geometry = residual.geometry
    n_groups = len(geometry.start)
    hot = np.nonzero(residual.potential * n_groups >= least)[0]
    if not len(hot):
        return []
    group = np.searchsorted(geometry.start, hot, side="right") - 1
    rows = residual.rows[hot]
    alone = np.full((len(hot), n_groups), -1, dtype=np.int64)
    alone[np.arange(len(hot)), group] = hot
    noise = residual.noise / geometry.n_bins[group]
    words = [(hot, rows, alone, (rows**2).mean(axis=1) / noise)]
    if n_groups == 1:
        return words

    length = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    unit = rows / np.where(length > 0, length, 1)
    merged, where, noises = rows.copy(), alone.copy(), noise.copy()
    for c in range(n_groups):
        in_group = np.nonzero(group == c)[0]
        others = np.nonzero(group != c)[0]
        if not len(in_group) or not len(others):
            continue
        correlation = unit[others] @ unit[in_group].T
        best = correlation.argmax(axis=1)
        # The correlation that the best of this many random words would reach.
        chance = np.sqrt(2 * np.log(max(len(in_group), 2)) / geometry.n_offsets)
        sure = correlation[np.arange(len(others)), best] > chance
        merged[others[sure]] += rows[in_group[best[sure]]]
        noises[others[sure]] += noise[in_group[best[sure]]]
        where[others[sure], c] = hot[in_group[best[sure]]]
    joined = (where >= 0).sum(axis=1) > 1
    if joined.any():
        energy = (merged[joined] ** 2).mean(axis=1) / noises[joined]
        words.append((hot[joined], merged[joined], where[joined], energy))
    return words


def _chase(
    words: Float32Array, snr: FloatArray, code: BCHCode, doubted: int
) -> tuple[IntArray, IntArray]:
    """Decode soft words.

    Args:
        words: (w, P + 1) float32.
        snr: (w,) float64, amplitude over the standard deviation of the noise.
        code: The code whose parity rows are the offsets.
        doubted: Number of signs of a word to try both ways.

    Returns:
        (k,) int64 numbers of words and (k, t) int64 features, filled with -1.
    """
    magnitude = np.abs(words)
    doubtful = np.argpartition(magnitude, max(doubted - 1, 0), axis=1)[:, :doubted]
    sums = _power_sums(words, code.bit_power_sums)
    # A wrong sign at the offset 0 turns every bit of the syndrome.
    every = np.bitwise_xor.reduce(code.bit_power_sums, axis=0)
    change = np.concatenate([every[None], code.bit_power_sums])[doubtful]  # (w, doubted, t)
    # An entry is the amplitude a under noise of variance v, so that its sign is wrong with log-odds
    # -2 a |entry| / v.
    scale = np.sqrt((words**2).mean(axis=1, keepdims=True) / (1 + snr[:, None] ** 2))
    doubt = 2 * snr[:, None] * np.take_along_axis(magnitude, doubtful, axis=1) / scale
    word, batch = _patterns(sums, change, doubt)
    weights, positions = code.decode(batch)
    good = weights > 0
    return word[good], positions[good]


@nb.njit(cache=True)
def _power_sums(words, of_bit):  # type: ignore[no-untyped-def]
    """(w, t) int64 power sums of the syndromes that words show.

    Args:
        words: (w, P + 1) float32; a syndrome bit is set where a sign differs from the first.
        of_bit: (P, t) int64, what each syndrome bit adds.
    """
    sums = np.zeros((len(words), of_bit.shape[1]), np.int64)
    for w in range(len(words)):
        for bit in range(len(of_bit)):
            if (words[w, bit + 1] < 0) != (words[w, 0] < 0):
                for i in range(of_bit.shape[1]):
                    sums[w, i] ^= of_bit[bit, i]
    return sums


@nb.njit(cache=True)
def _patterns(sums, change, doubt):  # type: ignore[no-untyped-def]
    """The power sums of each word with its doubtful signs turned in every likely way.

    Args:
        sums: (w, t) int64 power sums of the words as they are.
        change: (w, doubted, t) int64, what turning each doubtful sign adds to them.
        doubt: (w, doubted) float64, the log-odds that each is right.

    Returns:
        (k,) int64 numbers of words, and (k, t) int64 power sums.
    """
    n_words, doubted = doubt.shape
    t = sums.shape[1]
    against = np.zeros(1 << doubted)
    count = 0
    for only_count in (True, False):
        if not only_count:
            word = np.empty(count, np.int64)
            batch = np.empty((count, t), np.int64)
            count = 0
        for w in range(n_words):
            for flip in range(doubted):
                for pattern in range(1 << flip):
                    against[pattern | 1 << flip] = against[pattern] + doubt[w, flip]
            for pattern in range(1 << doubted):
                if against[pattern] > _UNLIKELY:
                    continue
                if not only_count:
                    word[count] = w
                    for i in range(t):
                        batch[count, i] = sums[w, i]
                        for flip in range(doubted):
                            if pattern >> flip & 1:
                                batch[count, i] ^= change[w, flip, i]
                count += 1
    return word, batch
