"""Searches against exhaustive definitions on small designs."""

import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spex.f2.packing import pack, unpack
from spex.fourier.codewords import Codewords
from spex.fourier.design import plan_design
from spex.fourier.evidence import Geometry, Residual, frequencies_of
from spex.fourier.search import (
    count_neighbours,
    enumerate_order,
    extended,
    neighbours,
    normalised,
)


def residual_of(n, budget, t, coefficients, noise, seed=0):
    design = plan_design(n, budget, t, seed)
    masks = unpack(design.masks, n)
    values = noise * np.random.default_rng(seed).normal(size=len(masks))
    for k, value in coefficients.items():
        values += value * (-1.0) ** masks[:, list(k)].sum(axis=1)
    rows = np.concatenate(design.bins(values))
    return design, Residual.of(Geometry.of(design), rows, 1e-20)


def every(n, order):
    return np.array(list(itertools.combinations(range(n), order)), dtype=np.int64)


@pytest.mark.parametrize("n", [9, 63, 64, 65])
def test_geometry_is_that_of_the_design(n):
    """Signs and bins of frequencies by the definition."""
    design = plan_design(n, 900, 2, seed=3)
    geometry = Geometry.of(design)
    members = np.array([[0, 3, n - 1], [5, -1, -1], [-1, -1, -1]])
    rows = unpack(frequencies_of(members, n), n)
    offsets = unpack(design.offsets, n)
    signs = (-1.0) ** (rows.astype(int) @ offsets.T.astype(int))
    assert np.array_equal(geometry.signs_of(members), signs)
    numbers = design.bin_numbers(pack(rows)).T
    assert np.array_equal(geometry.rows_of(members) - geometry.start, numbers)


