import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex.fourier.wht import walsh_hadamard


def by_definition(values):
    size = len(values)
    signs = [[(-1) ** (j & m).bit_count() for m in range(size)] for j in range(size)]
    return np.array(signs) @ values / size


@pytest.mark.parametrize("b", range(8))
def test_agrees_with_the_definition(b):
    values = np.random.default_rng(b).normal(size=1 << b)
    assert np.allclose(walsh_hadamard(values), by_definition(values), atol=1e-12)


def test_transforms_the_last_axis_and_leaves_its_argument():
    values = np.random.default_rng(0).normal(size=(3, 2, 16))
    before = values.copy()
    transformed = walsh_hadamard(values)
    assert np.array_equal(values, before)
    assert np.allclose(transformed[2, 1], by_definition(values[2, 1]))


@given(st.integers(0, 10), st.integers(0, 2**32 - 1))
def test_twice_gives_the_values_back(b, seed):
    values = np.random.default_rng(seed).normal(size=1 << b)
    assert np.allclose(walsh_hadamard(walsh_hadamard(values)) * (1 << b), values)


def test_sign_convention():
    """A feature that raises f when present has a negative coefficient: (f(0) - f(1)) / 2."""
    assert walsh_hadamard(np.array([1.0, 5.0])).tolist() == [3.0, -2.0]
