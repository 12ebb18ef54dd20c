import json
from pathlib import Path

import galois
import numpy as np
import pytest

from spex.errors import ArgumentError
from spex.f2.bch import _PRIMITIVE, _multiply, bch_code

LENGTHS = [(7, 1), (15, 2), (15, 3), (31, 3), (31, 5), (63, 4), (63, 7), (127, 5), (255, 5)]
SHORTENED = [(1, 1), (2, 2), (3, 2), (12, 5), (52, 5), (64, 4), (65, 3), (100, 8), (1000, 5)]


def stored(name):
    """What `make_vectors.py` wrote."""
    return json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text())


def syndromes_of(code, patterns):
    """(k, n) bool to (k, P) bool, by the definition."""
    return (patterns.astype(int) @ code.parity_rows.T.astype(int) % 2).astype(bool)


def decoded(code, syndromes):
    sums = np.zeros((len(syndromes), code.t), dtype=np.int64)
    for bit, of_bit in zip(syndromes.T, code.bit_power_sums, strict=True):
        sums[bit] ^= of_bit
    return code.decode(sums)


def patterns(n, most, count, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, n), dtype=bool)
    for row in rows:
        row[rng.choice(n, rng.integers(0, min(most, n) + 1), replace=False)] = True
    return rows


@pytest.mark.parametrize(("degree", "polynomial"), _PRIMITIVE.items())
def test_polynomials_are_primitive(degree, polynomial):
    galois_polynomial = galois.Poly.Int(polynomial)
    assert galois_polynomial.degree == degree
    assert galois_polynomial.is_primitive()


def test_the_field_multiplies_as_that_of_galois():
    code = bch_code(31, 1)
    # Not compiled: that takes seconds.
    field = galois.GF(32, irreducible_poly=_PRIMITIVE[5], compile="python-calculate")
    ours = [[_multiply(a, b, code.exp, code.log) for a in range(32)] for b in range(32)]
    assert np.array_equal(ours, field.elements[:, None] * field.elements)


@pytest.mark.parametrize("case", stored("generators"), ids=lambda case: f"{case['n']}-{case['t']}")
def test_parity_rows_span_the_dual_of_the_code_of_galois(case):
    code = bch_code(case["n"], case["t"])
    generator = [int(bit) for bit in f"{int(case['generator'], 16):b}"][::-1]
    assert code.n_parity == len(generator) - 1
    # The codewords are spanned by the shifts of the generator; a parity row times one is zero.
    for shift in range(code.n - code.n_parity):
        row = np.pad(generator, (shift, code.n - shift - len(generator)))
        assert not (code.parity_rows.astype(int) @ row % 2).any()


def test_decoding_agrees_with_galois():
    vectors = stored("decoded")
    code = bch_code(vectors["n"], vectors["t"])
    errors = np.zeros((len(vectors["cases"]), code.n), dtype=bool)
    for row, (positions, _) in zip(errors, vectors["cases"], strict=True):
        row[positions] = True
    weights, positions = decoded(code, syndromes_of(code, errors))
    for weight, row, (_, expected) in zip(weights, positions, vectors["cases"], strict=True):
        assert (None if weight < 0 else row[:weight].tolist()) == expected


@pytest.mark.parametrize(("n", "t"), LENGTHS + SHORTENED)
def test_patterns_up_to_t_are_found(n, t):
    code = bch_code(n, t)
    errors = patterns(n, t, 100, seed=t)
    weights, positions = decoded(code, syndromes_of(code, errors))
    for pattern, weight, row in zip(errors, weights, positions, strict=True):
        assert row[:weight].tolist() == np.nonzero(pattern)[0].tolist()
        assert (row[weight:] == -1).all()


@pytest.mark.parametrize(("n", "t"), [(7, 2), (12, 3), (15, 3), (20, 2)])
def test_what_is_decoded_has_the_syndrome_given(n, t):
    code = bch_code(n, t)
    rng = np.random.default_rng(0)
    syndromes = rng.random((500, code.n_parity)) < 0.5
    weights, positions = decoded(code, syndromes)
    assert (weights >= 0).any() and (weights < 0).any()
    for syndrome, weight, row in zip(syndromes, weights, positions, strict=True):
        if weight >= 0:
            pattern = np.zeros((1, n), dtype=bool)
            pattern[0, row[:weight]] = True
            assert np.array_equal(syndromes_of(code, pattern)[0], syndrome)


def test_offsets_of_a_smaller_t_are_among_those_of_a_larger():
    small, large = bch_code(100, 2), bch_code(100, 5)
    assert np.array_equal(large.parity_rows[: small.n_parity], small.parity_rows)


@pytest.mark.parametrize(("n", "t"), [(0, 1), (70_000, 1), (5, 0), (5, 6)])
def test_impossible_codes_are_refused(n, t):
    with pytest.raises(ArgumentError, match="BCH code of length"):
        bch_code(n, t)
