"""Spectra of all masks, and of most of them."""

import numpy as np
import pytest

import spex
from spex.fitting.exhaustive import completed
from spex.fitting.fidelity import Fidelity
from spex.fitting.selection import Fit
from spex.fourier.spectrum import Spectrum
from spex.interactions.values import interactions
from spex.surrogates.base import Samples

N = 8
EVERY = (np.arange(1 << N)[:, None] >> np.arange(N) & 1).astype(bool)


def majority(masks):
    return (masks.sum(axis=1) > N / 2) * 1.0


def fit(m):
    """A surrogate of order 1 that knows m masks."""
    rng = np.random.default_rng(m)
    rows = np.sort(rng.permutation(1 << N)[:m])
    surrogate = Spectrum.from_mapping({(): 0.5, (1,): 0.2}, N)
    values = rng.normal(size=m)
    samples = Samples(rows.astype(np.uint64)[:, None], N, values, np.ones(m, bool))
    errors = np.array([0.1, 0.1])
    return Fit("linear", surrogate, Fidelity(0.6, (0.5, 0.7)), {}, errors, 0.4), samples, rows


@pytest.mark.parametrize("by_size", [False, True])
def test_a_completed_surrogate_is_exact_where_values_are_known(by_size):
    before, samples, rows = fit(192)
    after = completed(before, samples, by_size)
    predictions = after.spectrum.predict(EVERY)
    assert predictions[rows] == pytest.approx(samples.values)
    others = np.setdiff1d(np.arange(1 << N), rows)
    assert predictions[others] == pytest.approx(before.spectrum.predict(EVERY[others]))
    sizes = EVERY.sum(axis=1)
    weights = np.array([1 / (sizes == s).sum() if 0 < s < N else 0.0 for s in sizes])
    weights = weights if by_size else np.ones(1 << N)
    left = weights[others].sum() / weights.sum()
    assert after.fidelity.r2 == pytest.approx(1 - left * 0.4)
    assert after.fidelity.interval == pytest.approx((1 - left * 0.5, 1 - left * 0.3))
    assert after.unexplained == pytest.approx(0.4 * left)


def test_errors_of_coefficients_are_those_of_unknown_masks():
    """Values at unknown masks are off by normal numbers of the variance that is unexplained."""
    before, samples, rows = fit(192)
    rng = np.random.default_rng(3)
    found = completed(before, samples, False)
    parity = 1.0 - 2.0 * (EVERY.sum(axis=1) % 2)
    off = []
    for _ in range(200):
        truth = found.spectrum.predict(EVERY)
        others = np.setdiff1d(np.arange(1 << N), rows)
        truth[others] += np.sqrt(0.4) * rng.normal(size=len(others))
        off.append((parity * (truth - found.spectrum.predict(EVERY))).mean())
    assert np.std(off) == pytest.approx(found.standard_errors[0], rel=0.2)


def test_with_less_than_half_of_the_masks_nothing_changes():
    before, samples, _ = fit(127)
    assert completed(before, samples, False) is before


@pytest.mark.parametrize("weighting", ["uniform", "shapley"])
@pytest.mark.parametrize("budget", [250, 255])
def test_a_few_masks_short_of_all_is_nearly_exact(weighting, budget):
    found = spex.explain(majority, N, budget, weighting=weighting, seed=1)
    exact = spex.explain(majority, N, 256)
    share = ((found.predict(EVERY) - majority(EVERY)) ** 2).mean() / majority(EVERY).var()
    assert share < 0.05
    assert found.r2 > 0.9
    # STII of the highest order stands on few masks; six missing ones may be among them.
    for index, order in (("SV", 1), ("FBII", 2), ("STII", 3))[: 3 if budget == 255 else 2]:
        truth = interactions(exact.spectrum, index, order)
        values = found.interactions(index, order)
        off = sum((values.get(k, 0.0) - truth.get(k, 0.0)) ** 2 for k in {*values, *truth})
        assert off < 0.2 * sum(value**2 for value in truth.values())


def test_a_method_by_name_keeps_its_own_surrogate():
    found = spex.explain(majority, N, 250, method="linear")
    assert found.spectrum.degree <= 1
