"""A Gaussian process on the hypercube, read off as a sparse Fourier spectrum.

The kernel (`spex.surrogates.hypercube_kernel`) has a known Walsh transform. The posterior mean of
F(k) is w_k sum_j alpha_j (-1)^<k,m_j> with alpha = (K + noise I)^-1 y, plus what the indicators of
neighbours add. The largest of these coefficients are kept and refitted on all masks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from spex._typing import BoolArray, FloatArray, IntArray
from spex.f2.packing import are_among, pack, signs, unpack
from spex.fourier import positive_definite
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Fitted, Samples, Surrogate, constant_fit, in_threads
from spex.surrogates.hypercube_kernel import (
    Hyperparameters,
    Points,
    kernel_matrix,
    most_likely,
)
from spex.surrogates.neighbours import NeighbourTransform, neighbour_indicators, neighbour_transform
from spex.surrogates.refit import with_constant

# Marginal likelihood costs the cube of the number of masks. So hyperparameters use at most the
# first number of masks, the posterior the second, and the refit of the chosen coefficients all.
_LIKELIHOOD_SAMPLES = 1000
_POSTERIOR_SAMPLES = 3000
_LEAST_SAMPLES = 20
# Searches for hyperparameters are slow, so several folds share one that leaves all of them out.
# They may hold this share of all masks: with more left out, R2 would be that of a smaller sample.
_SHARE_LEFT_OUT = 0.1
# With more features, the indicators of neighbours take too much memory.
_NEIGHBOUR_FEATURES = 2000

# The prior mean of an output's log relevances is this share of those of all outputs together. Half
# gains more for the classes of a model (R2 +.03 instead of +.02 at 200 masks) and costs unrelated
# outputs .04 at 500, where this share gains .03.
_POOLED = 0.25

# How many coefficients are kept: the number that predicts folds best.
_SIZES = (100, 300, 1000)
# Candidates of each order above two: extensions of this many sets by this many features.
_BEAM_SETS, _BEAM_FEATURES = 300, 60
_PAIR_FEATURES = 1000


@dataclass(frozen=True, eq=False)
class GaussianProcess(Surrogate):
    """A Gaussian process whose largest Walsh coefficients are refitted on all masks.

    Args:
        max_degree: Highest order of coefficients kept.
    """

    max_degree: int = 5
    name: str = "gp"

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit all samples; each fold is predicted by hyperparameters found without it."""
        return self.fit_outputs([samples], folds)[0]

    def fit_outputs(self, samples: Sequence[Samples], folds: Sequence[IntArray]) -> list[Fitted]:
        """Fit several outputs. Each uses what all together show about each feature's relevance."""
        varying = [output for output in samples if _varies(output)]
        relevances: list[FloatArray | None] = []
        if len(varying) > 1:
            data = _Data(varying[0], self.max_degree)
            values = np.stack([output.values for output in varying])
            halves, _ = _halves(varying[0], folds)
            relevances = list(in_threads(partial(data.pooled, half, values) for half in halves))
        return [
            self._fit_varying(output, folds, relevances)
            if _varies(output)
            else constant_fit(output, folds)
            for output in samples
        ]

    def _fit_varying(
        self, samples: Samples, folds: Sequence[IntArray], relevances: Sequence[FloatArray | None]
    ) -> Fitted:
        data = _Data(samples, self.max_degree)
        sizes = [size for size in _SIZES if size <= max(_SIZES[0], len(samples))]
        halves, sharing = _halves(samples, folds)
        groups = [
            (number, half[start : start + sharing])
            for number, half in enumerate(halves)
            for start in range(0, len(half), sharing)
        ]
        earlier = samples.earlier.get(self.name)
        begin: Sequence[FloatArray | None] = [None] * len(halves)
        if earlier is not None and len(earlier.begin) == len(halves):
            begin = earlier.begin
        pooled = relevances or [data.log_relevance] * len(halves)
        starts = in_threads(
            partial(data.start, *each) for each in zip(halves, begin, pooled, strict=True)
        )
        tasks: list[Callable[[], Any]] = [partial(data.posterior, starts[0])]
        tasks += [partial(data.predict, group, starts[at], sizes) for at, group in groups]
        posterior, *parts = in_threads(tasks)
        guesses = np.full((len(samples), len(sizes)), np.nan)
        for (_, group), part in zip(groups, parts, strict=True):
            for rows, guess in zip(group, part, strict=True):
                guesses[rows] = guess
        predictions, size = _choose(guesses, samples.values, folds)
        chosen = data.largest(posterior, sizes[size])
        fit = data.refit(chosen, np.arange(len(samples)), posterior, [sizes[size]])[0]
        spectrum = Spectrum(samples.n_features, with_constant(pack(chosen.members)), fit)
        share = sum(len(rows) for rows in groups[0][1]) / len(samples)
        return Fitted(spectrum, predictions, share, [start.hyper.logs for start in starts])


