"""The surrogate of order 2: every feature, and the pairs that a screening names.

What a ridge regression of order 1 leaves over is held against every pair. Pairs are ranked by how
much of it they explain, with or without a preference for pairs of features that matter on their
own, as interactions mostly have main effects beside them (Bien, Taylor & Tibshirani, A lasso for
hierarchical interactions, 2013). Ridge regression then estimates features and pairs together.
"""

import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from spex import positive_definite
from spex._typing import FloatArray, IntArray, WordArray
from spex.f2.packing import n_words, pack, unpack
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Fitted, Samples, constant_fit
from spex.surrogates.refit import leave_one_out_ridge, signs

_LEAST_SAMPLES = 20
# Tried are so many pairs for each feature, up to the most that are ever refitted, with and without
# hierarchy, and ridge penalties relative to the mean energy of the columns.
_PAIRS_PER_FEATURE, _MOST_PAIRS = (0.5, 2.0, 8.0), 1000
_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
_MAIN_PENALTIES = np.logspace(-4, 1, 11)
# Pairs are sought among so many features at most, those of largest main effects.
_FEATURES = 1000
# Prior variance of a pair's coefficient over that of a single feature's.
_PAIR_VARIANCE = 0.3
# Folds are predicted together as long as that leaves out no larger a share of all masks: a fit to
# fewer would do worse than the one that is measured.
_SHARE_LEFT_OUT = 0.15


@dataclass(frozen=True)
class _Setting:
    """What cross-validation chooses."""

    hierarchical: bool
    n_pairs: int
    penalty: float


@dataclass(frozen=True)
class Pairwise:
    """Ridge regression on all features and screened pairs."""

    name: str = "pairwise"

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit all samples; a part of the folds is predicted without any mask of it.

        Screening and settings are repeated for each part, its settings judged on another part.
        """
        if np.ptp(samples.values) == 0.0 or len(samples) < _LEAST_SAMPLES:
            return constant_fit(samples, folds)
        left_out = sum(len(rows) for rows in folds) / len(samples)
        n_parts = min(max(2, math.ceil(left_out / _SHARE_LEFT_OUT)), len(folds))
        parts = [np.concatenate(folds[start::n_parts]) for start in range(n_parts)]
        everything = np.arange(len(samples))
        settings = _settings(samples.n_features)

        def predict(number: int) -> tuple[FloatArray, FloatArray]:
            out, judge = parts[number], parts[(number + 1) % n_parts]
            seen = np.setdiff1d(everything, out)
            fits = _fits(samples, np.setdiff1d(seen, judge), settings)
            words, values = samples.words[judge], samples.values[judge]
            errors = np.array([((fit.evaluate(words) - values) ** 2).sum() for fit in fits])
            chosen = settings[int(errors.argmin())]
            return errors, _fits(samples, seen, [chosen])[0].evaluate(samples.words[out])

        predictions = np.full(len(samples), np.nan)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            results = list(pool.map(predict, range(n_parts)))
        for rows, (_, found) in zip(parts, results, strict=True):
            predictions[rows] = found
        errors = np.sum([errors for errors, _ in results], axis=0)
        best = settings[int(errors.argmin())]
        whole = _fits(samples, everything, [best])[0]
        return Fitted(whole, predictions, len(parts[0]) / len(samples))


def _settings(n: int) -> list[_Setting]:
    most = min(math.comb(min(n, _FEATURES), 2), _MOST_PAIRS)
    sizes = sorted({min(max(int(share * n), 1), most) for share in _PAIRS_PER_FEATURE})
    return [_Setting(*each) for each in itertools.product((False, True), sizes, _PENALTIES)]


def _fits(samples: Samples, rows: IntArray, settings: Sequence[_Setting]) -> list[Spectrum]:
    """Fits to some rows, one for each setting; settings that differ last share their matrices."""
    n = samples.n_features
    points = np.where(unpack(samples.words[rows], n), -1.0, 1.0)  # (-1)^<k,m> of single features
    values = samples.values[rows]
    centre = float(values.mean())
    centred = points - points.mean(axis=0)
    main, _ = leave_one_out_ridge(centred, values - centre, _MAIN_PENALTIES * len(rows))
    rest = values - centre - centred @ main

    often = np.sort(np.argsort(-np.abs(main), kind="stable")[:_FEATURES])
    first, second = (often[side] for side in np.triu_indices(len(often), 1))
    among = points[:, often]
    sums = np.abs((among * rest[:, None]).T @ among)[np.triu_indices(len(often), 1)]
    # What the noise alone adds to a squared coefficient, so that none counts for nothing.
    energies = main**2 + float((rest**2).mean()) / len(rows)
    energies /= float(energies.max()) or 1.0
    shared = np.sqrt(energies[first] * energies[second])
    shared /= float(shared.max(initial=0.0)) or 1.0

    found = []
    constant = np.zeros((1, n_words(n)), dtype=np.uint64)
    for (hierarchical, n_pairs), group in itertools.groupby(
        settings, lambda setting: (setting.hierarchical, setting.n_pairs)
    ):
        trust = shared if hierarchical else np.ones_like(shared)
        best = np.argsort(-sums * np.sqrt(trust), kind="stable")[:n_pairs]
        members = np.zeros((n + len(best), n), dtype=np.bool_)
        members[np.arange(n), np.arange(n)] = True
        members[n + np.arange(len(best)), first[best]] = True
        members[n + np.arange(len(best)), second[best]] = True
        support = pack(members)
        relative = trust[best] / max(float(trust[best].mean()), 1e-300) if len(best) else trust
        prior = np.concatenate([np.ones(n), _PAIR_VARIANCE * relative])
        penalties = [setting.penalty for setting in group]
        for fit in _ridge(samples.words[rows], values, support, prior, penalties):
            found.append(Spectrum(n, np.concatenate([constant, support]), fit))
    return found


def _ridge(
    words: WordArray,
    values: FloatArray,
    support: WordArray,
    prior: FloatArray,
    penalties: Sequence[float],
) -> list[FloatArray]:
    """For each penalty (k + 1,): the constant, and coefficients of prior variances (k,)."""
    scale = np.sqrt(prior)
    design = signs(words, support) * scale
    means = design.mean(axis=0)
    design -= means
    centre = float(values.mean())
    # With more columns than masks the system of the masks is the smaller one.
    wide = len(words) < len(support)
    gram = design @ design.T if wide else design.T @ design
    right = values - centre if wide else design.T @ (values - centre)
    energy = max(float(np.trace(gram)) / len(support), 1e-300)
    fits = []
    for penalty in penalties:
        system = np.array(gram, dtype=np.float64, order="C")
        system[np.diag_indices_from(system)] += penalty * energy
        solved = positive_definite.solve(positive_definite.cholesky(system), right)
        if wide:
            solved = design.T @ solved
        fits.append(np.concatenate([[centre - float(means @ solved)], scale * solved]))
    return fits
