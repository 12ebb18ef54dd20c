"""How masks are drawn, and what a sample of them stands for."""

import math
from itertools import islice

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from spex.f2.packing import pack, unpack
from spex.fourier.mask_distribution import SHAPLEY, UNIFORM, _expected_sizes


def pairs(n, m, seed=0):
    """m pairs (m, 2, n) bool, and which measure R2 (m,)."""
    drawn = list(islice(SHAPLEY.stream(n, seed), m))
    return np.array([unpack(words, n) for words, _ in drawn]), np.array([x for _, x in drawn])


@pytest.mark.parametrize("n", [2, 3, 6, 7])
def test_every_mask_but_the_ends_comes_once(n):
    found, _ = pairs(n, 1 << n)
    masks = found.reshape(-1, n)
    assert len(masks) == (1 << n) - 2
    assert len(np.unique(masks, axis=0)) == len(masks)
    assert 0 < masks.sum(axis=1).min() and masks.sum(axis=1).max() < n


@pytest.mark.parametrize("n", [9, 70, 3000])
def test_pairs_are_complements_and_a_longer_run_begins_alike(n):
    found, measures = pairs(n, 30)
    assert (found[:, 0] != found[:, 1]).all()
    assert measures.tolist() == [number % 4 == 0 for number in range(30)]
    again, _ = pairs(n, 20)
    assert np.array_equal(found[:20], again)
    assert not np.array_equal(found[:20], pairs(n, 20, seed=1)[0])


def test_all_sizes_and_all_features_come_alike():
    n = 16
    independent, spread = np.zeros(n - 1), np.zeros(n - 1)
    of_feature = np.zeros(n)
    for seed in range(40):
        found, measures = pairs(n, 60, seed)
        sizes = found.sum(axis=2)
        independent += np.bincount(sizes[measures].ravel(), minlength=n)[1:n]
        spread += np.bincount(sizes[~measures].ravel(), minlength=n)[1:n]
        of_feature += found[:, 0].sum(axis=0)
    # A mask and its complement are one draw: half of the sizes say all.
    assert scipy.stats.chisquare((independent + independent[::-1])[:7] / 2).pvalue > 1e-3
    assert scipy.stats.chisquare(of_feature).pvalue > 1e-3
    assert spread.std() < independent.std()  # a sequence of low discrepancy


def test_of_many_features_the_first_pairs_are_nearer_to_half():
    n = 60
    found, measures = pairs(n, 200)
    off = np.abs(found[:, 0].sum(axis=1) / n - 0.5)
    first = np.arange(200) < n - 16
    assert off[first & ~measures].mean() < 0.2 < 0.23 < off[~first & ~measures].mean()
    independent = np.concatenate([pairs(n, 44, seed)[0][::4, 0].sum(axis=1) for seed in range(20)])
    assert scipy.stats.kstest(independent, scipy.stats.randint(1, n).cdf).pvalue > 1e-3


def test_masks_spread():
    """The nearest other mask is farther away than in a sample of independent ones."""
    n, m = 30, 100
    found, measures = pairs(n, m)
    spread = found[~measures, 0]
    rng = np.random.default_rng(0)
    alone = rng.random(spread.shape).argsort(axis=1).argsort(axis=1) < spread.sum(1)[:, None]

    def nearest(masks):
        signs = np.where(masks, 1, -1)
        agreement = np.abs(signs @ signs.T)
        np.fill_diagonal(agreement, 0)
        return (n - agreement.max(axis=1)).mean() / 2

    assert nearest(spread) > nearest(alone) + 0.5


@given(st.integers(2, 40), st.integers(1, 5000))
def test_expected_sizes_are_as_even_as_there_are_masks(n, m):
    m = min(m, (1 << n) - 2)
    expected = _expected_sizes(n, m)
    available = np.array([math.comb(n, s) for s in range(1, n)], dtype=float)
    assert expected.sum() == pytest.approx(m)
    assert (expected <= available * (1 + 1e-9)).all()
    # Where one size has fewer than another, all of its masks are there.
    fewer = expected < expected.max() * (1 - 1e-9)
    assert expected[fewer] == pytest.approx(available[fewer])


def test_weights_make_all_sizes_alike():
    n = 8
    found, _ = pairs(n, 200)
    words = pack(np.concatenate([found.reshape(-1, n), np.ones((1, n), bool)]))
    weights = SHAPLEY.weights(words, n)
    sizes = unpack(words, n).sum(axis=1)
    assert weights[-1] == 0.0  # the mask of all features is none of the distribution
    of_size = np.bincount(sizes, weights, n + 1)[1:n]
    assert of_size == pytest.approx(of_size.mean(), rel=1e-9)  # all 254 masks are there


def test_groups_are_pairs():
    found, _ = pairs(11, 25)
    groups = SHAPLEY.groups(pack(found.reshape(-1, 11)), 11).reshape(-1, 2)
    assert np.array_equal(groups, np.arange(25)[:, None].repeat(2, axis=1))
    assert UNIFORM.groups(pack(found[0]), 11) is None


@pytest.mark.parametrize(("n", "m"), [(6, 20), (9, 120), (30, 200), (300, 60)])
def test_a_sample_is_known_as_what_it_is(n, m):
    rng = np.random.default_rng(5)
    for seed in range(5):
        words = pack(pairs(n, m // 2, seed)[0].reshape(-1, n))
        assert SHAPLEY.may_have_drawn(words, n)
        if n > 9:
            assert not UNIFORM.may_have_drawn(words, n)
            assert not SHAPLEY.may_have_drawn(pack(rng.random((m, n)) < 0.5), n)
            assert not SHAPLEY.may_have_drawn(pack(rng.random((m, n)) < 0.95), n)
        lopsided = unpack(words, n)
        lopsided[:, 0] = True
        if m >= 60:
            assert not SHAPLEY.may_have_drawn(pack(np.unique(lopsided, axis=0)), n)