def test_evidence_by_its_definition():
    """Profiled variances and a common amplitude, in plain numpy."""
    n = 40
    members = np.array([[0, 3, 39], [5, -1, -1], [7, 8, -1], [20, 21, 22]])
    design, residual = residual_of(n, 700, 3, {(0, 3, 39): 2.0, (7, 8): 0.3}, 0.8)
    signs = residual.geometry.signs_of(members).astype(np.float64)
    rows = residual.geometry.rows_of(members)
    means = (signs[:, None, :] * residual.rows[rows]).mean(axis=2)
    energy, floor = residual.energy[rows], residual.floor[rows]
    variance = np.maximum(energy - means**2, floor)
    for _ in range(3):
        expected = (means / variance).sum(axis=1) / (1 / variance).sum(axis=1)
        left = energy - 2 * expected[:, None] * means + expected[:, None] ** 2
        variance = np.maximum(left, floor)
    ratio = residual.evidence(members)
    gains = np.log(np.maximum(energy, floor) / variance).sum(axis=1)
    assert np.allclose(ratio, (design.n_offsets - 1) / 2 * gains, atol=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_enumeration_misses_nothing_above_its_threshold(order, noise):
    n = 14
    coefficients = {(1,): 1.0, (2, 5): -0.8, (0, 7, 9): 0.6, (3, 4, 8, 13): 0.5}
    _, residual = residual_of(n, 400, 2, coefficients, noise, seed=order)
    for least in (2.0, 5.0, 9.0):
        found = {tuple(row) for row in enumerate_order(residual, order, least).tolist()}
        candidates = every(n, order)
        ratio = residual.evidence(candidates)
        above = {tuple(row) for row in candidates[ratio > least].tolist()}
        assert above <= found
        assert len(found) < len(candidates) or order == 1


def test_extensions_miss_nothing_above_their_threshold():
    n = 14
    coefficients = {(1,): 1.0, (2, 5): -0.8, (0, 7, 9): 0.6, (3, 4, 8): 0.5}
    _, residual = residual_of(n, 400, 2, coefficients, noise=0.5, seed=2)
    members = np.array([[-1, -1, -1], [2, -1, -1], [0, 9, -1], [3, 4, -1], [6, 10, 13]])
    least = np.array([5.0, 0.5, 5.0, 1.0, 0.1])
    found = {tuple(row) for row in extended(residual, members, least).tolist()}
    wanted = set()
    for row, needed in zip(members, least, strict=True):
        features = row[row >= 0].tolist()
        longer = [sorted([*features, other]) for other in range(n) if other not in features]
        filled = np.array([[*one, *[-1] * (4 - len(one))] for one in longer])
        ratio = residual.evidence(filled)
        wanted |= {tuple(one) for one in filled[ratio > needed].tolist()}
    assert {(1, -1, -1, -1), (2, 5, -1, -1), (0, 7, 9, -1), (3, 4, 8, -1)} <= wanted <= found
    assert len(found) < 5 * n // 2


@pytest.mark.parametrize("all_pairs", [7, 4, 1])
def test_pairs_of_the_hottest_bins(all_pairs):
    """With a bound on their number, the pairs tried are those with a bin among the hottest."""
    n, least = 14, 1.0
    coefficients = {(1,): 1.0, (2, 5): -0.8, (0, 7): 0.6, (3, 13): 0.5}
    _, residual = residual_of(n, 400, 2, coefficients, noise=0.3, seed=1)
    pairs = {tuple(row) for row in enumerate_order(residual, 2, least).tolist()}
    with mock.patch("spex.fourier.search.ALL_PAIRS", all_pairs):
        found = [tuple(row) for row in enumerate_order(residual, 2, least).tolist()]
    per_bin = n**2 / 2 / np.repeat(residual.geometry.n_bins, residual.geometry.n_bins)
    hottest = np.argsort(-residual.potential, kind="stable")
    tried = set(hottest[np.cumsum(per_bin[hottest]) < n * all_pairs / 2].tolist())
    rows = residual.geometry.rows_of(np.array(sorted(pairs)))
    expected = {
        pair for pair, of in zip(sorted(pairs), rows, strict=True) if tried & {*of.tolist()}
    }
    assert len(found) == len(set(found))  # no pair twice, whatever groups it is tried in
    assert set(found) == expected
    assert 0 < len(expected) < len(pairs)


def test_evidence_is_highest_for_the_truth():
    """Maximum likelihood over every frequency of order <= 4 finds the one that is there."""
    n = 12
    for seed in range(20):
        rng = np.random.default_rng(seed)
        k = tuple(sorted(rng.choice(n, rng.integers(1, 5), replace=False).tolist()))
        _, residual = residual_of(n, 300, 3, {k: 1.0}, 1.5, seed)
        best = (-np.inf, None)
        for order in range(1, 5):
            candidates = every(n, order)
            ratio = residual.evidence(candidates)
            top = int(ratio.argmax())
            best = max(best, (ratio[top], tuple(candidates[top].tolist())))
        assert best[1] == k


@pytest.mark.parametrize(("n", "t"), [(12, 2), (15, 3), (20, 2)])
def test_soft_decoding_finds_what_maximum_likelihood_finds(n, t):
    """Short codes: the likeliest of all frequencies of order <= t is among those proposed."""
    agreed = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        k = tuple(sorted(rng.choice(n, rng.integers(1, t + 1), replace=False).tolist()))
        design, residual = residual_of(n, 500, t, {k: 1.0}, 2.0, seed)
        likeliest = (-np.inf, ())
        for order in range(1, t + 1):
            candidates = every(n, order)
            ratio = residual.evidence(candidates)
            top = int(ratio.argmax())
            likeliest = max(likeliest, (ratio[top], tuple(candidates[top].tolist())))
        proposed = Codewords(residual.geometry, design.code).propose(residual, 1.0)
        agreed += likeliest[1] in {tuple(row[row >= 0].tolist()) for row in proposed}
    assert agreed >= 27


def test_soft_decoding_repairs_signs_that_hard_decoding_cannot():
    n, t, k = 200, 3, (17, 90, 151)
    design, residual = residual_of(n, 900, t, {k: 1.0}, 2.2, seed=2)
    row = residual.geometry.rows_of(np.array([k]))[0]
    signs = residual.geometry.signs_of(np.array([k]))[0]
    assert ((residual.rows[row] > 0) != (signs > 0)).any(axis=1).all()  # every bin has wrong ones
    proposed = Codewords(residual.geometry, design.code).propose(residual, 1.0)
    assert k in {tuple(row[row >= 0].tolist()) for row in proposed}


@given(st.lists(st.sets(st.integers(0, 8), max_size=4), max_size=5))
@settings(max_examples=50, deadline=None)
def test_neighbours_by_the_definition(sets):
    members = np.full((len(sets), 4), -1, dtype=np.int64)
    for row, features in zip(members, sets, strict=True):
        row[: len(features)] = sorted(features)
    with mock.patch("spex.fourier.search._BLOCK_CELLS", 9 * 5 * 2):  # two members to a block
        blocks = list(neighbours(members, 9, 4))
    assert all(len(block) <= 2 * 9 for block in blocks[:-1])
    assert sum(map(len, blocks)) == count_neighbours(members, 9, 4)
    found = {tuple(row[row >= 0].tolist()) for row in np.concatenate(blocks)}
    expected = set()
    for features in sets:
        for other in range(9):
            near = features ^ {other}
            if len(near) <= 4 and near:
                expected.add(tuple(sorted(near)))
    assert found == expected


def test_normalised_sorts_and_drops_repetitions():
    rows = normalised(np.array([[3, -1, 1], [1, 3, -1], [-1, -1, -1], [2, 0, 1]]))
    assert sorted(map(tuple, rows.tolist())) == [(-1, -1, -1), (0, 1, 2), (1, 3, -1)]
