"""Errors of coefficients, and what they make of every interaction value."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

import spex
from spex.errors import ArgumentError
from spex.fourier.mask_design import all_masks
from spex.fourier.spectrum import Spectrum
from spex.fourier.wht import walsh_hadamard
from spex.interactions.index import InteractionIndex
from spex.interactions.uncertainty import (
    SpectrumErrors,
    error_of_sum,
    share_containing,
    spectrum_errors,
)
from spex.interactions.values import interactions

N = 6


def random_spectrum(rng, n=N, k=12):
    everything = [c for s in range(4) for c in itertools.combinations(range(n), s)]
    chosen = rng.choice(len(everything), size=k, replace=False)
    return Spectrum.from_mapping({everything[i]: rng.normal() for i in chosen}, n)


def subsets(n, most):
    return [c for s in range(1, most + 1) for c in itertools.combinations(range(n), s)]


@pytest.mark.parametrize("index", InteractionIndex)
def test_errors_of_the_support_go_through_the_index_as_its_values_do(index):
    """Every value is linear in the coefficients: its weights are its values for one at a time."""
    rng = np.random.default_rng(0)
    spectrum, errors = random_spectrum(rng), np.abs(rng.normal(size=12))
    order = 1 if index in ("SV", "BV") else 3
    nothing = SpectrumErrors(errors, np.zeros(4), np.full(N, 1 / N))
    found = interactions(spectrum, index, order, errors=nothing)
    for interaction in [(), *subsets(N, order)]:
        weights = []
        for row in range(12):
            one = Spectrum(N, spectrum.support[[row]], np.ones(1))
            # The highest order of a single coefficient must not change what FBII means.
            weights.append(interactions(one, index, order).get(interaction, 0.0))
        expected = error_of_sum(np.array(weights) * errors)
        assert found.standard_error(interaction) == pytest.approx(expected, abs=1e-12)


def test_errors_of_a_sum_are_between_independent_and_fully_dependent_ones():
    alone, together = math.hypot(3.0, 4.0), 7.0
    assert alone < error_of_sum(np.array([3.0, -4.0])) < together
    assert error_of_sum(np.array([3.0])) == 3.0 and error_of_sum(np.zeros(0)) == 0.0


def test_energy_outside_is_shared_evenly_where_features_are_alike():
    errors = SpectrumErrors(np.zeros(1), np.arange(6.0), np.full(8, 1 / 8))
    for s, d in itertools.product(range(4), range(6)):
        expected = math.comb(8 - s, d - s) / math.comb(8, d) if d >= s else 0.0
        assert share_containing(errors, tuple(range(s)))[d] == pytest.approx(expected)


def test_errors_and_energy_outside_add_up_to_what_is_unexplained():
    rng = np.random.default_rng(1)
    spectrum = random_spectrum(rng)
    varying = spectrum.orders > 0
    for size in (0.01, 0.1, 1.0):  # the last would be more than there is
        errors = spectrum_errors(spectrum, np.full(12, size), 0.5)
        total = (errors.standard_errors[varying] ** 2).sum() + errors.outside.sum()
        assert total == pytest.approx(0.5) and errors.outside.sum() > 0.1
    assert errors.shares.sum() == pytest.approx(1.0) and errors.shares.min() > 0


def test_an_order_that_is_there_as_a_whole_has_no_energy_outside():
    pairs = {pair: 1.0 for pair in itertools.combinations(range(N), 2)}
    errors = spectrum_errors(Spectrum.from_mapping(pairs, N), np.zeros(len(pairs)), 1.0)
    assert errors.outside[2] == 0.0 and errors.outside.sum() == pytest.approx(1.0)


def test_errors_of_very_many_features():
    spectrum = Spectrum.from_mapping({(): 1.0, (3, 9_999): 2.0}, 10_000)
    errors = spectrum_errors(spectrum, np.array([0.1, 0.2]), 0.3)
    found = interactions(spectrum, "STII", 2, errors=errors)
    assert 4 * 0.2 <= found.standard_error((3, 9_999)) < 8
    assert 0 < found.standard_error((0, 1)) < 0.01


@pytest.fixture(scope="module")
def explanation():
    weights = np.random.default_rng(0).normal(size=20)

    def value(masks):
        return np.tanh(masks @ weights) + 3.0 * masks[:, 0] * masks[:, 1]

    return spex.explain(value, 20, budget=300, method="gp")


def test_intervals_are_normal_around_the_value(explanation):
    found = explanation.interactions("FBII", 2)
    (interaction, value), *_ = found.top(1)
    for level in (0.5, 0.9, 0.99):
        low, high = found.interval(interaction, level)
        assert (low + high) / 2 == pytest.approx(value)
        width = norm.ppf((1 + level) / 2) * found.standard_error(interaction)
        assert high - value == pytest.approx(width)
    frame = found.to_frame()
    assert (frame["low"] < frame["value"]).all() and (frame["value"] < frame["high"]).all()


def test_intervals_of_what_is_not_listed_are_around_zero(explanation):
    found = explanation.interactions("FBII", 3)
    missing = next(c for c in itertools.combinations(range(20), 3) if c not in found)
    low, high = found.interval(missing)
    assert low == -high < 0


@pytest.mark.parametrize("level", [0.0, 1.0, 90, -0.1])
def test_a_level_is_a_probability(explanation, level):
    with pytest.raises(ArgumentError, match="above 0 and below 1"):
        explanation.interactions().interval((0,), level)


@pytest.mark.parametrize("wrong", [(1, 0), (0, 0), (20,), (0, 1, 2)])
def test_intervals_are_of_interactions(explanation, wrong):
    with pytest.raises(ArgumentError, match="sorted tuple of at most 2"):
        explanation.interactions("FBII", 2).interval(wrong)


def test_nothing_is_uncertain_where_all_masks_were_evaluated():
    exact = spex.explain(lambda masks: masks[:, 0] * 2.0 + masks[:, 1] * masks[:, 2], 5)
    for index in InteractionIndex:
        found = exact.interactions(index)
        assert all(found.interval(key) == (value, value) for key, value in found.items())
        assert set(found.stability(3).values()) <= {1.0}


def test_errors_that_are_not_known_are_not_made_up(explanation):
    found = replace(explanation, unexplained=None).interactions()
    assert np.isnan(found.interval((0,))).all()
    assert np.isnan([*found.stability(3).values()]).all()
    assert found.to_frame()["low"].isna().all()


def test_stability_tells_sure_ranks_from_doubtful_ones():
    spectrum = Spectrum.from_mapping({(0,): 5.0, (1,): 1.0, (2,): 1.0, (3,): 1.0}, 4)
    errors = SpectrumErrors(np.full(4, 0.1), np.zeros(5), np.full(4, 0.25))
    shares = interactions(spectrum, "Fourier", errors=errors).stability(2)
    assert list(shares) == [(0,), (1,)]
    assert shares[0,] == 1.0 and shares[1,] == pytest.approx(1 / 3, abs=0.06)


def test_saved_explanations_keep_their_errors(explanation, tmp_path):
    explanation.save(tmp_path / "e.json")
    again = spex.Explanation.load(tmp_path / "e.json")
    assert again.interactions().interval((0,)) == explanation.interactions().interval((0,))


def test_intervals_cover_the_truth_about_nine_times_in_ten():
    """Networks of ten features, whose every value is known; four indices."""
    covered = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        n = 10
        weights, out = rng.normal(size=(n, 12)) * rng.random((n, 1)), rng.normal(size=12)

        def value(masks, weights=weights, out=out):
            return np.tanh((2.0 * masks - 1) @ weights) @ out

        every = all_masks(n)
        from spex.f2.packing import unpack

        truth = Spectrum(n, every, walsh_hadamard(value(unpack(every, n))))
        found = spex.explain(value, n, budget=200, seed=seed, method="gp")
        for index in ("SV", "BII", "FBII", "Fourier"):
            values = found.interactions(index)
            exact = interactions(truth, index, values.order)
            for key, _ in values.top(15):
                low, high = values.interval(key)
                covered.append(low <= exact.get(key, 0.0) <= high)
    assert 0.8 < np.mean(covered) < 0.98
