"""Checks of masks, shared by maskers, functions and explanations."""

import numpy as np
import pytest

from spex.checks.masks import check_mask, check_masks
from spex.errors import ArgumentError


@pytest.mark.parametrize("dtype", [bool, int, np.uint8, float])
def test_zeros_and_ones_become_booleans(dtype):
    expected = [[True, False], [False, True]]
    masks = check_masks(np.eye(2, dtype=dtype), 2)
    mask = check_mask(np.eye(2, dtype=dtype)[0], 2)
    assert (masks.dtype, masks.tolist()) == (bool, expected)
    assert (mask.dtype, mask.tolist()) == (bool, expected[0])


def test_booleans_are_not_copied():
    masks = np.eye(2, dtype=bool)
    assert check_masks(masks, 2) is masks


def test_no_masks():
    assert check_masks(np.empty((0, 3)), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            [1, 0],
            r"masks has shape \(2,\); .* shape \(m, 2\); for one mask: mask\[None\]$",
        ),
        ([[1, 0, 1]], r"masks has shape \(1, 3\); for 2 features, give .* shape \(m, 2\)$"),
        ([[1, 2]], "masks holds values of type int64 other than 0 and 1; give booleans"),
        ([[1, float("nan")]], "masks holds values of type float64 other than 0 and 1"),
        ([["1", "0"]], "masks holds values of type <U1 other than 0 and 1"),
    ],
)
def test_wrong_masks(masks, message):
    with pytest.raises(ArgumentError, match=message):
        check_masks(masks, 2)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[1, 0]], r"mask has shape \(1, 2\); for 2 features, give .* shape \(2,\)"),
        ([1, 0.5], "mask holds values of type float64 other than 0 and 1"),
    ],
)
def test_wrong_mask(mask, message):
    with pytest.raises(ArgumentError, match=message):
        check_mask(mask, 2)