def _varies(samples: Samples) -> bool:
    return bool(np.ptp(samples.values) > 0.0) and len(samples) >= _LEAST_SAMPLES


def _halves(samples: Samples, folds: Sequence[IntArray]) -> tuple[list[Sequence[IntArray]], int]:
    """Both halves of the folds, and how many folds may share hyperparameters.

    The search for hyperparameters starts at the result of a search without half of the folds.
    """
    sharing = max(1, int(_SHARE_LEFT_OUT * len(samples) / len(folds[0])))
    middle = len(folds) if sharing >= len(folds) else (len(folds) + 1) // 2
    return [half for half in (folds[:middle], folds[middle:]) if len(half)], sharing


def _choose(
    guesses: FloatArray, values: FloatArray, folds: Sequence[IntArray]
) -> tuple[FloatArray, int]:
    """Choose the number of coefficients: for each fold by errors in the others, and once by all.

    Args:
        guesses: (m, sizes) float64, predictions with each number; NaN at masks of no fold.
        values: (m,) float64.
        folds: Row numbers.

    Returns:
        (m,) float64 predictions of each fold with the number chosen for it, and the position of the
        number chosen by all folds.
    """
    squared = (guesses - values[:, None]) ** 2
    everyone = np.concatenate(folds)
    predictions = np.full(len(values), np.nan)
    for rows in folds:
        others = np.setdiff1d(everyone, rows)
        predictions[rows] = guesses[rows, squared[others].mean(axis=0).argmin()]
    return predictions, int(squared[everyone].mean(axis=0).argmin())


@dataclass(frozen=True, eq=False)
class _Posterior:
    """A process given some of the samples.

    Args:
        hyper: The hyperparameters of its kernel.
        centre: Subtracted from the values.
        spread: The values are divided by it.
        rows: (p,) positions of the samples among the points.
        alpha: (p,) (K + noise I)^-1 y.
        error: Mean squared leave-one-out error.
    """

    hyper: Hyperparameters
    centre: float
    spread: float
    rows: IntArray
    alpha: FloatArray
    error: float


