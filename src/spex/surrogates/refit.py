"""Estimate the coefficients on a given support from all evaluated masks.

Every fit needs only the Gram matrix of the signs (-1)^<k,m>, which adds over masks. One pass over
the drawn masks gives the matrix of each fold; the bins give that of the coded masks. Each fit of
cross-validation is then a small linear system.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spex._typing import FloatArray, IntArray, WordArray
from spex.f2.packing import are_among, n_words, signs
from spex.fourier import positive_definite
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Fitted, Samples

# Ridge penalties tried, as multiples of the number of masks. Signs have unit variance and the
# values are standardised, so a penalty compares with noise variance / (masks x coefficient
# variance). The first is none, but for rounding.
PENALTIES = np.array([1e-13, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0])
# If there are this many times more masks than coefficients, penalties below the second number have
# no effect. The Gram matrix is then near the identity times the number of masks.
_MANY, _SMALL = 10, 0.02
_WORTHWHILE = 0.01
# See `coefficient_errors`. With 1 instead of 3, intervals of small samples contain the truth in 1
# to 4 % fewer cases.
_NOISE_IN_PRIOR = 3.0
# Longer supports are tried until this many in a row have not lowered the error.
_PATIENCE = 2
# Mean squared error, in units of the variance, that is nothing but rounding.
NEGLIGIBLE = 1e-9
_BLOCK_CELLS = 1 << 23  # signs computed at once: 32 MB


def first_order(n: int) -> WordArray:
    """(n, n_words): the frequencies of order 1."""
    features = np.arange(n)
    words = np.zeros((n, n_words(n)), dtype=np.uint64)
    words[features, features // 64] = np.uint64(1) << (features % 64).astype(np.uint64)
    return words


def with_constant(support: WordArray) -> WordArray:
    """The constant's frequency, then those of a support: (k, n_words) to (k + 1, n_words)."""
    return np.pad(support, ((1, 0), (0, 0)))


def without(support: WordArray, known: WordArray) -> WordArray:
    """The rows of a support that are not among known ones, in their order."""
    return support[~are_among(support, known)]


def ridge_path(
    samples: Samples,
    support: WordArray,
    lengths: Sequence[int],
    folds: Sequence[IntArray],
    weights: FloatArray | None = None,
    penalties: FloatArray | None = None,
) -> Fitted:
    """Ridge regression on the best prefix of a support, chosen by nested cross-validation.

    The length and the penalty for fold i are chosen by the errors on each fold j of fits without i
    and j. Fold i is then predicted by the fit to all other folds, so no mask's value takes part in
    its own prediction.

    Args:
        samples: Evaluated masks.
        support: (k, n_words) frequencies without the constant, the surest first.
        lengths: How many of them are tried.
        folds: Row numbers left out together; no row twice, at least two folds.
        weights: (k,) factor of the penalty of each; default: 1.
        penalties: Ascending, as multiples of the number of masks; default: `PENALTIES`, or
            fewer if there are many masks for each coefficient.

    Returns:
        The fit, the constant first.
    """
    centre, spread = float(samples.values.mean()), float(samples.values.std())
    n = samples.n_features
    predictions = np.full(len(samples), np.nan)
    order = np.concatenate(folds)
    if spread == 0.0:
        predictions[order] = centre
        return Fitted(Spectrum.constant(centre, n), predictions, len(folds[0]) / len(samples))
    if penalties is None:
        matter = (PENALTIES > _SMALL) | (PENALTIES == PENALTIES[0])
        penalties = PENALTIES[matter] if len(samples) > _MANY * max(lengths) else PENALTIES
    path = _Path(
        samples,
        (centre, spread),
        with_constant(support),
        # The first column, the constant, is not penalised.
        np.concatenate([[0.0], np.ones(len(support)) if weights is None else weights]),
        sorted(set(lengths)),
        folds,
        penalties,
    )
    while path.worthwhile():
        path.advance()
    for fold, rows in enumerate(folds):
        predictions[rows] = centre + spread * path.prediction(fold, *path.best(fold))
    fit = spread * path.final(*path.best())
    fit[0] += centre
    found = Spectrum(n, path.columns[: len(fit)], fit)
    return Fitted(found, predictions, len(folds[0]) / len(samples))


