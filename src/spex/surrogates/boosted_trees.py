"""ProxySPEX: gradient-boosted trees, their exact Fourier transform, and a refit on its support.

Boosted trees need few masks, and their Fourier transform is exact (`spex.fourier.trees`; Butler,
Agarwal et al., ProxySPEX, NeurIPS 2025). Cross-validation grows trees of three shapes, with early
stopping. Their coefficients say which frequencies matter and how much. Ridge regression then
estimates these from all masks, with the mean square over the trees as prior variance. Its noise is
a share of the trees' held-out error; the share that predicts held-out masks best is chosen. The
refit removes the shrinkage of boosting.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import FloatArray, IntArray, WordArray
from spex.f2.packing import signs, unpack
from spex.fourier import positive_definite
from spex.fourier.spectrum import Spectrum
from spex.fourier.trees import Trees, tree_spectrum
from spex.surrogates.base import Fitted, Samples, Surrogate, constant_fit, cross_fit
from spex.surrogates.refit import with_constant

if TYPE_CHECKING:
    import lightgbm

_LEAST_SAMPLES = 20
# Orders up to two, three and five.
_SHAPES: tuple[dict[str, Any], ...] = (
    {"max_depth": 2, "num_leaves": 4},
    {"max_depth": 3, "num_leaves": 8},
    {"max_depth": 5, "num_leaves": 16, "lambda_l2": 1.0},
)
# A shape's coefficients count by this power of its error: one tenth worse, a third of the weight.
_SHARPNESS = 10
_FOLDS = 4
# Half the learning rate and twice the rounds do no better after the refit, in twice the time.
_LEARNING_RATE, _ROUNDS, _PATIENCE = 0.2, 200, 20
_OPTIONS = {
    "objective": "l2",
    "metric": "l2",
    "learning_rate": _LEARNING_RATE,
    "min_sum_hessian_in_leaf": 0.0,
    # Two bins are enough: a feature is 0 or 1.
    "max_bin": 2,
    "min_data_in_bin": 1,
    "feature_pre_filter": False,
    # The same result on every run. One thread: fits run side by side, and the data are small.
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}
# If there are more features than this, and than masks, trees use only this many: those that
# correlate most with the values.
_FEATURES = 300
# Coefficients kept for the refit.
_SIZE = 1000
# Shares of the trees' error to try as noise of the refit, and the number of folds to judge them.
_NOISES = (0.01, 0.03, 0.1, 0.3, 1.0)
_JUDGES = 2
# Least credible mean squared error of a fit, in units of the variance.
_LEAST_NOISE = 1e-9
# Several folds are predicted by one fit that leaves all of them out. They may hold this share of
# all masks: with more left out, R2 would be that of a smaller sample.
_SHARE_LEFT_OUT = 0.15


@dataclass(frozen=True)
class BoostedTrees(Surrogate):
    """Boosted trees as a proxy whose Fourier transform is exact, refitted on its support.

    Args:
        max_degree: Highest order of coefficients kept.
    """

    max_degree: int = 5
    name: str = "proxyspex"

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit all samples; the folds are predicted by trees that have seen none of them."""
        if np.ptp(samples.values) == 0.0 or len(samples) < _LEAST_SAMPLES:
            return constant_fit(samples, folds)
        left_out = sum(len(rows) for rows in folds) / len(samples)
        n_parts = min(max(2, math.ceil(left_out / _SHARE_LEFT_OUT)), len(folds))
        parts = [np.concatenate(folds[start::n_parts]) for start in range(n_parts)]
        return cross_fit(self._spectrum, samples, parts)

    def _spectrum(self, samples: Samples) -> Spectrum:
        n = samples.n_features
        centre, spread = float(samples.values.mean()), float(samples.values.std())
        alone = Spectrum.constant(centre, n)
        if spread == 0.0:
            return alone
        values = (samples.values - centre) / spread
        trees, left, tests = _boosted(samples, values)
        noise = float(left.min())
        if noise >= 1.0:  # no trees are better than the mean on masks left out
            return alone
        spectra = [[tree_spectrum(each, self.max_degree) for each in row] for row in trees]
        weights = (noise / left) ** _SHARPNESS
        support, prior = _largest_energies(spectra, weights)
        if not len(support):  # the trees found only higher orders
            return alone
        noises = noise * np.array(_NOISES)
        errors = np.zeros(len(noises))
        for fold, rows in enumerate(tests[:_JUDGES]):
            of_others = [[row[fold]] for row in spectra]
            known, expected = _largest_energies(of_others, weights)
            others = np.setdiff1d(np.arange(len(values)), rows)
            fits = _weighted_ridge(samples.words[others], values[others], known, expected, noises)
            columns = signs(samples.words[rows], known)
            for number, fit in enumerate(fits):
                found = fit[0] + columns @ fit[1:]
                errors[number] += float(((found - values[rows]) ** 2).sum())
        best = noises[[int(errors.argmin())]]
        coefficients = spread * _weighted_ridge(samples.words, values, support, prior, best)[0]
        coefficients[0] += centre
        return Spectrum(n, with_constant(support), coefficients)


