"""What a counted function counts, refuses and remembers; shared masks; randomness put back."""

import random
import time

import numpy as np
import pytest

from spex.errors import ValueFunctionError
from spex.evaluate.counting import (
    CountedFunction,
    OverBudgetError,
    own_randomness,
    uniform_masks,
)


def test_equal_masks_are_free():
    calls = []

    def function(masks):
        calls.append(masks.copy())
        return masks @ np.array([1.0, 2.0, 4.0])

    asked = CountedFunction(function, 3, 2)
    assert asked([[1, 0, 1], [0, 0, 0], [1, 0, 1]]).tolist() == [5.0, 0.0, 5.0]
    assert asked(np.array([0.0, 0.0, 0.0])).tolist() == [0.0]
    assert (asked.n_evaluations, asked.n_asked) == (2, 4)
    assert len(calls) == 1 and calls[0].dtype == bool and len(calls[0]) == 2


def test_over_budget_evaluates_nothing():
    calls = []
    asked = CountedFunction(lambda masks: calls.append(1) or masks[:, 0] * 1.0, 3, 2)
    with pytest.raises(OverBudgetError, match="3 distinct masks asked for, of a budget of 2"):
        asked(np.eye(3, dtype=bool))
    assert not calls and asked.n_evaluations == 0


def test_time_inside_does_not_count():
    asked = CountedFunction(lambda masks: time.sleep(0.2) or masks[:, 0] * 1.0, 2, 4)
    asked(np.eye(2, dtype=bool))
    time.sleep(0.05)
    assert 0.05 <= asked.seconds_outside < 0.15


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda masks: np.zeros((len(masks), 2)), "2 outputs"),
        (lambda masks: np.full(len(masks), np.nan), "no finite number"),
        (lambda masks: np.zeros(1), "shape"),
    ],
)
def test_bad_values_are_refused(function, message):
    with pytest.raises(ValueFunctionError, match=message):
        CountedFunction(function, 3, 5)(np.eye(3, dtype=bool))


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
