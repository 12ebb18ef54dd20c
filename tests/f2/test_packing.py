import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spex.f2.packing import DistinctRows, n_words, pack, parity, set_bits, unpack

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


@given(st.data(), st.integers(1, 3))
def test_distinct_rows_are_numbered_as_by_a_dictionary(data, words):
    # Few different words, so that most rows come several times, also differing in one word alone.
    values = st.sampled_from([0, 1, 2, 1 << 63, (1 << 64) - 1])
    batches = data.draw(st.lists(hnp.arrays(np.uint64, (9, words), elements=values), max_size=5))
    distinct, numbers = DistinctRows(words), {}
    for batch in batches:
        expected = [numbers.setdefault(row.tobytes(), len(numbers)) for row in batch]
        assert distinct.add(batch).tolist() == expected
        assert [row.tobytes() for row in distinct.rows] == list(numbers)
        assert len(distinct) == len(numbers)


def test_distinct_rows_stay_when_more_come():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 1 << 64, size=(20_000, 2), dtype=np.uint64)
    distinct = DistinctRows(2)
    distinct.add(rows[:300])
    few = distinct.rows
    for start in range(0, len(rows), 700):
        distinct.add(rows[start : start + 700])
    assert np.array_equal(few, rows[:300])
    assert distinct.add(rows[::-1]).tolist() == list(range(len(rows)))[::-1]
    assert np.array_equal(distinct.rows, rows)
    assert distinct.add(rows[:0]).shape == (0,)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 130])
def test_set_bits_are_those_of_the_rows(n, monkeypatch):
    rows = np.random.default_rng(n).random((40, n)) < 0.3
    for block in (1, 1000):
        monkeypatch.setattr("spex.f2.packing._BLOCK", block)
        assert np.array_equal(np.stack(set_bits(pack(rows), n)), np.stack(np.nonzero(rows)))
    assert len(set_bits(pack(rows[:0]), n)[0]) == 0
