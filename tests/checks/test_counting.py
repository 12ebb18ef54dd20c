"""What a counted function counts, refuses and remembers."""

import time

import numpy as np
import pytest

from spex.checks.counting import CountedFunction, OverBudgetError
from spex.errors import ArgumentError, ValueFunctionError


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
    "function, error, message",
    [
        (lambda masks: np.zeros((len(masks), 2)), ArgumentError, "2 numbers for each mask"),
        (lambda masks: np.full(len(masks), np.nan), ValueFunctionError, "no finite number"),
        (lambda masks: np.zeros(1), ValueFunctionError, "shape"),
    ],
)
def test_bad_values_are_refused(function, error, message):
    with pytest.raises(error, match=message):
        CountedFunction(function, 3, 5)(np.eye(3, dtype=bool))


@pytest.mark.parametrize("n", [3, 8, 70])
def test_what_was_told_is_not_asked_and_all_of_it_comes_back(n):
    calls = []

    def function(masks):
        calls.extend(masks.tolist())
        masks[:] = False  # its own copy
        return np.arange(len(masks), dtype=float)

    asked = CountedFunction(function, n, 4)
    masks = np.eye(n, dtype=bool)[[2, 0, 1, 0]]
    asked.tell(masks[:1], np.array([7.0]))
    asked.evaluate(masks, 1)
    assert calls == masks[1:2].tolist()
    assert asked.values(masks).tolist()[:2] == [7.0, 0.0] and np.isnan(asked.values(masks)[2])
    assert asked.known(masks[0]) == 7.0 and asked.known(masks[2]) is None
    assert asked(masks).tolist() == [7.0, 0.0, 0.0, 0.0] and len(calls) == 2
    known, values = asked.all()
    assert np.array_equal(known, masks[:3]) and values.tolist() == [7.0, 0.0, 0.0]
