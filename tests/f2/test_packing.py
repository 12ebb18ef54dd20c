import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spex.f2.packing import n_words, pack, parity, unpack

BOUNDARIES = [1, 63, 64, 65, 128, 129]


@pytest.mark.parametrize("n", BOUNDARIES)
def test_pack_puts_feature_j_into_bit_j_mod_64_of_word_j_div_64(n):
    words = pack(np.eye(n, dtype=bool))
    assert words.shape == (n, n_words(n))
    for j in range(n):
        expected = [0] * n_words(n)
        expected[j // 64] = 1 << (j % 64)
        assert words[j].tolist() == expected


@pytest.mark.parametrize("n", BOUNDARIES)
def test_unused_bits_are_zero(n):
    words = pack(np.ones((1, n), dtype=bool))
    assert int(np.bitwise_count(words).sum()) == n


@given(
    hnp.arrays(np.bool_, st.tuples(st.integers(0, 5), st.sampled_from(BOUNDARIES))),
)
def test_unpack_undoes_pack(bits):
    assert np.array_equal(unpack(pack(bits), bits.shape[1]), bits)


@given(st.sampled_from(BOUNDARIES), st.integers(0, 2**32 - 1))
def test_parity_is_the_inner_product_modulo_two(n, seed):
    a, b = np.random.default_rng(seed).random((2, 7, n)) < 0.5
    assert np.array_equal(parity(pack(a), pack(b)), (a & b).sum(axis=1) % 2 == 1)
