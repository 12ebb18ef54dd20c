import galois
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex.f2.linalg import independent_rows, multiply, random_independent_rows, span
from spex.f2.packing import pack, unpack


@pytest.mark.parametrize(("n", "count"), [(1, 1), (5, 5), (63, 9), (64, 10), (65, 65), (130, 12)])
def test_random_rows_are_independent(n, count):
    rows = unpack(random_independent_rows(n, count, np.random.default_rng(3)), n)
    assert np.linalg.matrix_rank(galois.GF2(rows.astype(int))) == count


def test_more_rows_leave_the_first_as_they_are():
    few = random_independent_rows(70, 4, np.random.default_rng(1))
    many = random_independent_rows(70, 9, np.random.default_rng(1))
    assert np.array_equal(many[:4], few)


def test_span_numbers_its_combinations_by_bits():
    rows = random_independent_rows(65, 5, np.random.default_rng(0))
    combinations = span(rows)
    for number in range(32):
        expected = np.zeros(rows.shape[1], dtype=np.uint64)
        for r in range(5):
            if number >> r & 1:
                expected ^= rows[r]
        assert np.array_equal(combinations[number], expected)


def test_multiply_is_the_product_over_f2():
    rng = np.random.default_rng(2)
    matrix, vectors = rng.random((6, 70)) < 0.5, rng.random((9, 70)) < 0.5
    bits = (vectors.astype(int) @ matrix.T.astype(int)) % 2
    assert multiply(pack(matrix), pack(vectors)).tolist() == (bits @ (1 << np.arange(6))).tolist()


@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_independent_rows_are_a_basis_of_all(r, n, seed):
    matrix = np.random.default_rng(seed).random((r, n)) < 0.4
    chosen, combination = independent_rows(matrix)
    assert len(chosen) == np.linalg.matrix_rank(galois.GF2(matrix.astype(int)))
    rebuilt = combination.astype(int) @ matrix[chosen].astype(int) % 2
    assert np.array_equal(rebuilt.astype(bool), matrix)
