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

Functions evaluated at the same points may share the hyperparameters: their log marginal likelihoods
add up, and one Cholesky factor serves them all.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np
import scipy.linalg
import scipy.optimize

from spex._typing import BoolArray, Float32Array, FloatArray, IntArray
from spex.fourier import positive_definite

# Priors on the logarithms, in units of the variance of the values.
_RELEVANCE_PRECISION = 1.0
_NOISE_MEAN, _NOISE_SD = np.log(0.1), 1.0
_SCALE_SD = 2.0  # of v, c2, c1 and u: weak
_LEAST_LOG_NOISE = -10.0  # below, noiseless functions make the kernel matrix singular
# If there are more features than this number plus the masks, only this many have their own
# relevance.
_FEATURES = 500
# More steps raise the marginal likelihood a little and R2 not at all.
_STEPS, _STEPS_FROM_START = 25, 12


@dataclass(frozen=True, eq=False)
class Points:
    """The points at which a function was evaluated, in the kernel's form.

    Args:
        signs: (m, n) float64 in {-1,+1}, +1 = present.
        neighbours: (m, p) float32 indicators of neighbours; None without a sequence.
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
    """Logarithms of the kernel's (n + 5,) relevances r, then v, c2, c1, u and the noise."""

    logs: FloatArray

    @property
    def relevances(self) -> FloatArray:
        """(n,) relevances r_i / n."""
        return np.asarray(np.exp(self.logs[:-5]) / (len(self.logs) - 5))

    @property
    def variance(self) -> float:
        """The prior variance v of the product part."""
        return float(np.exp(self.logs[-5]))

    @property
    def rates(self) -> FloatArray:
        """(n,) rates b_i of the product part."""
        return np.asarray(np.exp(self.logs[-4]) * self.relevances)

    @property
    def rho(self) -> FloatArray:
        """(n,) tanh of the rates."""
        return np.tanh(self.rates)

    @property
    def base(self) -> float:
        """The product part's prior variance w of the constant."""
        return self.variance / float(np.prod(1.0 + self.rho))

    @property
    def linear(self) -> FloatArray:
        """(n,) prior variances l_i of the linear part."""
        return np.asarray(np.exp(self.logs[-3]) * self.relevances)

    @property
    def neighbours(self) -> float:
        """The prior variance u / n of what each pair of neighbours adds."""
        return float(np.exp(self.logs[-2]) / (len(self.logs) - 5))

    @property
    def noise(self) -> float:
        """Variance of the noise."""
        return float(np.exp(self.logs[-1]))

    def prior_variances(self, members: BoolArray) -> FloatArray:
        """(k,) prior variances w_k by the product and the linear part.

        Args:
            members: (k, n) bool, which features each frequency joins; none is the constant.
        """
        # Member by member: a product of matrices would make (k, n) numbers of 8 bytes each.
        rows, features = np.nonzero(members)
        logs = np.bincount(rows, np.log(self.rho)[features], len(members))
        sums = np.bincount(rows, self.linear[features], len(members))
        alone = np.bincount(rows, minlength=len(members)) == 1
        return np.asarray(self.base * np.exp(logs) + np.where(alone, sums, 0.0))


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
    points: Points,
    values: FloatArray,
    start: Hyperparameters | None = None,
    log_relevance: FloatArray | None = None,
) -> Hyperparameters:
    """The hyperparameters of largest posterior density: marginal likelihood times prior.

    Args:
        points: Where the functions were evaluated.
        values: (q, m) float64, of q functions, each of mean about 0 and variance about 1.
        start: Where the search starts, such as the result for a part of the points; default: the
            prior mean.
        log_relevance: (n,) prior mean of the log relevances; default: 0.
    """
    n = points.signs.shape[1]
    groups = _groups(points.signs, values, log_relevance)
    n_groups = len(groups.shift)
    scales = [*np.log([0.5, 1.0, 0.5, 0.3]), _NOISE_MEAN]
    prior = np.concatenate([groups.of_groups(log_relevance), scales])
    begin = prior
    if start is not None:
        begin = np.concatenate([groups.of_groups(start.logs[:-5]), start.logs[-5:]])
    parameter = np.concatenate([groups.of_column, n_groups + np.arange(5)])
    shared = np.zeros((0, 0))
    if points.neighbours is not None:
        shared = (points.neighbours @ points.neighbours.T).astype(np.float64) / n

    def objective(logs: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = _negative_log_posterior(
            logs[parameter], groups.columns, values, prior[parameter], shared
        )
        return value, np.asarray(np.bincount(parameter, gradient), dtype=np.float64)

    found = scipy.optimize.minimize(
        objective,
        begin,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-8.0, 8.0)] * n_groups + [(-10.0, 6.0)] * 4 + [(_LEAST_LOG_NOISE, 2.0)],
        options={"maxiter": _STEPS if start is None else _STEPS_FROM_START},
    ).x
    of_features = (found[:n_groups] + groups.shift)[groups.of_feature]
    return Hyperparameters(np.concatenate([of_features, found[n_groups:]]))


