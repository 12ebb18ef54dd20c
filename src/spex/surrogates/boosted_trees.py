"""ProxySPEX: gradient-boosted trees, their exact Fourier transform, and a refit on its support.

The trees (Butler, Agarwal et al., ProxySPEX, NeurIPS 2025) say which coefficients there are and
about how large; ridge regression with the square of the trees' coefficient as prior variance then
estimates them from all masks, which removes what boosting leaves of its learning rate and of
variables drawn by chance.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from spex._typing import FloatArray, IntArray
from spex.f2.packing import unpack
from spex.fourier.spectrum import Spectrum
from spex.fourier.trees import Trees, tree_spectrum
from spex.surrogates.base import Fitted, Samples, constant_fit
from spex.surrogates.refit import signs

if TYPE_CHECKING:
    import lightgbm

_LEAST_SAMPLES = 20
_DEPTHS = (3, 5)
_LEARNING_RATE = 0.05
_MOST_ROUNDS, _PATIENCE = 2000, 50
# Coefficients kept for the refit.
_SIZE = 1000
# Ridge penalties, relative to the mean energy of the weighted columns.
_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
# Folds are predicted together as long as that leaves out no larger a share of all masks: a fit to
# fewer would do worse than the one that is measured.
_SHARE_LEFT_OUT = 0.1


@dataclass(frozen=True)
class _Setting:
    """What cross-validation chooses."""

    depth: int
    rounds: int
    penalty: float


@dataclass(frozen=True)
class BoostedTrees:
    """Boosted trees as a proxy whose Fourier transform is exact, refitted on its support.

    Args:
        max_degree: Highest order of coefficients kept.
    """

    max_degree: int = 5
    name: str = "proxyspex"

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit all samples; a part of the folds is predicted by trees that have seen none of it.

        Depth, number of trees and penalty are chosen for each part on another one, and for all
        samples by what was best over the parts.
        """
        if np.ptp(samples.values) == 0.0 or len(samples) < _LEAST_SAMPLES:
            return constant_fit(samples, folds)
        left_out = sum(len(rows) for rows in folds) / len(samples)
        n_parts = min(max(2, math.ceil(left_out / _SHARE_LEFT_OUT)), len(folds))
        parts = [np.concatenate(folds[start::n_parts]) for start in range(n_parts)]
        data = _Data(samples, self.max_degree)

        def predict(number: int) -> tuple[_Setting, FloatArray]:
            out, judge = parts[number], parts[(number + 1) % n_parts]
            seen = np.setdiff1d(np.arange(len(samples)), out)
            setting = data.choose(np.setdiff1d(seen, judge), judge)
            return setting, data.spectrum(seen, setting).evaluate(samples.words[out])

        predictions = np.full(len(samples), np.nan)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            results = list(pool.map(predict, range(n_parts)))
        for rows, (_, found) in zip(parts, results, strict=True):
            predictions[rows] = found
        spectrum = data.spectrum(np.arange(len(samples)), _usual([s for s, _ in results]))
        return Fitted(spectrum, predictions)


