"""Numbers that users give as settings."""

from fractions import Fraction

import numpy as np
import pytest

import spex
from spex.checks.arguments import real_number, seconds_of, whole_number

NO_NUMBERS = ["1", None, True, np.True_, 1j, [1.0], np.array([1.0]), 10**400, 10**5000]


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.float64(2), np.int8(2), np.float16(2), Fraction(2)]
)
def test_every_kind_of_number_is_one(value):
    number = real_number("x", value, "give a number")
    assert number == 2.0 and type(number) is float


def test_what_is_no_finite_number():
    for value in (*NO_NUMBERS, float("nan"), float("-inf"), np.float32("inf")):
        with pytest.raises(spex.ArgumentError, match=r"^x=.{1,60}; give a number"):
            real_number("x", value, "give a number")
        with pytest.raises(spex.ArgumentError, match=r"time_limit=.*above 0"):
            seconds_of("time_limit", value)


def test_a_number_of_thousands_of_digits_is_refused_in_words():
    with pytest.raises(spex.ArgumentError, match="digits; it must be a whole number"):
        whole_number("n", -(10**5000), 0)


def test_settings_take_numbers_of_numpy():
    def first(masks):
        return 1.0 * masks[:, 0]

    e = spex.explain(first, 3, 8, target_r2=np.float32(0.5))
    e.smallest_change(first, to=np.float32(0.25))
    e.smallest_change(first, by=np.float16(-0.5))
    e.smallest_sufficient(first, keep=np.float32(0.5))
    assert type(e.roles(first, by=np.float32(0.5)).threshold) is float
    spex.plan(20, 200, noise=np.float32(0.5))


def test_settings_refuse_what_is_no_number():
    for value in NO_NUMBERS:
        if value is not None:
            with pytest.raises(spex.ArgumentError, match="target_r2"):
                spex.explain(lambda m: 1.0 * m[:, 0], 3, 8, target_r2=value)
        with pytest.raises(spex.ArgumentError, match="noise"):
            spex.plan(20, 200, noise=value)