def _boosted(
    samples: Samples, values: FloatArray
) -> tuple[list[list[Trees]], FloatArray, list[IntArray]]:
    """Trees of every shape, fitted to the training sets of cross-validation.

    Returns:
        For each shape the trees of all folds; (shapes,) their mean squared error there; and the
        row numbers of each fold.
    """
    import lightgbm

    m, n = len(values), samples.n_features
    order = np.random.default_rng(0).permutation(m)
    tests = [np.sort(order[fold::_FOLDS]) for fold in range(_FOLDS)]
    splits = [(np.setdiff1d(order, rows), rows) for rows in tests]
    most = max(m, _FEATURES)
    # If there are very many features, choose them again for each fold, without its values.
    parts = [splits] if n <= most else [[split] for split in splits]
    chosen = [_most_correlated(samples, values, part[0][0], most) for part in parts]
    masks = unpack(samples.words, n)
    trees, errors = [], []
    for shape in _SHAPES:
        options = _OPTIONS | shape | {"min_data_in_leaf": max(2, m // 100)}
        found: list[dict[str, Any]] = [
            lightgbm.cv(
                options,
                lightgbm.Dataset(masks[:, features].astype(np.float32), values, params=options),
                _ROUNDS,
                part,
                callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
                return_cvbooster=True,
            )
            for part, features in zip(parts, chosen, strict=True)
        ]
        trees.append(
            [
                read_trees(booster, n, features)
                for one, features in zip(found, chosen, strict=True)
                for booster in one["cvbooster"].boosters
            ]
        )
        error = np.mean([one["valid l2-mean"][-1] for one in found])
        errors.append(max(float(error), _LEAST_NOISE))
    return trees, np.array(errors), tests


def _most_correlated(samples: Samples, values: FloatArray, rows: IntArray, most: int) -> IntArray:
    """(most,) int64: the features whose presence correlates most with values at some masks."""
    n = samples.n_features
    if n <= most:
        return np.arange(n)
    present = unpack(samples.words[rows], n).astype(np.float32)
    sums = np.abs((values[rows] - values[rows].mean()) @ present)
    return np.sort(np.argsort(-sums, kind="stable")[:most])


def _largest_energies(
    spectra: Sequence[Sequence[Spectrum]], weights: FloatArray
) -> tuple[WordArray, FloatArray]:
    """The frequencies of largest mean square coefficient, and these means over their sum.

    Args:
        spectra: A row for each shape.
        weights: Factor for the squares of each row.

    Returns:
        (k, n_words) frequencies without the constant, the largest first, and (k,).
    """
    words, energies = [], []
    for row, weight in zip(spectra, weights, strict=True):
        for spectrum in row:
            squares = np.where(spectrum.orders > 0, weight * spectrum.coefficients**2, 0.0)
            # Ensembles agree on the large coefficients, so a few more of each are enough.
            largest = np.argsort(-squares, kind="stable")[: 4 * _SIZE]
            largest = largest[squares[largest] > 0]
            words.append(spectrum.support[largest])
            energies.append(squares[largest])
    support, number = np.unique(np.concatenate(words), axis=0, return_inverse=True)
    total = np.bincount(number.ravel(), np.concatenate(energies), minlength=len(support))
    best = np.argsort(-total, kind="stable")[:_SIZE]
    return support[best], total[best] / max(float(total[best].sum()), 1e-300)


def _weighted_ridge(
    words: WordArray, values: FloatArray, support: WordArray, prior: FloatArray, noises: FloatArray
) -> list[FloatArray]:
    """For each noise (k + 1,): the constant, and coefficients by ridge regression.

    Args:
        words: (m, n_words) masks.
        values: (m,).
        support: (k, n_words) frequencies.
        prior: (k,) prior variances of their coefficients.
        noises: Variances.
    """
    scale = np.sqrt(prior)
    design = signs(words, support) * scale
    means = design.mean(axis=0)
    design -= means
    centre = float(values.mean())
    # With more columns than masks the system of the masks is the smaller one.
    wide = len(words) < len(support)
    gram = np.asarray(design @ design.T if wide else design.T @ design, dtype=np.float64)
    right = values - centre if wide else design.T @ (values - centre)
    # Rounding must not make the system singular.
    least = 1e-12 * float(np.trace(gram))
    fits = []
    for noise in noises:
        solved = positive_definite.ridge(gram, max(noise, least), right)
        if wide:
            solved = design.T @ solved
        fits.append(np.concatenate([[centre - float(means @ solved)], scale * solved]))
    return fits


def read_trees(booster: "lightgbm.Booster", n_features: int, columns: IntArray) -> Trees:
    """The trees of a LightGBM model of zeros and ones, up to its best round.

    Read from its text form, whose numbers are exact; `dump_model` takes ten times as long.

    Args:
        booster: The model.
        n_features: Number of features n.
        columns: (c,) int64, the feature that each column of its data is.
    """
    lines: dict[str, list[str]] = {
        key: [] for key in ("split_feature", "left_child", "right_child", "leaf_value")
    }
    for line in booster.model_to_string().split("\n"):
        key, _, numbers = line.partition("=")
        if key in lines:
            lines[key].append(numbers)

    def joined(key: str, kind: type) -> Any:
        return np.array(" ".join(lines[key]).split(), dtype=kind)

    # A tree's nodes and leaves are numbered from 0; it has one leaf more than nodes.
    n_leaves = np.array([numbers.count(" ") + 1 for numbers in lines["leaf_value"]], dtype=np.int64)
    n_nodes = n_leaves - 1
    first_node, first_leaf = np.cumsum(n_nodes) - n_nodes, np.cumsum(n_leaves) - n_leaves

    def numbered_through(child: IntArray) -> IntArray:
        node, leaf = np.repeat(first_node, n_nodes), np.repeat(first_leaf, n_nodes)
        return child + np.where(child >= 0, node, -leaf)

    return Trees(
        n_features,
        np.where(n_nodes > 0, first_node, ~first_leaf),
        columns[joined("split_feature", np.int64)],
        numbered_through(joined("left_child", np.int64)),
        numbered_through(joined("right_child", np.int64)),
        joined("leaf_value", np.float64),
    )