def _usual(settings: Sequence[_Setting]) -> _Setting:
    """The depth chosen most often, with the median of what was chosen along with it."""
    depths = [setting.depth for setting in settings]
    depth = max(_DEPTHS, key=depths.count)
    same = [setting for setting in settings if setting.depth == depth]
    penalties = sorted(setting.penalty for setting in same)
    rounds = int(np.median([setting.rounds for setting in same]))
    return _Setting(depth, rounds, penalties[len(penalties) // 2])


class _Data:
    """Evaluated masks, and fits to some of them."""

    def __init__(self, samples: Samples, max_degree: int) -> None:
        self._samples = samples
        self._features = unpack(samples.words, samples.n_features).astype(np.float32)
        self._max_degree = max_degree

    def choose(self, rows: IntArray, judge: IntArray) -> _Setting:
        """The setting with which a fit to some rows predicts others best."""
        best, least = _Setting(_DEPTHS[0], 1, _PENALTIES[-1]), np.inf
        values = self._samples.values[judge]
        for depth in _DEPTHS:
            booster = self._boost(rows, depth, _MOST_ROUNDS, judge)
            rounds = max(booster.best_iteration, 1)
            fits = self._refits(booster, rows, _PENALTIES)
            for penalty, found in zip(_PENALTIES, fits, strict=True):
                error = ((found.evaluate(self._samples.words[judge]) - values) ** 2).mean()
                if error < least:
                    best, least = _Setting(depth, rounds, penalty), error
        return best

    def spectrum(self, rows: IntArray, setting: _Setting) -> Spectrum:
        """A fit to some rows."""
        booster = self._boost(rows, setting.depth, setting.rounds, None)
        return self._refits(booster, rows, [setting.penalty])[0]

    def _boost(
        self, rows: IntArray, depth: int, rounds: int, judge: IntArray | None
    ) -> "lightgbm.Booster":
        import lightgbm

        values = self._samples.values
        centre, spread = float(values[rows].mean()), float(values[rows].std()) or 1.0
        options: dict[str, Any] = {
            "objective": "l2",
            "max_depth": depth,
            "num_leaves": 2**depth - 1,
            "learning_rate": _LEARNING_RATE,
            "min_data_in_leaf": max(2, min(20, len(rows) // 40)),
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 1.0,
            "min_data_in_bin": 1,
            "feature_pre_filter": False,
            "seed": 0,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }
        train = lightgbm.Dataset(
            self._features[rows], (values[rows] - centre) / spread, params=options
        )
        if judge is None:
            return lightgbm.train(options, train, rounds)
        target = (values[judge] - centre) / spread
        held_out = lightgbm.Dataset(self._features[judge], target, reference=train)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        return lightgbm.train(options, train, rounds, valid_sets=[held_out], callbacks=[stop])

    def _refits(
        self, booster: "lightgbm.Booster", rows: IntArray, penalties: Sequence[float]
    ) -> list[Spectrum]:
        """Ridge regression on the trees' largest coefficients, weighted by their size."""
        n = self._samples.n_features
        values = self._samples.values[rows]
        trees = tree_spectrum(read_trees(booster, n), self._max_degree)
        sizes = np.where(trees.orders > 0, np.abs(trees.coefficients), 0.0)
        largest = np.argsort(-sizes, kind="stable")[: min(_SIZE, len(sizes) - 1)]
        constant = np.flatnonzero(trees.orders == 0)
        support = trees.support[np.concatenate([constant, largest])]
        centre = float(values.mean())
        if not len(largest) or sizes[largest[0]] == 0.0:
            alone = Spectrum(n, support[:1], np.array([centre]))
            return [alone] * len(penalties)
        design = signs(self._samples.words[rows], support[1:]).astype(np.float64)
        means = design.mean(axis=0)
        weights = sizes[largest] / np.sqrt((sizes[largest] ** 2).mean())
        scaled = (design - means) * weights
        gram, cross = scaled.T @ scaled, scaled.T @ (values - centre)
        energy = max(float(np.trace(gram)) / len(gram), 1e-300)
        found = []
        for penalty in penalties:
            system = gram.copy()
            system[np.diag_indices(len(system))] += penalty * energy
            coefficients = weights * scipy.linalg.solve(system, cross, assume_a="pos")
            intercept = centre - float(means @ coefficients)
            found.append(Spectrum(n, support, np.concatenate([[intercept], coefficients])))
        return found


def read_trees(booster: "lightgbm.Booster", n_features: int) -> Trees:
    """The trees of a LightGBM model over features 0 and 1, up to its best round.

    Read from its text form, whose numbers are exact; `dump_model` takes ten times as long.
    """
    roots: list[int] = []
    columns: dict[str, list[Any]] = {
        key: [] for key in ("split_feature", "left_child", "right_child", "leaf_value")
    }
    nodes = leaves = 0
    for block in booster.model_to_string().split("\nTree=")[1:]:
        lines = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        value = np.array(lines["leaf_value"].split(), dtype=np.float64)
        if len(value) == 1:
            roots.append(~leaves)
        else:
            roots.append(nodes)
            feature = np.array(lines["split_feature"].split(), dtype=np.int64)
            columns["split_feature"].append(feature)
            for side in ("left_child", "right_child"):
                child = np.array(lines[side].split(), dtype=np.int64)
                columns[side].append(np.where(child >= 0, child + nodes, child - leaves))
            nodes += len(feature)
        columns["leaf_value"].append(value)
        leaves += len(value)
    none = np.zeros(0, dtype=np.int64)
    feature, left, right = (
        np.concatenate([none, *columns[key]])
        for key in ("split_feature", "left_child", "right_child")
    )
    value = np.concatenate([np.zeros(0), *columns["leaf_value"]])
    return Trees(n_features, np.array(roots, dtype=np.int64), feature, left, right, value)
