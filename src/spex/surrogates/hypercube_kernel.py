"""A kernel on the hypercube whose Walsh transform is known, and its marginal likelihood.

With s = 2m - 1 in {-1,+1}^n the kernel is

    k(m, m') = v exp( sum_i b_i (s_i s'_i - 1) )  +  sum_i l_i s_i s'_i  +  u <g(m), g(m')> / n,

the diffusion kernel of the hypercube with one rate per feature (Oh et al., COMBO, NeurIPS 2019),
a linear part, and for a sequence whose gaps close the indicators g of who has become whose
neighbour (`spex.surrogates.neighbours`). The first two are diagonal in the Walsh functions: with
rho_i = tanh(b_i),

    k(m, m') = sum_k w_k (-1)^<k,m> (-1)^<k,m'>,
    w_k = v prod_i 1/(1 + rho_i) prod_{i in k} rho_i   (+ l_i where k = {i}),

so w_k is their prior variance of F(k). Both share one relevance r_i per feature, b_i = c2 r_i / n
and l_i = c1 r_i / n, under a shrinking prior: separate rates overfit small samples.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize

from spex._typing import Float32Array, FloatArray, IntArray

# Priors on the logarithms, in units of the variance of the values.
_RELEVANCE_PRECISION = 1.0
_NOISE_MEAN, _NOISE_SD = np.log(0.1), 1.0
_SCALE_SD = 2.0  # of v, c2, c1 and u: weak
_LEAST_LOG_NOISE = -10.0  # below, noiseless functions make the kernel matrix singular
# More steps raise the marginal likelihood a little and R2 not at all.
_STEPS, _STEPS_FROM_START = 25, 12


@dataclass(frozen=True, eq=False)
class Points:
    """Where a function was evaluated, as the kernel sees it.

    Args:
        signs: (m, n) float64 in {-1,+1}, +1 = present.
        neighbours: (m, p) float32 indicators of neighbours; None where there is no sequence.
    """

    signs: FloatArray
    neighbours: Float32Array | None = None

    def __len__(self) -> int:
        return len(self.signs)

    def __getitem__(self, rows: IntArray) -> "Points":
        near = None if self.neighbours is None else self.neighbours[rows]
        return Points(self.signs[rows], near)


@dataclass(frozen=True, eq=False)
class Hyperparameters:
    """Of the kernel, as logarithms: (n + 5,) relevances r, then v, c2, c1, u and the noise."""

    logs: FloatArray

    @property
    def _relevances(self) -> FloatArray:
        return np.asarray(np.exp(self.logs[:-5]) / (len(self.logs) - 5))

    @property
    def variance(self) -> float:
        """The prior variance v of the product part."""
        return float(np.exp(self.logs[-5]))

    @property
    def rates(self) -> FloatArray:
        """(n,) rates b_i of the product part."""
        return np.asarray(np.exp(self.logs[-4]) * self._relevances)

    @property
    def linear(self) -> FloatArray:
        """(n,) prior variances l_i of the linear part."""
        return np.asarray(np.exp(self.logs[-3]) * self._relevances)

    @property
    def neighbours(self) -> float:
        """The prior variance u / n of what each pair of neighbours adds."""
        return float(np.exp(self.logs[-2]) / (len(self.logs) - 5))

    @property
    def noise(self) -> float:
        """Variance of the noise."""
        return float(np.exp(self.logs[-1]))


def kernel_matrix(points: Points, hyper: Hyperparameters) -> FloatArray:
    """(m, m) float64 kernel without the noise."""
    signs, rates = points.signs, hyper.rates
    matrix = hyper.variance * np.exp((signs * rates) @ signs.T - rates.sum())
    matrix += (signs * hyper.linear) @ signs.T
    if points.neighbours is not None:
        shared = points.neighbours @ points.neighbours.T  # counts, exact in float32
        matrix += hyper.neighbours * shared.astype(np.float64)
    return np.asarray(matrix)


def most_likely(
    points: Points, values: FloatArray, start: Hyperparameters | None = None
) -> Hyperparameters:
    """The hyperparameters of largest posterior density: marginal likelihood times prior.

    Args:
        points: Where the function was evaluated.
        values: (m,) float64, of mean about 0 and variance about 1.
        start: Those of largest posterior density for a part of the points, if they are known.
    """
    n = points.signs.shape[1]
    scales = np.log([0.5, 1.0, 0.5, 0.3])
    prior = np.concatenate([np.zeros(n), scales, [_NOISE_MEAN]])
    shared = None
    if points.neighbours is not None:
        shared = (points.neighbours @ points.neighbours.T).astype(np.float64) / n
    found = scipy.optimize.minimize(
        _negative_log_posterior,
        prior if start is None else start.logs,
        args=(points.signs, values, prior, shared),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-8.0, 8.0)] * n + [(-10.0, 6.0)] * 4 + [(_LEAST_LOG_NOISE, 2.0)],
        options={"maxiter": _STEPS if start is None else _STEPS_FROM_START},
    )
    return Hyperparameters(found.x)


def _negative_log_posterior(
    logs: FloatArray,
    signs: FloatArray,
    values: FloatArray,
    prior: FloatArray,
    shared: FloatArray | None,
) -> tuple[float, FloatArray]:
    """Negative log marginal likelihood and log prior, and their gradient by the logarithms.

    The derivative by every rate b_i comes from one matrix product: with
    W = (alpha alpha^T - K^-1) o K it is (s_i^T W s_i - sum W) / 2.
    """
    hyper = Hyperparameters(logs)
    m, n = signs.shape
    rates, linear = hyper.rates, hyper.linear
    product = hyper.variance * np.exp((signs * rates) @ signs.T - rates.sum())
    kernel = product + (signs * linear) @ signs.T
    if shared is not None:
        kernel += np.exp(logs[-2]) * shared
    kernel[np.diag_indices(m)] += hyper.noise + 1e-8
    try:
        lower, inverse = factor_and_inverse(kernel)
    except scipy.linalg.LinAlgError:
        return 1e25, np.zeros_like(logs)
    alpha = inverse @ values
    weights = np.outer(alpha, alpha)
    weights -= inverse
    product *= weights
    total = float(product.sum())
    by_rate = 0.5 * (np.einsum("ij,ij->j", signs, product @ signs) - total)
    by_linear = 0.5 * np.einsum("ij,ij->j", signs, weights @ signs)

    gradient = np.zeros(n + 5)
    gradient[:n] = by_rate * rates + by_linear * linear
    gradient[n] = 0.5 * total
    gradient[n + 1] = by_rate @ rates
    gradient[n + 2] = by_linear @ linear
    if shared is not None:
        gradient[n + 3] = 0.5 * np.exp(logs[-2]) * float(np.vdot(weights, shared))
    gradient[n + 4] = 0.5 * hyper.noise * float(np.trace(weights))
    log_likelihood = -0.5 * float(values @ alpha) - float(np.log(np.diag(lower)).sum())

    precision = np.full(n + 5, _RELEVANCE_PRECISION)
    precision[n : n + 4] = _SCALE_SD**-2
    precision[n + 4] = _NOISE_SD**-2
    away = logs - prior
    log_prior = -0.5 * float(precision @ away**2)
    return -(log_likelihood + log_prior), -(gradient - precision * away)


def factor_and_inverse(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The lower Cholesky factor and the inverse of a positive definite matrix.

    Raises:
        scipy.linalg.LinAlgError: it is not positive definite.
    """
    lower = scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
    inverse, _ = scipy.linalg.lapack.dpotri(lower, lower=1)
    return np.asarray(lower), np.tril(inverse) + np.tril(inverse, -1).T
