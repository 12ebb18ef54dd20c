"""What a surrogate leaves of Shapley values: against definitions, by all masks."""

import numpy as np
import pytest

import spex
from spex.f2.packing import pack
from spex.fitting.correction import (
    PAIR_DENSITIES,
    _averages,
    _by_regression,
    _mean,
    _of_known,
    correction,
)
from spex.fitting.exhaustive import fit_all_masks
from spex.fourier.spectrum import Spectrum
from spex.interactions.values import interactions
from spex.surrogates.base import Samples
from spex.surrogates.hypercube_kernel import Hyperparameters

N = 6
EVERY = (np.arange(1 << N)[:, None] >> np.arange(N) & 1).astype(bool)
SIGNS = np.where(EVERY, 1.0, -1.0)


def exact(values, index, order):
    """Values of an index over all masks, as arrays: (n,) or (n, n), upper triangle."""
    found = interactions(fit_all_masks(N, values).spectrum, index, order)
    if order == 1:
        return np.array([found.get((i,), 0.0) for i in range(N)])
    both = np.zeros((N, N))
    for (i, *rest), value in found.items():
        if len(rest) == 1:
            both[i, rest[0]] = value
    return both


def process(seed):
    rng = np.random.default_rng(seed)
    hyper = Hyperparameters(rng.normal(size=N + 5))
    points = SIGNS[rng.permutation(1 << N)[:20]]
    return points, rng.normal(size=20), hyper


@pytest.mark.parametrize("seed", range(3))
def test_averages_are_the_indices_of_the_process(seed):
    points, alpha, hyper = process(seed)
    values = _mean(points, alpha, hyper, SIGNS)
    first, pairs = _averages(points, alpha, hyper)
    assert first == pytest.approx(exact(values, "SV", 1), abs=1e-9)
    assert set(pairs) == set(PAIR_DENSITIES)
    for name, found in pairs.items():
        assert np.triu(found, 1) == pytest.approx(exact(values, name, 2), abs=1e-9)


def test_regression_on_all_masks_is_the_shapley_value():
    rng = np.random.default_rng(0)
    values = rng.normal(size=1 << N)
    sizes = EVERY.sum(axis=1)
    inner = (sizes > 0) & (sizes < N)
    # The density 1 / ((n - 1) comb(n, s)) over the one of all masks alike.
    weights = np.zeros(1 << N)
    weights[inner] = 1 / np.bincount(sizes)[sizes[inner]]
    found = _by_regression(EVERY, values, values[[-1, 0]], weights)
    assert found == pytest.approx(exact(values, "SV", 1), abs=1e-6)


@pytest.mark.parametrize("m", [1, 30, 1 << N])
def test_known_masks_have_the_indices_of_a_function_that_is_zero_elsewhere(m):
    rng = np.random.default_rng(m)
    rows = rng.permutation(1 << N)[:m]
    values = np.zeros(1 << N)
    values[rows] = rng.normal(size=m)
    first, pairs = _of_known(EVERY[rows], values[rows])
    assert first == pytest.approx(exact(values, "SV", 1), abs=1e-9)
    assert set(pairs) == set(PAIR_DENSITIES)
    for name, found in pairs.items():
        assert np.triu(found, 1) == pytest.approx(exact(values, name, 2), abs=1e-9)


def test_known_masks_of_one_feature():
    first, pairs = _of_known(np.array([[True], [False]]), np.array([3.0, 1.0]))
    assert first == pytest.approx([2.0])
    assert pairs == {}


def test_few_masks_share_the_sum():
    found = _by_regression(EVERY[3:9], np.arange(6.0), np.array([3.0, 0.0]), np.ones(6))
    assert found == pytest.approx(np.full(N, 0.5))


@pytest.mark.parametrize("m", [10, 40, 60])
def test_corrected_values_sum_to_the_ends(m):
    rng = np.random.default_rng(1)
    values = np.tanh(EVERY @ rng.normal(size=N)) + 0.1 * rng.normal(size=1 << N)
    rows = rng.permutation(1 << N)[:m]
    samples = Samples(pack(EVERY[rows]), N, values[rows], np.ones(m, bool))
    surrogate = Spectrum.from_mapping({(): 0.3, (1,): 0.2, (0, 1, 2, 3): -0.1}, N)
    found = correction(samples, surrogate, values[-1], values[0])
    for index, order in [("SV", 1), ("k-SII", 2), ("k-SII", 3), ("FSII", 2), ("STII", 2)]:
        name = "SII" if index in ("SV", "k-SII") else index
        listed = interactions(surrogate, index, order, correction=found[name])
        assert listed[()] == pytest.approx(values[0])
        total = sum(listed.values()) + listed[()]
        assert total == pytest.approx(values[-1])


def test_values_come_nearer_to_the_truth():
    """Twelve features; the surrogate is the best of order 1 alone."""
    rng = np.random.default_rng(2)
    hidden, top = rng.normal(size=(12, 8)), rng.normal(size=8)

    def f(masks):
        return np.tanh(masks @ hidden) @ top

    every = (np.arange(1 << 12)[:, None] >> np.arange(12) & 1).astype(bool)
    truth = interactions(fit_all_masks(12, f(every)).spectrum, "SV")
    off = {False: 0.0, True: 0.0}
    for seed in range(3):
        found = spex.explain(f, 12, 300, method="linear", weighting="shapley", seed=seed)
        plain = interactions(found.spectrum, "SV")
        for corrected, values in ((True, found.interactions("SV")), (False, plain)):
            off[corrected] += sum((values[k] - truth[k]) ** 2 for k in truth)
    assert off[True] < 0.2 * off[False]
