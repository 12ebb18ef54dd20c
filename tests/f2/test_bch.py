import galois
import numpy as np
import pytest

from spex.errors import ArgumentError
from spex.f2.bch import _PRIMITIVE, bch_code

LENGTHS = [(7, 1), (15, 2), (15, 3), (31, 3), (31, 5), (63, 4), (63, 7), (127, 5), (255, 5)]
SHORTENED = [(1, 1), (2, 2), (3, 2), (12, 5), (52, 5), (64, 4), (65, 3), (100, 8), (1000, 5)]


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


@pytest.mark.parametrize(("n", "t"), [(7, 1), (15, 3), (63, 4), (63, 7), (255, 5)])
def test_parity_rows_span_the_dual_of_the_code_of_galois(n, t):
    ours = bch_code(n, t)
    theirs = galois.BCH(
        n, d=2 * t + 1, extension_field=galois.GF(2**ours.m, irreducible_poly=_PRIMITIVE[ours.m])
    )
    assert ours.n_parity == theirs.n - theirs.k
    # galois writes codewords with the highest power first; a parity row times a codeword is zero.
    codewords = np.asarray(theirs.G)[:, ::-1]
    assert not (codewords.astype(int) @ ours.parity_rows.T.astype(int) % 2).any()


@pytest.mark.parametrize(("n", "t"), [(63, 4)])  # galois compiles for seconds
def test_decoding_agrees_with_galois(n, t):
    code = bch_code(n, t)
    theirs = galois.BCH(
        n, d=2 * t + 1, extension_field=galois.GF(2**code.m, irreducible_poly=_PRIMITIVE[code.m])
    )
    errors = patterns(n, t + 2, 200, seed=n + t)
    weights, positions = code.decode(code.syndrome(errors))
    decoded, found = theirs.decode(
        galois.GF2(errors[:, ::-1].astype(int)), output="codeword", errors=True
    )
    corrected = (np.asarray(decoded)[:, ::-1] != errors.astype(int)) & (found >= 0)[:, None]
    assert weights.tolist() == found.tolist()
    for weight, row, expected in zip(weights, positions, corrected, strict=True):
        assert row[: max(weight, 0)].tolist() == np.nonzero(expected)[0].tolist()


@pytest.mark.parametrize(("n", "t"), LENGTHS + SHORTENED)
def test_patterns_up_to_t_are_found(n, t):
    code = bch_code(n, t)
    errors = patterns(n, t, 100, seed=t)
    weights, positions = code.decode(code.syndrome(errors))
    for pattern, weight, row in zip(errors, weights, positions, strict=True):
        assert row[:weight].tolist() == np.nonzero(pattern)[0].tolist()
        assert (row[weight:] == -1).all()


@pytest.mark.parametrize(("n", "t"), [(7, 2), (12, 3), (15, 3), (20, 2)])
def test_what_is_decoded_has_the_syndrome_given(n, t):
    code = bch_code(n, t)
    rng = np.random.default_rng(0)
    syndromes = rng.random((500, code.n_parity)) < 0.5
    weights, positions = code.decode(syndromes)
    assert (weights >= 0).any() and (weights < 0).any()
    for syndrome, weight, row in zip(syndromes, weights, positions, strict=True):
        if weight >= 0:
            pattern = np.zeros((1, n), dtype=bool)
            pattern[0, row[:weight]] = True
            assert np.array_equal(code.syndrome(pattern)[0], syndrome)


def test_offsets_of_a_smaller_t_are_among_those_of_a_larger():
    small, large = bch_code(100, 2), bch_code(100, 5)
    assert np.array_equal(large.parity_rows[: small.n_parity], small.parity_rows)


@pytest.mark.parametrize(("n", "t"), [(0, 1), (70_000, 1), (5, 0), (5, 6)])
def test_impossible_codes_are_refused(n, t):
    with pytest.raises(ArgumentError, match="BCH code of length"):
        bch_code(n, t)
