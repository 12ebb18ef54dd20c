"""A Gaussian process on the hypercube, read off as a sparse Fourier spectrum.

With s = 2m - 1 in {-1,+1}^n the kernel is

    k(m, m') = v exp( sum_i b_i (s_i s'_i - 1) )  +  sum_i l_i s_i s'_i,

the diffusion kernel of the hypercube with one rate per feature (Oh et al., COMBO, NeurIPS 2019)
plus a linear part. Its eigenfunctions are the Walsh functions: with rho_i = tanh(b_i),

    k(m, m') = sum_k w_k (-1)^<k,m> (-1)^<k,m'>,
    w_k = v prod_i 1/(1 + rho_i) prod_{i in k} rho_i   (+ l_i where k = {i}),

so w_k is the prior variance of F(k), and its posterior mean is w_k sum_j alpha_j (-1)^<k,m_j> with
alpha = (K + noise I)^-1 y. Both parts share one relevance r_i per feature, b_i = c2 r_i / n and
l_i = c1 r_i / n, under a shrinking prior: separate rates overfit small samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
import scipy.optimize

from spex._typing import BoolArray, FloatArray, IntArray, Interaction
from spex.f2.packing import n_words
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Fitted, Samples, predict_folds
from spex.surrogates.refit import leave_one_out_ridge, signs

# Marginal likelihood costs the cube of the sample: relevances come from this many masks at most,
# the posterior from that many, and the refit of the chosen coefficients from all.
_RELEVANCE_SAMPLES = 800
_POSTERIOR_SAMPLES = 3000
_LEAST_SAMPLES = 20

# Priors on the logarithms, in units of the variance of the values.
_RELEVANCE_PRECISION = 1.0
_NOISE_MEAN, _NOISE_SD = np.log(0.1), 1.0
_SCALE_SD = 2.0  # of v, c1 and c2: weak
_LEAST_LOG_NOISE = -10.0  # below, noiseless functions make the kernel matrix singular

# Candidates of each order above two: extensions of this many sets by this many features.
_BEAM_SETS, _BEAM_FEATURES = 300, 60
_PAIR_FEATURES = 1000
_STEPS, _STEPS_WARM = 60, 6


@dataclass(frozen=True, eq=False)
class Hyperparameters:
    """Of the kernel, as logarithms: (n + 4,) relevances r, then v, c2, c1 and the noise."""

    logs: FloatArray

    @property
    def rates(self) -> FloatArray:
        """(n,) rates b_i of the product part."""
        relevance = np.exp(self.logs[:-4])
        return np.asarray(np.exp(self.logs[-3]) * relevance / len(relevance))

    @property
    def linear(self) -> FloatArray:
        """(n,) prior variances l_i of the linear part."""
        relevance = np.exp(self.logs[:-4])
        return np.asarray(np.exp(self.logs[-2]) * relevance / len(relevance))

    @property
    def variance(self) -> float:
        """The prior variance v of the product part."""
        return float(np.exp(self.logs[-4]))

    @property
    def noise(self) -> float:
        """Variance of the noise."""
        return float(np.exp(self.logs[-1]))


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A Gaussian process whose largest Walsh coefficients are refitted on all masks.

    Args:
        max_degree: Highest order of coefficients kept.
        size: Number of coefficients kept at most.
        start: Hyperparameters from which the search for better ones starts.
    """

    max_degree: int = 5
    size: int = 300
    start: Hyperparameters | None = None
    name: str = "gp"

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit all samples; the folds start from the hyperparameters of all."""
        started = self._warm_started(samples)
        return Fitted(started.spectrum(samples), predict_folds(started.spectrum, samples, folds))

    def spectrum(self, samples: Samples) -> Spectrum:
        """Relevances by marginal likelihood, then the largest coefficients, then their refit."""
        n = samples.n_features
        centre, spread = float(samples.values.mean()), float(samples.values.std())
        constant = np.zeros((1, n_words(n)), dtype=np.uint64)
        if spread == 0.0 or len(samples) < _LEAST_SAMPLES:
            return Spectrum(n, constant, np.array([centre]))
        values = (samples.values - centre) / spread
        hyper = self._hyperparameters(samples.masks, values)

        m = min(len(samples), _POSTERIOR_SAMPLES)
        masks = np.where(samples.masks[:m], 1.0, -1.0)
        kernel = _kernel(masks, hyper)
        kernel[np.diag_indices(m)] += hyper.noise
        lower = scipy.linalg.cholesky(kernel, lower=True, overwrite_a=True, check_finite=False)
        alpha = scipy.linalg.cho_solve((lower, True), values[:m], check_finite=False)
        inverse, _ = scipy.linalg.lapack.dpotri(lower, lower=1)
        # What no coefficient can learn from these samples acts as noise: the leave-one-out error
        # of the whole process (Rasmussen & Williams 2006, eq. 5.12).
        unlearnt = float(((alpha / np.diag(inverse)) ** 2).mean())
        chosen = _largest_coefficients(masks, alpha, hyper, self.max_degree, self.size)
        return _weighted_refit(samples, values, chosen, unlearnt, centre, spread)

    def _warm_started(self, samples: Samples) -> "GaussianProcess":
        spread = float(samples.values.std())
        if spread == 0.0 or len(samples) < _LEAST_SAMPLES:
            return self
        values = (samples.values - samples.values.mean()) / spread
        return replace(self, start=self._hyperparameters(samples.masks, values))

    def _hyperparameters(self, masks: BoolArray, values: FloatArray) -> Hyperparameters:
        m = min(len(values), _RELEVANCE_SAMPLES)
        points = np.where(masks[:m], 1.0, -1.0)
        n = points.shape[1]
        prior = np.concatenate([np.zeros(n), [np.log(0.5), 0.0, np.log(0.5), _NOISE_MEAN]])
        start = prior if self.start is None else self.start.logs
        found = scipy.optimize.minimize(
            _negative_log_posterior,
            start,
            args=(points, values[:m], prior),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-8.0, 8.0)] * n + [(-10.0, 6.0)] * 3 + [(_LEAST_LOG_NOISE, 2.0)],
            options={"maxiter": _STEPS if self.start is None else _STEPS_WARM},
        )
        return Hyperparameters(found.x)


def _kernel(points: FloatArray, hyper: Hyperparameters) -> FloatArray:
    """(m, m) kernel without the noise, for points in {-1,+1}."""
    rates = hyper.rates
    product = np.exp((points * rates) @ points.T - rates.sum())
    return np.asarray(hyper.variance * product + (points * hyper.linear) @ points.T)


def _negative_log_posterior(
    logs: FloatArray, points: FloatArray, values: FloatArray, prior: FloatArray
) -> tuple[float, FloatArray]:
    """Negative log marginal likelihood and log prior, and their gradient by the logarithms.

    The derivative by every rate b_i comes from one matrix product: with
    W = (alpha alpha^T - K^-1) o K it is (s_i^T W s_i - sum W) / 2.
    """
    hyper = Hyperparameters(logs)
    m, n = points.shape
    rates, linear, variance, noise = hyper.rates, hyper.linear, hyper.variance, hyper.noise
    product = variance * np.exp((points * rates) @ points.T - rates.sum())
    kernel = product + (points * linear) @ points.T
    kernel[np.diag_indices(m)] += noise + 1e-8
    try:
        lower = scipy.linalg.cholesky(kernel, lower=True, overwrite_a=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return 1e25, np.zeros_like(logs)
    alpha = scipy.linalg.cho_solve((lower, True), values, check_finite=False)
    inverse, _ = scipy.linalg.lapack.dpotri(lower, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = np.outer(alpha, alpha) - inverse
    of_product = weights * product
    total = float(of_product.sum())
    by_rate = 0.5 * (np.einsum("ij,ij->j", points, of_product @ points) - total)
    by_linear = 0.5 * np.einsum("ij,ij->j", points, weights @ points)

    gradient = np.empty(n + 4)
    gradient[:n] = by_rate * rates + by_linear * linear
    gradient[n] = 0.5 * total
    gradient[n + 1] = by_rate @ rates
    gradient[n + 2] = by_linear @ linear
    gradient[n + 3] = 0.5 * noise * float(np.trace(weights))
    log_likelihood = -0.5 * float(values @ alpha) - float(np.log(np.diag(lower)).sum())

    precision = np.full(n + 4, _RELEVANCE_PRECISION)
    precision[n : n + 3] = _SCALE_SD**-2
    precision[n + 3] = _NOISE_SD**-2
    away = logs - prior
    log_prior = -0.5 * float(precision @ away**2)
    return -(log_likelihood + log_prior), -(gradient - precision * away)


def _largest_coefficients(
    points: FloatArray, alpha: FloatArray, hyper: Hyperparameters, max_degree: int, size: int
) -> dict[Interaction, float]:
    """The coefficients of largest posterior mean, each with its prior variance.

    Orders 1 and 2 are enumerated; higher ones extend the best sets of the order below by the
    features of highest rate.
    """
    n = points.shape[1]
    rho = np.tanh(hyper.rates)
    base = hyper.variance / float(np.prod(1.0 + rho))
    found: dict[Interaction, tuple[float, float]] = {}

    prior = base * rho + hyper.linear
    mean = -prior * (points.T @ alpha)  # (-1)^<k,m> is -s for k of order 1
    for i in range(n):
        found[(i,)] = (abs(mean[i]), prior[i])
    if max_degree < 2 or n < 2:
        return _top(found, size)

    # All pairs; of very many features, those of the most relevant ones.
    often = np.sort(np.argsort(-rho, kind="stable")[:_PAIR_FEATURES])
    upper = np.triu_indices(len(often), 1)
    first, second = often[upper[0]], often[upper[1]]
    pair_prior = base * rho[first] * rho[second]
    sums = ((points[:, often] * alpha[:, None]).T @ points[:, often])[upper]
    pair_mean = np.abs(pair_prior * sums)
    best = np.argsort(-pair_mean, kind="stable")[: max(size, _BEAM_SETS)]
    layer: list[Interaction] = []
    for p in best:
        pair = (int(first[p]), int(second[p]))
        found[pair] = (float(pair_mean[p]), float(pair_prior[p]))
        layer.append(pair)

    relevant = np.argsort(-rho, kind="stable")[:_BEAM_FEATURES]
    for _ in range(3, min(max_degree, n) + 1):
        values: dict[Interaction, tuple[float, float]] = {}
        for members in layer[:_BEAM_SETS]:
            column = alpha * np.prod(points[:, list(members)], axis=1)
            sums = np.abs(points[:, relevant].T @ column)
            weight = base * float(np.prod(rho[list(members)]))
            for feature, total in zip(relevant.tolist(), sums, strict=True):
                if feature not in members:
                    key = tuple(sorted((*members, feature)))
                    prior_variance = weight * float(rho[feature])
                    values[key] = (prior_variance * float(total), prior_variance)
        layer = sorted(values, key=lambda key: (-values[key][0], key))[: max(size, _BEAM_SETS)]
        found.update({key: values[key] for key in layer})
    return _top(found, size)


def _top(found: dict[Interaction, tuple[float, float]], size: int) -> dict[Interaction, float]:
    kept = sorted(found, key=lambda key: (-found[key][0], key))[:size]
    return {key: found[key][1] for key in kept}


def _weighted_refit(
    samples: Samples,
    values: FloatArray,
    chosen: dict[Interaction, float],
    unlearnt: float,
    centre: float,
    spread: float,
) -> Spectrum:
    """Ridge regression of all masks on the chosen coefficients, weighted by prior variance."""
    n = samples.n_features
    prior = np.fromiter(chosen.values(), np.float64, len(chosen))
    support = Spectrum.from_mapping(dict.fromkeys(chosen, 0.0), n).support
    design = signs(samples.words, support)
    means = design.mean(axis=0)
    scaled = (design - means) * np.sqrt(prior)
    solved, _ = leave_one_out_ridge(scaled, values, np.array([unlearnt]))
    coefficients = spread * np.sqrt(prior) * solved
    intercept = centre - float(means @ coefficients)
    constant = np.zeros((1, n_words(n)), dtype=np.uint64)
    return Spectrum(
        n, np.concatenate([constant, support]), np.concatenate([[intercept], coefficients])
    )
