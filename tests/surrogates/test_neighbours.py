"""Indicators of neighbours and their Walsh transform, by their definitions."""

import itertools

import numpy as np
import pytest

from spex.f2.packing import unpack
from spex.fourier.mask_design import all_masks
from spex.fourier.wht import walsh_hadamard
from spex.surrogates.neighbours import neighbour_indicators, neighbour_transform


def every_mask(n):
    return unpack(all_masks(n), n)


def by_definition(mask):
    """The pairs of positions, ends included, of which the second follows the first."""
    kept = [0, *(np.flatnonzero(mask) + 1).tolist(), len(mask) + 1]
    return set(itertools.pairwise(kept))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 9])
def test_indicators_say_who_follows_whom(n):
    masks = every_mask(n)
    pairs = [
        (i, i + distance) for distance in range(1, min(6, n) + 1) for i in range(n + 2 - distance)
    ]
    expected = [[pair in by_definition(mask) for pair in pairs] for mask in masks]
    assert np.array_equal(neighbour_indicators(masks), np.array(expected, dtype=np.float32))


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_transform_is_that_of_the_indicators(n):
    indicators = neighbour_indicators(every_mask(n)).astype(np.float64)
    transform = neighbour_transform(n, n)
    expected = np.stack([walsh_hadamard(column.copy()) for column in indicators.T], axis=1)
    found = transform.at(every_mask(n)).toarray()
    assert found[1:] == pytest.approx(expected[1:], abs=1e-12)
    assert not found[0].any()  # the constant is the refit's


def test_frequencies_and_names_agree_and_orders_are_cut():
    transform = neighbour_transform(70, 3)
    rows = np.arange(len(transform.names))
    members = transform.frequencies(rows)
    assert members.sum(axis=1).min() == 1 and members.sum(axis=1).max() == 3
    assert len(np.unique(members, axis=0)) == len(members)
    assert (transform.at(members) != transform.coefficients).nnz == 0
    far = np.zeros((1, 70), dtype=bool)
    far[0, [3, 60]] = True
    assert transform.at(far).nnz == 0


def test_a_sequence_is_some_features_in_any_order():
    n, sequence = 7, np.array([5, 2, 0, 6])
    masks = every_mask(n)
    indicators = neighbour_indicators(masks[:, sequence]).astype(np.float64)
    transform = neighbour_transform(n, n, sequence)
    expected = np.stack([walsh_hadamard(column.copy()) for column in indicators.T], axis=1)
    assert transform.at(masks).toarray()[1:] == pytest.approx(expected[1:], abs=1e-12)
    rows = np.arange(len(transform.names))
    members = transform.frequencies(rows)
    assert not members[:, [1, 3, 4]].any()
    assert (transform.at(members) != transform.coefficients).nnz == 0