@dataclass(frozen=True, eq=False)
class _Groups:
    """Features that share a relevance, and columns that replace their signs.

    Args:
        columns: (m, c) float64, of as many columns as rows for a group of several features.
        of_column: (c,) int64, the group of each column.
        of_feature: (n,) int64, the group of each feature.
        shift: (g,) float64, log relevance of a feature less that of a column of its group.
    """

    columns: FloatArray
    of_column: IntArray
    of_feature: IntArray
    shift: FloatArray

    def of_groups(self, logs: FloatArray | None) -> FloatArray:
        """(g,) log relevances of columns from those of features, (n,) or None for 0."""
        sums = 0.0 if logs is None else np.bincount(self.of_feature, logs)
        return np.asarray(sums / np.bincount(self.of_feature) - self.shift)


def _groups(signs: FloatArray, values: FloatArray, log_relevance: FloatArray | None) -> _Groups:
    """Each feature alone; if there are very many, those least correlated with the values together.

    Their part of A is r S S^T / n with S (m, f) their signs. A Cholesky factor L of S S^T, (m, m),
    gives the same, so that the search takes no longer for more features.
    """
    m, n = signs.shape
    if n <= _FEATURES + m:
        each = np.arange(n)
        return _Groups(signs, each, each, np.zeros(n))
    strength = np.abs(values @ signs).sum(axis=0)
    if log_relevance is not None:
        strength *= np.exp(log_relevance / 2)
    ranked = np.argsort(-strength, kind="stable")
    alone, rest = ranked[:_FEATURES], ranked[_FEATURES:]
    gram = signs[:, rest] @ signs[:, rest].T
    gram[np.diag_indices(m)] *= 1.0 + 1e-6  # masks may differ in no feature of the rest
    factor = np.tril(positive_definite.cholesky(gram))
    # Columns of mean square one, like signs, so that relevances sum to the diagonal of A.
    columns = np.concatenate([signs[:, alone], factor * np.sqrt(m / len(rest))], axis=1)
    of_column = np.concatenate([np.arange(_FEATURES), np.full(m, _FEATURES)])
    of_feature = np.full(n, _FEATURES)
    of_feature[alone] = np.arange(_FEATURES)
    # Relevances are divided by n, those of columns by their number.
    shift = np.full(_FEATURES + 1, np.log(n / (_FEATURES + m)))
    shift[-1] += np.log(m / len(rest))
    return _Groups(columns, of_column, of_feature, shift)


def _negative_log_posterior(
    logs: FloatArray,
    signs: FloatArray,
    values: FloatArray,
    prior: FloatArray,
    shared: FloatArray,
) -> tuple[float, FloatArray]:
    """Negative log marginal likelihood and log prior, and their gradient by the logarithms.

    The values are (q, m), one row for each function; the likelihoods of the rows add up.

    Let A = sum_i r_i s_i s_i^T / n, with r the relevances. The product part of the kernel is P = v
    exp(c2 (A - sum r / n)), and the linear part is c1 A. Let W = sum_j alpha_j alpha_j^T - q K^-1.
    One matrix product then gives the derivatives by every r_i, as s_i^T (c2 P o W + c1 W) s_i.
    """
    hyper = Hyperparameters(logs)
    n = signs.shape[1]
    relevances = hyper.relevances
    total_rate = float(relevances.sum())
    product_scale, linear_scale, shared_scale = np.exp(logs[-4:-1])
    inner = (signs * relevances) @ signs.T
    kernel, product = _kernel_and_product(
        inner, shared, total_rate, hyper.variance,
        product_scale, linear_scale, shared_scale, hyper.noise + 1e-8,
    )  # fmt: skip
    try:
        factor = positive_definite.cholesky(kernel)
    except scipy.linalg.LinAlgError:
        return 1e25, np.zeros_like(logs)
    alpha = positive_definite.solve(factor, values)  # (q, m)
    log_determinant = len(values) * 2 * float(np.log(np.diag(factor)).sum())
    inverse = positive_definite.inverse(factor)
    both, total, by_product, by_linear, by_shared, trace = _gradient_sums(
        inverse, alpha.T @ alpha, len(values), inner, product, shared,
        product_scale, linear_scale,
    )  # fmt: skip
    gradient = np.zeros(n + 5)
    by_relevance = np.einsum("ij,ij->j", signs, both @ signs)
    gradient[:n] = 0.5 * relevances * (by_relevance - product_scale * total)
    gradient[n] = 0.5 * total
    gradient[n + 1] = 0.5 * product_scale * (by_product - total_rate * total)
    gradient[n + 2] = 0.5 * linear_scale * by_linear
    gradient[n + 3] = 0.5 * shared_scale * by_shared
    gradient[n + 4] = 0.5 * hyper.noise * trace
    log_likelihood = -0.5 * (
        sum(float(y @ a) for y, a in zip(values, alpha, strict=True)) + log_determinant
    )

    precision = np.full(n + 5, _RELEVANCE_PRECISION)
    precision[n : n + 4] = _SCALE_SD**-2
    precision[n + 4] = _NOISE_SD**-2
    away = logs - prior
    log_prior = -0.5 * float(precision @ away**2)
    return -(log_likelihood + log_prior), -(gradient - precision * away)


