"""Choosing and joining surrogates, and the standard errors of what comes out."""

import tracemalloc

import numpy as np
import pytest

from spex.f2.packing import pack, unpack
from spex.fitting.selection import _needed, _weights, fit_all, join
from spex.fourier.spectrum import Spectrum, weighted_sum
from spex.surrogates.base import Fitted, Samples
from spex.surrogates.refit import coefficient_errors, first_order

N = 8


def samples(values, seed=0):
    masks = np.random.default_rng(seed).random((len(values), N)) < 0.5
    return Samples(pack(masks), N, values, np.ones(len(values), dtype=bool))


class Given:
    """A surrogate with a known spectrum and known predictions."""

    def __init__(self, name, spectrum, predictions):
        self.name = name
        self._fitted = Fitted(spectrum, predictions, 0.0)

    def fit_outputs(self, samples, folds):
        return [self.fit(one, folds) for one in samples]

    def fit(self, samples, folds):
        return self._fitted


def spectrum(**of):
    return Spectrum.from_mapping({tuple(map(int, key[1:])): of[key] for key in of}, N)


def test_weights_are_convex_and_join_what_errs_in_different_ways():
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    predictions = values[:, None] + rng.normal(size=(400, 3)) * [0.5, 0.5, 5.0]
    weights = _weights(predictions, values)
    assert weights.sum() == pytest.approx(1.0) and weights.min() >= 0
    assert weights[:2] == pytest.approx([0.5, 0.5], abs=0.1)
    assert weights[2] == 0.0


def test_one_surrogate_stays_alone_where_others_add_nothing():
    rng = np.random.default_rng(1)
    values = rng.normal(size=400)
    good = values + 0.3 * rng.normal(size=400)
    worse = good + 0.3 * rng.normal(size=400)
    assert _weights(np.stack([worse, good], axis=1), values).tolist() == [0.0, 1.0]
    assert _weights(good[:, None], values).tolist() == [1.0]
    assert _weights(np.stack([values, values], axis=1), values).sum() == 1.0


def test_weighted_sum_is_that_of_the_functions():
    parts = [spectrum(f=1.0, f0=2.0, f01=-1.0), spectrum(f0=1.0, f2=4.0)]
    masks = np.random.default_rng(2).random((50, N)) < 0.5
    joined = weighted_sum(parts, np.array([0.25, 0.75]))
    expected = 0.25 * parts[0].predict(masks) + 0.75 * parts[1].predict(masks)
    assert joined.predict(masks) == pytest.approx(expected)
    assert len(np.unique(joined.support, axis=0)) == len(joined) == 4
    assert weighted_sum(parts[:1], np.ones(1)) is parts[0]


def test_joined_surrogates_are_one_spectrum_and_measured_together():
    rng = np.random.default_rng(3)
    given = samples(rng.normal(size=300))
    noisy = [given.values + 0.5 * rng.normal(size=300) for _ in range(2)]
    first = Given("one", spectrum(f=0.0, f0=2.0), noisy[0])
    second = Given("two", spectrum(f=0.0, f0=2.0, f12=1.0), noisy[1])
    fit = join(fit_all([first, second], [given])[0], given)
    assert set(fit.method.split(" + ")) == {"one", "two"}
    assert fit.fidelity.r2 > max(fit.scores.values()) + 0.03
    found = dict(fit.spectrum.items())
    assert found[0,] == pytest.approx(2.0) and found[1, 2] == pytest.approx(0.5, abs=0.15)
    assert len(fit.standard_errors) == len(fit.spectrum)


def test_a_surrogate_alone_keeps_every_coefficient_that_it_found():
    """Also those that are too small to matter for prediction: they are what was decoded."""
    rng = np.random.default_rng(4)
    given = samples(rng.normal(size=200))
    found = spectrum(f=0.0, f0=1.0, f1=1e-6)
    alone = Given("one", found, given.values + 0.5 * rng.normal(size=200))
    fit = join(fit_all([alone], [given])[0], given)
    assert fit.spectrum is found and len(fit.standard_errors) == 3


def test_what_is_dropped_holds_no_more_than_is_dispensable():
    given = spectrum(f=0.0, f0=1.0, f1=0.1, f2=0.2, f3=0.01)
    kept = given.keep(_needed(given, 0.0102))
    assert dict(kept.items()) == {(): 0.0, (0,): 1.0, (2,): 0.2}
    assert len(_needed(given, 0.0)) == 5


def test_standard_errors_are_those_of_least_squares_where_the_prior_is_wide():
    rng = np.random.default_rng(5)
    truth = spectrum(f=1.0, f0=2.0, f1=-2.0, f23=2.0)
    given = samples(np.zeros(400))
    masks = unpack(given.words, N)
    design = np.where((masks[:, None] & [[0] * N, *np.eye(N, dtype=bool)[:2]]).any(-1), -1.0, 1.0)
    parity = np.where(masks[:, 2] ^ masks[:, 3], -1.0, 1.0)
    design = np.column_stack([design, parity])
    expected = np.sqrt(0.25 * np.diag(np.linalg.inv(design.T @ design)))
    noisy = truth.predict(masks) + 0.5 * rng.normal(size=400)
    errors = coefficient_errors(samples(noisy), truth, 0.25)
    assert errors == pytest.approx(expected, rel=0.01)


def test_standard_errors_of_more_coefficients_than_masks_are_those_of_the_large_matrix():
    rng = np.random.default_rng(6)
    chosen = np.unique(np.concatenate([np.zeros((1, N)), rng.random((120, N)) < 0.4]), axis=0) > 0
    fitted = Spectrum(N, pack(chosen), rng.normal(size=len(chosen)))
    masks = rng.random((30, N)) < 0.5
    given = Samples(pack(masks), N, np.zeros(30), np.ones(30, dtype=bool))
    assert len(fitted) > 60 and not chosen[0].any()
    signs = (-1.0) ** (masks.astype(int) @ chosen.T)
    penalties = 0.25 / (fitted.coefficients**2 + 3 * 0.25 / 30)
    penalties[0] = 0.0
    inverse = np.linalg.inv(signs.T @ signs + np.diag(penalties))
    errors = coefficient_errors(given, fitted, 0.25)
    assert errors == pytest.approx(np.sqrt(0.25 * inverse.diagonal()), rel=1e-3)


def test_standard_errors_of_thousands_of_features_take_memory_in_proportion_to_them():
    n = 4000
    masks = np.random.default_rng(7).random((100, n)) < 0.5
    given = Samples(pack(masks), n, np.zeros(100), np.ones(100, dtype=bool))
    fitted = Spectrum(n, first_order(n), np.ones(n))
    tracemalloc.start()
    errors = coefficient_errors(given, fitted, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert errors.shape == (n,) and peak < 40_000_000  # a matrix of 4000^2 takes 128 MB
