"""Order 2: pairs are found among many, with and without main effects beside them."""

import numpy as np
import pytest

from spex.f2.packing import pack
from spex.fitting.fidelity import fidelity, folds
from spex.surrogates.base import Samples
from spex.surrogates.linear import Linear
from spex.surrogates.pairwise import Pairwise


def samples(n, m, function, seed=0):
    masks = np.random.default_rng(seed).random((m, n)) < 0.5
    return Samples(pack(masks), n, function(masks), np.ones(m, dtype=bool))


def hierarchical(masks):
    return 2.0 * masks[:, 0] * masks[:, 1] + masks[:, 2] - masks[:, 3] * masks[:, 4]


def pure(masks):
    signs = np.where(masks, 1.0, -1.0)
    return signs[:, 0] * signs[:, 1] + 0.7 * signs[:, 2] * signs[:, 3] + 0.5 * signs[:, 4]


@pytest.mark.parametrize("function", [hierarchical, pure])
@pytest.mark.parametrize("n", [12, 70])
def test_pairs_are_found_and_r2_is_honest(function, n):
    given, fresh = samples(n, 300, function), samples(n, 2000, function, seed=1)
    fitted = Pairwise().fit(given, folds(given))
    true = fidelity(fresh.values, fitted.spectrum.evaluate(fresh.words)).r2
    assert true > 0.97
    assert fidelity(given.values, fitted.predictions).r2 == pytest.approx(true, abs=0.03)
    assert fitted.spectrum.degree == 2
    top = sorted(fitted.spectrum.items(), key=lambda item: -abs(item[1] * bool(item[0])))[:7]
    pairs = {(0, 1), (3, 4)} if function is hierarchical else {(0, 1), (2, 3)}
    assert pairs <= {interaction for interaction, _ in top}


def test_where_there_are_no_pairs_it_is_as_good_as_order_one():
    def function(masks):
        return masks @ np.arange(1.0, 31.0)

    given, fresh = samples(30, 60, function), samples(30, 2000, function, seed=1)
    errors = [
        1 - fidelity(fresh.values, each.fit(given, folds(given)).spectrum.evaluate(fresh.words)).r2
        for each in (Linear(), Pairwise())
    ]
    assert errors[1] < errors[0] + 0.05


@pytest.mark.parametrize(("n", "m"), [(2, 20), (3, 21), (40, 25), (1500, 60)])
def test_small_samples_and_many_features_work(n, m):
    given = samples(n, m, lambda masks: masks[:, 0] * 1.0 - masks[:, 0] * masks[:, 1])
    fitted = Pairwise().fit(given, folds(given))
    assert np.isfinite(fitted.predictions).all() and np.isfinite(fitted.spectrum.coefficients).all()
    assert len(np.unique(fitted.spectrum.support, axis=0)) == len(fitted.spectrum)


def test_the_same_samples_give_the_same_fit():
    given = samples(10, 80, hierarchical)
    first, second = (Pairwise().fit(given, folds(given)) for _ in range(2))
    assert np.array_equal(first.spectrum.coefficients, second.spectrum.coefficients)
    assert np.array_equal(first.predictions, second.predictions)