@nb.njit(cache=True, nogil=True)
def _kernel_and_product(  # type: ignore[no-untyped-def]
    inner, shared, total_rate, variance, product_scale, linear_scale, shared_scale, noise
):
    """The kernel matrix with noise, and its product part; of both the lower triangles.

    Args:
        inner: (m, m) float64, A.
        shared: (m, m) float64, <g(m), g(m')> / n; (0, 0) without neighbours.
        total_rate: The sum of the relevances.
        variance: v.
        product_scale: c2.
        linear_scale: c1.
        shared_scale: u.
        noise: Variance of the noise.

    Returns:
        Two (m, m) float64.
    """
    m = len(inner)
    kernel = np.empty((m, m))
    product = np.empty((m, m))
    near = shared.shape[0] > 0
    for i in range(m):
        for j in range(i + 1):
            product[i, j] = variance * np.exp(product_scale * (inner[i, j] - total_rate))
            kernel[i, j] = product[i, j] + linear_scale * inner[i, j]
        if near:
            for j in range(i + 1):
                kernel[i, j] += shared_scale * shared[i, j]
        kernel[i, i] += noise
    return kernel, product


@nb.njit(cache=True, nogil=True)
def _gradient_sums(  # type: ignore[no-untyped-def]
    inverse, outer, n_outputs, inner, product, shared, product_scale, linear_scale
):
    """Sums over W = sum_j alpha_j alpha_j^T - q K^-1 for the gradient.

    Args:
        inverse: (m, m) float64, K^-1; its lower triangle is read.
        outer: (m, m) float64, sum_j alpha_j alpha_j^T over the outputs.
        n_outputs: q.
        inner: (m, m) float64, A.
        product: (m, m) float64, P; its lower triangle is read.
        shared: (m, m) float64, <g(m), g(m')> / n; (0, 0) without neighbours.
        product_scale: c2.
        linear_scale: c1.

    Returns:
        (m, m) float64 c2 P o W + c1 W; the sums over P o W, A o P o W, A o W and shared o W; and
        the trace of W.
    """
    m = len(inner)
    both = np.empty((m, m))
    near = shared.shape[0] > 0
    total = by_product = by_linear = by_shared = trace = 0.0
    for i in range(m):
        row_total = row_product = row_linear = row_shared = 0.0
        for j in range(i):
            weight = outer[i, j] - n_outputs * inverse[i, j]
            part = product[i, j] * weight
            row_total += part
            row_product += part * inner[i, j]
            row_linear += weight * inner[i, j]
            if near:
                row_shared += weight * shared[i, j]
            both[i, j] = both[j, i] = product_scale * part + linear_scale * weight
        weight = outer[i, i] - n_outputs * inverse[i, i]
        part = product[i, i] * weight
        both[i, i] = product_scale * part + linear_scale * weight
        trace += weight
        total += 2 * row_total + part
        by_product += 2 * row_product + part * inner[i, i]
        by_linear += 2 * row_linear + weight * inner[i, i]
        if near:
            by_shared += 2 * row_shared + weight * shared[i, i]
    return both, total, by_product, by_linear, by_shared, trace