class _Path:
    """Fits of ever longer prefixes of a support, for all penalties, with two folds left out.

    Attributes:
        columns: (k, n_words) the constant and the support.
    """

    def __init__(
        self,
        samples: Samples,
        scale: tuple[float, float],
        columns: WordArray,
        weights: FloatArray,
        lengths: Sequence[int],
        folds: Sequence[IntArray],
        penalties: FloatArray,
    ) -> None:
        self.columns = columns
        self._penalties = penalties
        # For each length tried so far, the penalties that each fold may choose from.
        self._windows: list[list[slice]] = []
        self._words = samples.words
        centre, spread = scale
        self._values = (samples.values - centre) / spread
        self._weights = weights
        self._lengths = lengths
        self._is_given = len(lengths) == len(penalties) == 1  # nothing to choose
        self._folds = folds
        rest = np.ones(len(samples), dtype=np.bool_)
        rest[np.concatenate(folds)] = False
        self._design = None
        if samples.coded is not None and samples.designed is not None:
            self._design = samples.coded.design
            self._designed_values = (samples.coded.values - centre) / spread
            rest &= ~samples.designed
        self._rest = np.nonzero(rest)[0]
        self._size = 0  # columns whose moments are known
        self._moments: list[_Moments] = []
        # By pair of folds and length: squared errors of both, by the fit without both.
        self._pairs: dict[tuple[int, int], list[tuple[FloatArray, FloatArray]]] = {
            pair: [] for pair in itertools.combinations(range(len(folds)), 2)
        }

    def worthwhile(self) -> bool:
        """Whether any choice could still fall on a longer support."""
        tried = len(self._windows)
        if tried == len(self._lengths) or self._is_given:
            return False
        return tried == 0 or not all(
            _considered(self.errors(fold))[1] for fold in (None, *range(len(self._folds)))
        )

    def advance(self) -> None:
        """Fit the next length."""
        length = self._lengths[len(self._windows)] + 1
        self._grow(length)
        weights = self._weights[:length]
        m = len(self._words)
        windows = self._windows_for_next()
        tried = slice(min(w.start for w in windows), max(w.stop for w in windows))
        signs_of = [signs(self._words[rows], self.columns[:length]) for rows in self._folds]
        for (a, b), errors in self._pairs.items():
            left = _less(_less(self._total, self._moments[a], length), self._moments[b], length)
            n_left = m - len(self._folds[a]) - len(self._folds[b])
            fits = _ridge(left, n_left * weights, self._penalties[tried])
            both = []
            for fold in (a, b):
                rows = self._folds[fold]
                squared = np.full((len(rows), len(self._penalties)), np.inf)
                squared[:, tried] = (
                    self._values[rows, None] - signs_of[fold] @ fits.astype(np.float32)
                ) ** 2
                both.append(squared)
            errors.append((both[0], both[1]))
        self._windows.append(windows)

    def _windows_for_next(self) -> list[slice]:
        """For each fold, the range of penalties to try for the next length.

        All at first; then the best one of the last length and its two neighbours. A fold's own
        values must have no part in its prediction, so they do not choose.
        """
        if not self._windows:
            return [slice(0, len(self._penalties))] * len(self._folds)
        windows = []
        for fold in range(len(self._folds)):
            best = int(self.errors(fold)[:, -1].mean(axis=0).argmin())
            windows.append(slice(max(best - 1, 0), min(best + 2, len(self._penalties))))
        return windows

    def errors(self, fold: int | None = None) -> FloatArray:
        """Squared errors of the fits that left out two folds, at the masks of these folds.

        Args:
            fold: Only fits that left out this fold, and only their errors in the other one;
                infinite for penalties that were not tried for it. Default: all fits, both folds.

        Returns:
            (masks, lengths, penalties) float64.
        """
        found = []
        for pair, errors in self._pairs.items():
            judges = [side for side in (0, 1) if fold is None or pair[1 - side] == fold]
            found += [np.stack([both[side] for both in errors], axis=1) for side in judges]
        joined = np.concatenate(found)
        if fold is not None:
            for number, windows in enumerate(self._windows):
                joined[:, number, : windows[fold].start] = np.inf
                joined[:, number, windows[fold].stop :] = np.inf
        return joined

    def best(self, fold: int | None = None) -> tuple[int, float]:
        """The length and the penalty of least error: without a fold's own values, or by all."""
        if self._is_given:
            return self._lengths[0], float(self._penalties[0])
        number, penalty = _best(self.errors(fold))
        return self._lengths[number], float(self._penalties[penalty])

    def prediction(self, fold: int, length: int, penalty: float) -> FloatArray:
        """Predict a fold by the fit of a length to all other masks."""
        rows = self._folds[fold]
        self._grow(length + 1)
        left = _less(self._total, self._moments[fold], length + 1)
        weights = (len(self._words) - len(rows)) * self._weights[: length + 1]
        fit = _ridge(left, weights, np.array([penalty]))[:, 0]
        return np.asarray(signs(self._words[rows], self.columns[: length + 1]) @ fit)

    def final(self, length: int, penalty: float) -> FloatArray:
        """Coefficients from all masks."""
        size = length + 1
        moments = _Moments(self._total.gram[:size, :size], self._total.cross[:size])
        weights = len(self._words) * self._weights[:size]
        return _ridge(moments, weights, np.array([penalty]))[:, 0]

    def _grow(self, length: int) -> None:
        if length <= self._size:
            return
        # At first include the lengths tried if the first or the second is the best. Later include a
        # few more than needed, so that few lengths need a separate pass over the masks.
        enough = 1.25 * length if self._size else self._lengths[: _PATIENCE + 2][-1]
        self._size = next((n + 1 for n in self._lengths if n >= enough), len(self.columns))
        columns = self.columns[: self._size]
        parts = [*self._folds, self._rest]
        self._moments = [_moments(self._words[r], columns, self._values[r]) for r in parts]
        if self._design is not None:
            self._moments.append(_Moments(*self._design.moments(columns, self._designed_values)))
        self._total = _sum(self._moments)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over masks: gram (k, k) of signs with signs, cross (k,) of signs with values."""

    gram: FloatArray
    cross: FloatArray


def _moments(words: WordArray, columns: WordArray, values: FloatArray) -> _Moments:
    gram = np.zeros((len(columns), len(columns)))
    cross = np.zeros(len(columns))
    step = max(1, _BLOCK_CELLS // len(columns))
    for start in range(0, len(words), step):
        block = signs(words[start : start + step], columns)
        # Sums of fewer than 2^24 signs are exact in float32.
        gram += block.T @ block
        cross += values[start : start + step] @ block
    return _Moments(gram, cross)


def _sum(parts: Sequence[_Moments]) -> _Moments:
    return _Moments(
        np.sum([part.gram for part in parts], axis=0),
        np.sum([part.cross for part in parts], axis=0),
    )


def _less(total: _Moments, part: _Moments, size: int) -> _Moments:
    """The sums of the first columns without a part of the masks."""
    gram = total.gram[:size, :size] - part.gram[:size, :size]
    return _Moments(gram, total.cross[:size] - part.cross[:size])


def _ridge(moments: _Moments, weights: FloatArray, penalties: FloatArray) -> FloatArray:
    """(k, penalties) coefficients, for penalties that times (k,) weights."""
    fits = np.empty((len(weights), len(penalties)))
    for number, penalty in enumerate(penalties):
        fits[:, number] = positive_definite.ridge(moments.gram, penalty * weights, moments.cross)
    return fits


def _considered(errors: FloatArray) -> tuple[int, bool]:
    """The number of lengths to choose from, and whether to stop there.

    Stop where the error is nothing but rounding, or where `_PATIENCE` longer supports in a row did
    not lower it.

    Args:
        errors: (m, lengths, penalties) float64, squared.
    """
    means = errors.mean(axis=0).min(axis=1)
    best = 0
    for number, mean in enumerate(means):
        if mean < NEGLIGIBLE:
            return number + 1, True
        if mean < means[best]:
            best = number
        elif number - best >= _PATIENCE:
            return number + 1, True
    return len(means), False


def _best(errors: FloatArray) -> tuple[int, int]:
    """The position of the length, and of the penalty, that are chosen.

    Chooses not the length of least error, but the shortest that is about as good. Its error exceeds
    the least by at most the standard error of their difference (Hastie et al., section 7.10), or by
    one hundredth. On a sparse function the decoded support alone is exact.

    Args:
        errors: (m, lengths, penalties) float64, squared.
    """
    errors = errors[:, : _considered(errors)[0]]
    means = errors.mean(axis=0)
    penalties = means.argmin(axis=1)
    of_length = errors[:, np.arange(len(penalties)), penalties]
    best = int(of_length.mean(axis=0).argmin())
    excess = of_length - of_length[:, best, None]
    doubt = excess.std(axis=0) / np.sqrt(len(errors))
    least = float(of_length[:, best].mean())
    good = excess.mean(axis=0) <= np.maximum(doubt, _WORTHWHILE * least)
    number = int(np.nonzero(good)[0][0])
    return number, int(penalties[number])


def coefficient_errors(samples: Samples, spectrum: Spectrum, unexplained: float) -> FloatArray:
    """Standard errors of the coefficients of any fit, taking its support as given.

    They are the posterior standard deviations of a ridge regression. Its noise variance is the mean
    squared error. The prior variance of a coefficient is its own square plus a multiple of the
    variance that noise alone gives it. So small coefficients have small errors.

    Args:
        samples: Evaluated masks.
        spectrum: (k,) fitted coefficients.
        unexplained: Mean squared error on masks that the fit has not seen.

    Returns:
        (k,) in the unit of the value function.
    """
    if unexplained <= 0.0:
        return np.zeros(len(spectrum))
    prior = spectrum.coefficients**2 + _NOISE_IN_PRIOR * unexplained / len(samples)
    penalties = np.where(spectrum.orders > 0, unexplained / prior, 0.0)
    if len(samples) < len(spectrum):
        diagonal = _wide_inverse_diagonal(samples.words, spectrum.support, penalties)
    else:
        factor = positive_definite.penalised_cholesky(_gram(samples, spectrum.support), penalties)
        diagonal = positive_definite.inverse(factor).diagonal()
    return np.asarray(np.sqrt(unexplained * diagonal))


def _wide_inverse_diagonal(
    words: WordArray, support: WordArray, penalties: FloatArray
) -> FloatArray:
    """The diagonal of (X^T X + P)^-1 for more coefficients than masks, by an (m, m) matrix.

    Let X be the signs, P the penalties p and x a column of X. The result is 1/p - x^T (1 + X P^-1
    X^T)^-1 x / p^2 (Woodbury's identity).

    Args:
        words: (m, n_words) uint64, masks.
        support: (k, n_words) uint64, frequencies.
        penalties: (k,) float64. 0 is raised to m / 10^7, which hardly changes the result. Those of
            a fit without noise are raised to m / 10^12, so that rounding does not spoil it.

    Returns:
        (k,) float64.
    """
    penalties = np.where(penalties > 0, penalties, 1e-7 * len(words))
    penalties = np.maximum(penalties, 1e-12 * len(words))
    step = max(1, _BLOCK_CELLS // len(words))
    blocks = [slice(start, start + step) for start in range(0, len(support), step)]
    system = np.zeros((len(words), len(words)))
    for block in blocks:
        columns = signs(support[block], words).astype(np.float64)
        system += (columns.T / penalties[block]) @ columns
    factor = positive_definite.penalised_cholesky(system, 1.0)
    diagonal = np.empty(len(support))
    for block in blocks:
        columns = signs(support[block], words).astype(np.float64)
        used = (columns * positive_definite.solve(factor, columns)).sum(axis=1)
        diagonal[block] = 1 / penalties[block] - used / penalties[block] ** 2
    return np.maximum(diagonal, 0.0)


def _gram(samples: Samples, columns: WordArray) -> FloatArray:
    """(k, k) sums over all masks of signs with signs; over those of a design, from its bins."""
    if samples.coded is None or samples.designed is None:
        return _moments(samples.words, columns, samples.values).gram
    rest = ~samples.designed
    alone = _moments(samples.words[rest], columns, samples.values[rest]).gram
    return alone + samples.coded.design.moments(columns, samples.coded.values)[0]
