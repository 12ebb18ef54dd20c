"""Masks that methods share; randomness that is put back."""

import random

import numpy as np
import pytest

from spex.evaluate.drawing import own_randomness, uniform_masks


@pytest.mark.parametrize("n, count", [(3, 5), (3, 8), (3, 100), (20, 300), (70, 65)])
def test_uniform_masks_are_distinct(n, count):
    masks = uniform_masks(n, count, 0)
    assert masks.shape == (min(count, 2**n), n) and masks.dtype == bool
    assert len(np.unique(masks, axis=0)) == len(masks)


def test_uniform_masks_have_half_of_the_features():
    masks = uniform_masks(40, 4000, 1)
    # Five standard deviations of a mean of 4,000 coins.
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(4000)
    assert np.abs(np.corrcoef(masks.T) - np.eye(40)).max() < 5 / np.sqrt(4000)


def test_uniform_masks_are_nested_and_seeded():
    assert np.array_equal(uniform_masks(20, 300, 3)[:100], uniform_masks(20, 100, 3))
    assert not np.array_equal(uniform_masks(20, 100, 3), uniform_masks(20, 100, 4))


def test_randomness_is_put_back_also_after_an_error():
    python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(KeyError), own_randomness(7):
        first = (random.random(), np.random.rand())  # noqa: NPY002
        raise KeyError
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy)  # noqa: NPY002
    with own_randomness(7):
        assert (random.random(), np.random.rand()) == first  # noqa: NPY002
