"""ProxySPEX: what LightGBM has grown is read exactly, and the refit predicts."""

import lightgbm
import numpy as np
import pytest

from spex.f2.packing import pack
from spex.fitting.fidelity import fidelity, folds
from spex.fourier.trees import tree_spectrum
from spex.surrogates.base import Samples
from spex.surrogates.boosted_trees import BoostedTrees, read_trees


def samples(n, m, function, seed=0):
    masks = np.random.default_rng(seed).random((m, n)) < 0.5
    return Samples(pack(masks), n, function(masks), np.ones(m, dtype=bool))


def bumpy(masks):
    return masks[:, 0] * 2.0 + masks[:, 1] * masks[:, 2] - 1.5 * masks[:, 3] * ~masks[:, 4]


@pytest.mark.parametrize("n", [5, 70])
def test_the_spectrum_of_a_booster_predicts_what_it_predicts(n):
    rng = np.random.default_rng(n)
    masks = rng.random((400, n)) < 0.5
    data = lightgbm.Dataset(masks.astype(float), bumpy(masks) + rng.normal(size=400))
    booster = lightgbm.train({"num_leaves": 12, "verbose": -1, "num_threads": 1}, data, 40)
    fresh = rng.random((200, n)) < 0.5
    found = tree_spectrum(read_trees(booster, n, np.arange(n))).predict(fresh)
    assert found == pytest.approx(booster.predict(fresh.astype(float)), abs=1e-9)


def test_a_booster_that_found_nothing_is_a_constant():
    masks = np.random.default_rng(0).random((30, 4)) < 0.5
    data = lightgbm.Dataset(masks.astype(float), np.full(30, 2.0))
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, data, 3)
    fresh = np.eye(4)
    found = tree_spectrum(read_trees(booster, 4, np.arange(4))).predict(fresh > 0)
    assert found == pytest.approx(booster.predict(fresh), abs=1e-12)


def test_interactions_are_found_and_r2_is_honest():
    given = samples(30, 500, bumpy)
    fitted = BoostedTrees().fit(given, folds(given))
    fresh = samples(30, 2000, bumpy, seed=1)
    true = fidelity(fresh.values, fitted.spectrum.evaluate(fresh.words)).r2
    assert true > 0.98
    assert fidelity(given.values, fitted.predictions).r2 == pytest.approx(true, abs=0.02)


@pytest.mark.parametrize("m", [20, 25, 60])
def test_small_samples_work(m):
    given = samples(6, m, bumpy)
    fitted = BoostedTrees(2).fit(given, folds(given))
    assert np.isfinite(fitted.predictions).all()
    assert fitted.spectrum.degree <= 2


def test_the_same_samples_give_the_same_fit():
    given = samples(6, 80, bumpy)
    first, second = (BoostedTrees().fit(given, folds(given)) for _ in range(2))
    assert np.array_equal(first.spectrum.coefficients, second.spectrum.coefficients)
    assert np.array_equal(first.predictions, second.predictions)


def test_noise_alone_gives_no_more_than_the_mean():
    given = samples(10, 200, lambda m: np.random.default_rng(3).normal(size=len(m)))
    fitted = BoostedTrees().fit(given, folds(given))
    assert fidelity(given.values, fitted.predictions).r2 < 0.05


def test_of_very_many_features_the_relevant_ones_are_found_and_noise_is_not():
    given = samples(600, 200, bumpy)
    fitted = BoostedTrees().fit(given, folds(given))
    fresh = samples(600, 1000, bumpy, seed=1)
    true = fidelity(fresh.values, fitted.spectrum.evaluate(fresh.words)).r2
    assert true > 0.7
    assert fidelity(given.values, fitted.predictions).r2 == pytest.approx(true, abs=0.2)
    given = samples(600, 100, lambda m: np.random.default_rng(3).normal(size=len(m)))
    fitted = BoostedTrees().fit(given, folds(given))
    assert fidelity(given.values, fitted.predictions).r2 < 0.05
