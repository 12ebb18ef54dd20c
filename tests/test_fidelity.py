import numpy as np
import pytest

from spex.fidelity import cross_fit, fidelity, folds
from spex.surrogates.base import Samples
from spex.surrogates.linear import Linear


def samples(m=60, n=6, seed=0):
    rng = np.random.default_rng(seed)
    masks = rng.random((m, n)) < 0.5
    values = masks @ rng.normal(size=n) + masks[:, 0] * masks[:, 1] + 0.3 * rng.normal(size=m)
    return Samples(masks, values, np.arange(m) >= 10)


def test_r2_is_its_definition_up_to_the_degree_of_freedom_of_the_mean():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    predictions = values + 0.5 * rng.normal(size=200)
    expected = 1 - ((values - predictions) ** 2).sum() / (values.var(ddof=1) * 200)
    assert fidelity(values, predictions).r2 == pytest.approx(expected)


def test_constant_and_perfect_are_one():
    ones = np.full(10, 3.0)
    assert fidelity(ones, ones).r2 == 1.0
    ramp = np.arange(10.0)
    assert fidelity(ramp, ramp).interval == (1.0, 1.0)


def test_folds_are_disjoint_and_leave_coded_masks_alone():
    parts = folds(samples())
    rows = np.concatenate(parts)
    assert sorted(rows.tolist()) == list(range(10, 60))


def test_a_cross_fitted_prediction_has_not_seen_its_value():
    """Changing a value changes no prediction of its own fold."""
    before = samples()
    row = folds(before)[0][0]
    values = before.values.copy()
    values[row] += 100
    after = Samples(before.masks, values, before.uniform)
    own = folds(before)[0]
    assert np.array_equal(cross_fit(Linear(), before)[own], cross_fit(Linear(), after)[own])
    other = folds(before)[1]
    assert not np.allclose(cross_fit(Linear(), before)[other], cross_fit(Linear(), after)[other])


def test_interval_covers_the_truth_about_nine_times_in_ten():
    """Fixed predictions of a noisy ramp; the true R2 is known."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        values = rng.normal(size=150)
        error = rng.normal(size=150) * 0.6
        low, high = fidelity(values, values + error).interval
        covered += low <= 1 - 0.36 <= high
    assert 0.85 <= covered / 400 <= 0.95