@dataclass(frozen=True, eq=False)
class _Start:
    """Where a search for hyperparameters starts, and its prior mean of the log relevances."""

    hyper: Hyperparameters
    log_relevance: FloatArray | None


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The frequencies whose coefficients are refitted, the largest first, and their prior.

    Args:
        members: (k, n) bool, which features each frequency joins.
        prior: (k,) prior variance of each by the product and the linear part.
        shared: (k, p) sparse: times its transpose it is the covariance by the neighbours; None
            if there are none.
    """

    members: BoolArray
    prior: FloatArray
    shared: "scipy.sparse.csr_matrix | None"

    def factor(self, size: int) -> FloatArray:
        """(size, size): times its transpose it is the prior covariance of the first ones."""
        if self.shared is None:
            return np.diag(np.sqrt(self.prior[:size]))
        part = self.shared[:size]
        covariance = (part @ part.T).toarray()
        # The matrix is nearly of low rank, and the rest may be lost to rounding.
        return np.tril(positive_definite.penalised_cholesky(covariance, self.prior[:size]))


class _Data:
    """Evaluated masks, and fits to some of them.

    Args:
        samples: The masks and their values.
        max_degree: Highest order of coefficients.
    """

    def __init__(self, samples: Samples, max_degree: int) -> None:
        self._values = samples.values
        self._words = samples.words
        self._n = samples.n_features
        self._max_degree = min(max_degree, self._n)
        # Use a random order, because the first masks may all be of one group of a coded design.
        order = np.random.default_rng(0).permutation(len(samples))
        self._rows = order[:_POSTERIOR_SAMPLES]
        masks = unpack(samples.words[self._rows], self._n)
        prior = samples.prior
        self._near: NeighbourTransform | None = None
        indicators = None
        if prior.sequence and len(prior.sequence) <= _NEIGHBOUR_FEATURES:
            sequence = np.array(prior.sequence)
            indicators = neighbour_indicators(masks[:, sequence])
            self._near = neighbour_transform(self._n, self._max_degree, sequence)
        self._points = Points(np.where(masks, 1.0, -1.0), indicators)
        self.log_relevance: FloatArray | None = None
        if prior.relevance is not None:
            logs = np.log(prior.relevance)
            self.log_relevance = logs - logs.mean()
        self._close = np.zeros((len(prior.close), self._n), dtype=np.bool_)
        for row, pair in zip(self._close, prior.close, strict=True):
            row[list(pair)] = True

    def pooled(self, folds: Sequence[IntArray], values: FloatArray) -> FloatArray:
        """The prior mean of the log relevances that all outputs suggest, found without some folds.

        Their joint likelihood has one set of hyperparameters. A share of its log relevances is the
        prior mean of each output's own, so that outputs that are alike learn from each other
        (benchmarks/outputs.py).

        Args:
            folds: Row numbers.
            values: (q, m) float64.

        Returns:
            (n,) float64.
        """
        rows = self._positions_outside(folds)[:_LIKELIHOOD_SAMPLES]
        of_rows = values[:, self._rows[rows]]
        spread = of_rows.std(axis=1, keepdims=True)
        spread[spread == 0.0] = 1.0
        standard = (of_rows - of_rows.mean(axis=1, keepdims=True)) / spread
        logs = most_likely(self._points[rows], standard, None, self.log_relevance).logs[: self._n]
        own = 0.0 if self.log_relevance is None else self.log_relevance
        return np.asarray(own + _POOLED * (logs - logs.mean() - own))

    def start(
        self, folds: Sequence[IntArray], begin: FloatArray | None, log_relevance: FloatArray | None
    ) -> _Start:
        """Hyperparameters found without some folds: where the search for better ones starts.

        Args:
            folds: Row numbers.
            begin: Logarithms of hyperparameters found from fewer masks, none of them in the folds.
            log_relevance: (n,) prior mean of the log relevances; None for 0.
        """
        rows = self._positions_outside(folds)[:_LIKELIHOOD_SAMPLES]
        known = None if begin is None else Hyperparameters(begin)
        return _Start(self._most_likely(rows, known, log_relevance)[0], log_relevance)

    def posterior(self, start: _Start) -> _Posterior:
        """The process given all samples."""
        return self._posteriors([np.zeros(0, dtype=np.int64)], start)[0]

    def predict(
        self, folds: Sequence[IntArray], start: _Start, sizes: Sequence[int]
    ) -> list[FloatArray]:
        """For each fold (rows, sizes): predictions by fits to all other masks.

        Hyperparameters use no mask of any fold. The rest uses no mask of the predicted fold.

        Args:
            folds: Row numbers.
            start: Found without any of the folds.
            sizes: Numbers of coefficients.
        """
        guesses = []
        for fold, posterior in zip(folds, self._posteriors(folds, start), strict=True):
            others = np.setdiff1d(np.arange(len(self._values)), fold)
            chosen = self.largest(posterior, sizes[-1])
            fits = self.refit(chosen, others, posterior, sizes)
            design = signs(self._words[fold], pack(chosen.members))
            guesses.append(
                np.stack([fit[0] + design[:, : len(fit) - 1] @ fit[1:] for fit in fits], axis=1)
            )
        return guesses

    def _most_likely(
        self, rows: IntArray, start: Hyperparameters | None, log_relevance: FloatArray | None
    ) -> tuple[Hyperparameters, float, float]:
        """Hyperparameters from some points, and mean and deviation of the values there."""
        values = self._values[self._rows[rows]]
        centre, spread = float(values.mean()), float(values.std()) or 1.0
        standard = ((values - centre) / spread)[None]
        return most_likely(self._points[rows], standard, start, log_relevance), centre, spread

    def _positions_outside(self, folds: Sequence[IntArray]) -> IntArray:
        """Positions among the points of those that are in none of the folds."""
        return np.flatnonzero(~np.isin(self._rows, np.concatenate(folds)))

    def _posteriors(self, folds: Sequence[IntArray], start: _Start) -> list[_Posterior]:
        """For each fold the process given all other masks.

        Hyperparameters are found without any of the folds.

        One inverse serves them all. Without the rows B, alpha is alpha_A - K^-1_AB (K^-1_BB)^-1
        alpha_B. Leave-one-out errors need the diagonal of the inverse (Rasmussen & Williams 2006,
        eq. 5.12). From it the diagonal of K^-1_AB (K^-1_BB)^-1 K^-1_BA is subtracted.
        """
        m = len(self._points)
        rows = self._positions_outside(folds)[:_LIKELIHOOD_SAMPLES]
        hyper, centre, spread = self._most_likely(rows, start.hyper, start.log_relevance)
        kernel = kernel_matrix(self._points, hyper)
        kernel[np.diag_indices(m)] += hyper.noise
        lower = np.tril(positive_definite.inverse(positive_definite.cholesky(kernel)))
        inverse = lower + np.tril(lower, -1).T
        alpha = inverse @ ((self._values[self._rows] - centre) / spread)
        diagonal = inverse.diagonal()
        found = []
        for fold in folds:
            outside = ~np.isin(self._rows, fold)
            kept, out = np.flatnonzero(outside), np.flatnonzero(~outside)
            lower = scipy.linalg.cholesky(inverse[np.ix_(out, out)], lower=True)
            half = scipy.linalg.solve_triangular(lower, inverse[np.ix_(out, kept)], lower=True)
            moved = scipy.linalg.solve_triangular(lower, alpha[out], lower=True)
            rest = alpha[kept] - half.T @ moved
            precision = diagonal[kept] - np.einsum("ij,ij->j", half, half)
            error = float(((rest / precision) ** 2).mean())
            found.append(_Posterior(hyper, centre, spread, kept, rest, error))
        return found

    def largest(self, posterior: _Posterior, size: int) -> _Chosen:
        """The coefficients of largest posterior mean.

        Orders 1 and 2 are enumerated; higher ones extend the best sets of the order below by the
        features of highest rate. Frequencies of the windows of neighbours are added.
        """
        hyper, alpha = posterior.hyper, posterior.alpha
        points = self._points.signs[posterior.rows]
        members = _best_of_product(points, alpha, hyper, self._max_degree, size, self._close)
        by_neighbours = np.zeros(0)
        if self._near is not None:
            indicators = self._points.neighbours
            assert indicators is not None
            by_neighbours = hyper.neighbours * (indicators[posterior.rows].T @ alpha)
            sums = np.abs(self._near.coefficients @ by_neighbours)
            local = np.argsort(-sums, kind="stable")[: 2 * size]
            members = np.unique(np.concatenate([members, self._near.frequencies(local)]), axis=0)
        prior = hyper.prior_variances(members)
        columns = signs(self._words[self._rows[posterior.rows]], pack(members))
        means = prior * (columns.T @ alpha)
        shared = None
        if self._near is not None:
            transform = self._near.at(members)
            means = means + transform @ by_neighbours
            shared = np.sqrt(hyper.neighbours) * transform
        best = np.argsort(-np.abs(means), kind="stable")[:size]
        return _Chosen(members[best], prior[best], None if shared is None else shared[best])

    def refit(
        self, chosen: _Chosen, rows: IntArray, posterior: _Posterior, sizes: Sequence[int]
    ) -> list[FloatArray]:
        """For each size (1 + size,): constant and coefficients of the first ones, by ridge.

        The part that no coefficient can learn from these samples acts as noise. Its variance is the
        leave-one-out error of the whole process.
        """
        design = signs(self._words[rows], pack(chosen.members))
        values = self._values[rows]
        values = (values - posterior.centre) / posterior.spread
        means = design.mean(axis=0, dtype=np.float64)
        gram = (design.T @ design).astype(np.float64) - len(rows) * np.outer(means, means)
        cross = design.T @ (values - values.mean())
        fits = []
        for size in sizes:
            factor = chosen.factor(min(size, len(means)))
            k = len(factor)
            system = factor.T @ gram[:k, :k] @ factor
            noise = posterior.error + 1e-12 * np.trace(system) / k
            coefficients = factor @ positive_definite.ridge(system, noise, factor.T @ cross[:k])
            constant = values.mean() - float(means[:k] @ coefficients)
            fit = posterior.spread * np.concatenate([[constant], coefficients])
            fit[0] += posterior.centre
            fits.append(fit)
        return fits


def _best_of_product(
    points: FloatArray,
    alpha: FloatArray,
    hyper: Hyperparameters,
    max_degree: int,
    size: int,
    close: BoolArray,
) -> BoolArray:
    """(k, n) bool: frequencies that may be among the largest; (c, n) close pairs always are."""
    n = points.shape[1]
    rho = hyper.rho
    most = max(size, _BEAM_SETS)
    # Take all of order 1 that fit: an (n, n) array would be too large for very many features.
    strength = (hyper.base * rho + hyper.linear) * np.abs(points.T @ alpha)
    best = np.sort(np.argsort(-strength, kind="stable")[:most])
    singles = np.zeros((len(best), n), dtype=np.bool_)
    singles[np.arange(len(best)), best] = True
    found = [singles]
    if max_degree < 2 or n < 2:
        return singles
    # Take all pairs, or if there are very many features, the pairs of the most relevant ones.
    often = np.sort(np.argsort(-rho, kind="stable")[:_PAIR_FEATURES])
    sums = (points[:, often] * alpha[:, None]).T @ points[:, often]
    first, second = np.triu_indices(len(often), 1)
    strength = rho[often[first]] * rho[often[second]] * np.abs(sums[first, second])
    best = np.argsort(-strength, kind="stable")[:most]
    layer = np.zeros((len(best), n), dtype=np.bool_)
    layer[np.arange(len(best)), often[first[best]]] = True
    layer[np.arange(len(best)), often[second[best]]] = True
    found += [layer, close[~are_among(pack(close), pack(layer))]]

    relevant = np.argsort(-rho, kind="stable")[:_BEAM_FEATURES]
    for _ in range(3, max_degree + 1):
        sets = layer[:_BEAM_SETS]
        columns = np.stack([points[:, chosen].prod(axis=1) for chosen in sets], axis=1)
        sums = np.abs((columns * alpha[:, None]).T @ points[:, relevant])
        strength = np.exp(sets @ np.log(rho))[:, None] * rho[relevant] * sums
        strength[sets[:, relevant]] = -1.0  # already a member
        rows, features = np.nonzero(strength >= 0)
        order = np.argsort(-strength[rows, features], kind="stable")
        rows, features = rows[order], relevant[features[order]]
        # A set appears once for every member that may have been added last.
        reach = min(len(rows), most * (max_degree + 1))
        longer = sets[rows[:reach]]
        longer[np.arange(reach), features[:reach]] = True
        _, where = np.unique(pack(longer), axis=0, return_index=True)
        layer = longer[np.sort(where)[:most]]
        found.append(layer)
    return np.concatenate(found)
