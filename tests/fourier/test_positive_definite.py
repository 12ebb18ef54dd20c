"""Cholesky factors, solutions and inverses against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex.fourier import positive_definite


def positive(k: int, seed: int):
    columns = np.random.default_rng(seed).normal(size=(k, k + 3))
    return columns @ columns.T


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 1000))
def test_against_numpy(k, r, seed):
    matrix = positive(k, seed)
    right = np.random.default_rng(seed).normal(size=(r, k))
    # What is above the diagonal must not count.
    factor = positive_definite.cholesky(np.tril(matrix) + np.triu(np.full((k, k), np.nan), 1))
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), rtol=1e-6, atol=1e-9)
    solved = positive_definite.solve(factor, right)
    expected = np.linalg.solve(matrix, right.T).T
    np.testing.assert_allclose(solved, expected, rtol=1e-5, atol=1e-6)
    # Not to the last bit: BLAS has other kernels for one right side than for several.
    alone = positive_definite.solve(factor, right[0])
    np.testing.assert_allclose(alone, solved[0], rtol=1e-5, atol=1e-6)
    inverse = np.tril(positive_definite.inverse(factor))
    np.testing.assert_allclose(inverse, np.tril(np.linalg.inv(matrix)), rtol=1e-5, atol=1e-6)


def test_right_sides_stay():
    right = np.ones(3)
    positive_definite.solve(positive_definite.cholesky(np.diag([1.0, 4.0, 9.0])), right)
    assert (right == 1).all()


@pytest.mark.parametrize("matrix", [-np.eye(2), np.zeros((3, 3)), np.full((2, 2), np.nan)])
def test_other_matrices_are_refused(matrix):
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        positive_definite.cholesky(matrix.copy())


@pytest.mark.parametrize(
    "matrix", [np.eye(3)[:, :2], np.eye(4)[::2, ::2], np.eye(2, dtype=np.float32)]
)
def test_what_lapack_would_misread_is_refused(matrix):
    with pytest.raises(ValueError, match="C-contiguous square float64"):
        positive_definite.cholesky(matrix)


@pytest.mark.parametrize("right", [np.ones(2), np.ones(4), np.ones((3, 2))])
def test_right_sides_of_another_size_are_refused(right):
    with pytest.raises(ValueError, match="for 3 unknowns"):
        positive_definite.solve(positive_definite.cholesky(np.eye(3)), right)
