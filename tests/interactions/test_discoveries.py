"""Which values are told from 0 where many are looked at together."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

import spex
from spex.errors import ArgumentError
from spex.interactions.uncertainty import told_from_zero


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_it_is_the_procedure_of_benjamini_and_hochberg(seed, rate):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.1, 2, 60)
    values = errors * (rng.normal(size=60) + 4 * (rng.random(60) < 0.2))
    adjusted = false_discovery_control(2 * norm.sf(np.abs(values) / errors))
    np.testing.assert_array_equal(told_from_zero(values, errors, 60, rate), adjusted <= rate)


def test_of_noise_alone_nothing_is_announced_in_nine_of_ten_cases():
    rng = np.random.default_rng(0)
    announced = [told_from_zero(rng.normal(size=80), np.ones(80), 80).any() for _ in range(1000)]
    single = [(np.abs(rng.normal(size=80)) > 1.645).any() for _ in range(1000)]
    assert 0.07 < np.mean(announced) < 0.13 and np.mean(single) > 0.99


def test_values_that_are_not_given_count_as_tested():
    values, errors = np.array([3.0, 2.2]), np.ones(2)
    assert told_from_zero(values, errors, 2).all()
    assert not told_from_zero(values, errors, 100).any()


def test_errors_that_are_zero_or_unknown():
    values = np.array([1.0, 0.0])
    np.testing.assert_array_equal(told_from_zero(values, np.zeros(2), 2), [True, False])
    assert told_from_zero(values, np.array([np.nan, 1.0]), 2).all()


def test_discoveries_of_an_explanation():
    rng = np.random.default_rng(0)
    found = spex.explain(lambda m: 1.0 * m[:, 0] + rng.normal(size=len(m)), 8, 120)
    values = found.interactions()
    assert values.discoveries() == {(0,)}
    exact = spex.explain(lambda m: 1.0 * m[:, 0] * m[:, 1], 3, budget=8).interactions()
    assert exact.discoveries() == set(exact)
    with pytest.raises(ArgumentError, match="rate=0"):
        values.discoveries(0)
