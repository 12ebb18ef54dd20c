"""What a surrogate leaves of Shapley values: a correction of orders 1 and 2.

Let E_p f be the mean of f over masks in which each feature is present with probability p, and D_S f
the discrete derivative by the features S. The values of these indices are averages over p,

    I(S) = int_0^1 w(p) E_p[D_S f] dp,

    SV, and SII of any order: w = 1                 (Owen, Multilinear extensions of games, 1972)
    FSII of the highest order s: w = p^(s-1) (1-p)^(s-1) / B(s, s)
    STII of the highest order s: w = s (1-p)^(s-1),

for the weight of a Moebius coefficient of order t (`spex.interactions.index`) is the integral of
w(p) p^(t-s).

A second Gaussian process is fitted to the residuals. Its mean is sum_j alpha_j k(., m_j). The
kernel is a product over the features, so E_p[D_S k] is one as well: the averages are exact up to
the quadrature, with no cut at any order. The residuals of the process go into the weighted
regression of KernelSHAP (Lundberg & Lee 2017). Its values sum to the difference that is left
between all features and none. The residuals of that regression count at measured masks, with the
weight that the index gives each mask, and are taken to be zero elsewhere. So if nearly all 2^n
masks are measured, the index is nearly exact.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import betaln

from spex._typing import BoolArray, FloatArray, Interaction
from spex.f2.packing import unpack
from spex.fourier import positive_definite
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Samples
from spex.surrogates.hypercube_kernel import Hyperparameters, Points, kernel_matrix, most_likely

# How many residuals are used for the hyperparameters, and how many for the mean.
_LIKELIHOOD_SAMPLES, _POSTERIOR_SAMPLES = 1000, 3000
_LEAST_SAMPLES = 20
_ROUNDING = 1e-13  # share of the largest value; smaller residuals count as 0
# The regression needs this many masks for each feature.
_MASKS_PER_FEATURE = 3
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(24)
_NODES, _NODE_WEIGHTS = (_NODES + 1) / 2, _NODE_WEIGHTS / 2
# With more features than this, pairs are not corrected. Otherwise the largest pairs are kept.
_PAIR_FEATURES, _MOST_PAIRS = 500, 1000
_BLOCK_CELLS = 1 << 21  # factors of the kernel computed at once: 16 MB for each array

# w(p) = c p^a (1-p)^b for pairs, as (c, a, b), by the index that has it.
PAIR_DENSITIES: Mapping[str, tuple[int, int, int]] = {
    "SII": (1, 0, 0),
    "FSII": (6, 1, 1),
    "STII": (2, 0, 1),
}


def correction(
    samples: Samples, spectrum: Spectrum, whole: float, nothing: float
) -> dict[str, Spectrum]:
    """Correct the indices of a surrogate by what it leaves.

    Args:
        samples: Evaluated masks.
        spectrum: The surrogate.
        whole: The value with all features.
        nothing: The value with none.

    Returns:
        For each of `PAIR_DENSITIES`, the coefficients to add to the surrogate before the index is
        computed from it. They have orders 0 to 2, or 0 and 1 above 500 features. After that, up to
        rounding, the value of the empty set is `nothing` and Shapley values sum to `whole -
        nothing`.
    """
    n = spectrum.n_features
    masks = unpack(samples.words, n)
    residuals = samples.values - spectrum.evaluate(samples.words)
    ends = np.array([whole, nothing]) - spectrum.predict(np.array([[True] * n, [False] * n]))
    first = np.zeros(n)
    pairs: dict[str, FloatArray] = {}
    rounding = _ROUNDING * float(np.abs(samples.values).max())
    if len(residuals) >= _LEAST_SAMPLES and np.ptp(residuals) > rounding:
        first, pairs, residuals, ends = _by_process(masks, residuals, ends)
    of_regression = _by_regression(masks, residuals, ends, samples.weights)
    residuals = residuals - ends[1] - masks @ of_regression
    of_known, known_pairs = _of_known(masks, residuals)
    first = first + of_regression + of_known
    for name, values in known_pairs.items():
        pairs[name] = pairs.get(name, 0.0) + values
    return {
        name: _spectrum(n, first, pairs.get(name), nothing, spectrum) for name in PAIR_DENSITIES
    }


def _by_process(
    masks: BoolArray, residuals: FloatArray, ends: FloatArray
) -> tuple[FloatArray, dict[str, FloatArray], FloatArray, FloatArray]:
    """(n,) values of order 1 of a process fitted to (m,) residuals, (n, n) of pairs, what is left.

    What is left is (m,) and, with all features and with none, (2,).
    """
    m, n = masks.shape
    signs = np.where(masks, 1.0, -1.0)
    rows = np.random.default_rng(0).permutation(m)[:_POSTERIOR_SAMPLES]
    centre, spread = float(residuals.mean()), float(residuals.std())
    standard = (residuals - centre) / spread
    few = rows[:_LIKELIHOOD_SAMPLES]
    hyper = most_likely(Points(signs[few]), standard[None, few])
    points = signs[rows]
    kernel = kernel_matrix(Points(points), hyper)
    factor = positive_definite.penalised_cholesky(kernel, hyper.noise)
    alpha = positive_definite.solve(factor, standard[rows])
    first, pairs = _averages(points, alpha, hyper)

    def left(values: FloatArray, at: FloatArray) -> FloatArray:
        return np.asarray(values - centre - spread * _mean(points, alpha, hyper, at))

    both_ends = np.array([np.ones(n), -np.ones(n)])
    scaled = {name: spread * of for name, of in pairs.items()}
    return spread * first, scaled, left(residuals, signs), left(ends, both_ends)


def _averages(
    points: FloatArray, alpha: FloatArray, hyper: Hyperparameters
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """(n,) and for each density (n, n): the averages over p, of the process with (m,) weights."""
    m, n = points.shape
    first = 2 * hyper.linear * (alpha @ points)
    pairs = {name: np.zeros((n, n)) for name in PAIR_DENSITIES if n <= _PAIR_FEATURES}
    step = max(1, _BLOCK_CELLS // n)
    for start in range(0, m, step):
        exponents = hyper.rates * points[start : start + step]
        high, low = np.exp(exponents), np.exp(-exponents)
        for p, weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
            mean = p * high + (1 - p) * low  # mean of each factor of the kernel
            derivative = (high - low) / mean
            product = hyper.variance * np.exp(np.log(mean).sum(axis=1) - hyper.rates.sum())
            at_points = weight * alpha[start : start + step] * product
            first += at_points @ derivative
            if pairs:
                of_pairs = (derivative * at_points[:, None]).T @ derivative
                for name, (c, a, b) in PAIR_DENSITIES.items():
                    pairs[name] += c * p**a * (1 - p) ** b * of_pairs
    return first, pairs


def _mean(
    points: FloatArray, alpha: FloatArray, hyper: Hyperparameters, at: FloatArray
) -> FloatArray:
    """(k,) the mean of the process at signs (k, n)."""
    product = np.exp((at * hyper.rates) @ points.T - hyper.rates.sum())
    return np.asarray((hyper.variance * product + (at * hyper.linear) @ points.T) @ alpha)


def _by_regression(
    masks: BoolArray, residuals: FloatArray, ends: FloatArray, weights: FloatArray | None
) -> FloatArray:
    """(n,) Shapley values of residuals, of sum ends[0] - ends[1].

    Least squares with the Shapley kernel over the density of the sample. Where masks are too few
    for it, or their density is unknown, all features share the sum alike.
    """
    n, total = masks.shape[1], float(ends[0] - ends[1])
    sizes = masks.sum(axis=1)
    inner = (sizes > 0) & (sizes < n)
    if weights is None or (inner & (weights > 0)).sum() < _MASKS_PER_FEATURE * n or n < 2:
        return np.full(n, total / n)
    size = sizes[inner]
    kernel = weights[inner] / (size * (n - size))
    # The last value is the sum minus the others.
    last = masks[inner, -1].astype(np.float64)
    design = masks[inner, :-1] - last[:, None]
    target = residuals[inner] - ends[1] - total * last
    gram, cross = (design.T * kernel) @ design, (design.T * kernel) @ target
    values = positive_definite.ridge(gram, 1e-9 * float(gram.trace()) / n, cross)
    return np.append(values, total - values.sum())


def _of_known(masks: BoolArray, residuals: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
    """(n,) values of order 1 and (n, n) of pairs, of a function that is zero at other masks."""
    n = masks.shape[1]
    sizes = masks.sum(axis=1)
    present, absent = masks.astype(np.float64), (~masks).astype(np.float64)

    def weighed(s: int, inside: int, c: int = 1, a: int = 0, b: int = 0) -> FloatArray:
        """(m,) residuals times the weight of a mask that holds `inside` of the s features."""
        others = sizes - inside  # features of the mask beside those of the interaction
        outside = n - s - others
        there = (others >= 0) & (outside >= 0)
        logs = betaln(np.maximum(others, 0) + a + 1, np.maximum(outside, 0) + b + 1)
        return np.asarray(np.where(there, residuals * c * np.exp(logs), 0.0))

    first = weighed(1, 1) @ present - weighed(1, 0) @ absent
    pairs = {}
    if 2 <= n <= _PAIR_FEATURES:
        for name, density in PAIR_DENSITIES.items():
            one = (present.T * weighed(2, 1, *density)) @ absent
            both = (present.T * weighed(2, 2, *density)) @ present
            neither = (absent.T * weighed(2, 0, *density)) @ absent
            pairs[name] = both - one - one.T + neither
    return first, pairs


def _spectrum(
    n: int, first: FloatArray, pairs: FloatArray | None, nothing: float, surrogate: Spectrum
) -> Spectrum:
    """The function whose Shapley values are `first`, and whose pairs have the values `pairs`.

    Its sum with the surrogate is `nothing` where no feature is present.
    """
    coefficients: dict[Interaction, float] = {(): 0.0}
    coefficients |= {(i,): -value / 2 for i, value in enumerate(first.tolist())}
    if pairs is not None:
        one, other = np.triu_indices(n, 1)
        found = pairs[one, other]
        for number in np.argsort(-np.abs(found), kind="stable")[:_MOST_PAIRS].tolist():
            # (-2)^2 F is the value of a pair, and even orders have no share in Shapley values.
            coefficients[int(one[number]), int(other[number])] = float(found[number]) / 4
    nowhere = np.zeros((1, n), dtype=np.bool_)
    spectrum = Spectrum.from_mapping(coefficients, n)
    coefficients[()] = nothing - float((surrogate.predict(nowhere) + spectrum.predict(nowhere))[0])
    return Spectrum.from_mapping(coefficients, n)
