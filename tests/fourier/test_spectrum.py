import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum


@pytest.mark.parametrize("n", [3, 63, 64, 65, 130])
def test_predict_is_the_sum_of_the_definition(n):
    rng = np.random.default_rng(n)
    coefficients = {(): 0.5, (0,): 1.5, (n - 1,): -2.0, (0, 1, n - 1): 0.25}
    masks = rng.random((50, n)) < 0.5
    expected = [
        sum(v * (-1) ** int(mask[list(k)].sum()) for k, v in coefficients.items()) for mask in masks
    ]
    assert np.allclose(Spectrum.from_mapping(coefficients, n).predict(masks), expected)


def test_a_prediction_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(0)
    spectrum = Spectrum.from_mapping({(i, i + 1): rng.normal() for i in range(69)}, 70)
    masks = rng.random((40_000, 70)) < 0.5  # more than one block
    together = spectrum.predict(masks)
    assert np.array_equal(together[39_990:], spectrum.predict(masks[39_990:]))


@given(
    st.dictionaries(
        st.sets(st.integers(0, 69), max_size=4).map(lambda s: tuple(sorted(s))),
        st.floats(-10, 10),
        max_size=20,
    )
)
def test_items_give_the_mapping_back(coefficients):
    spectrum = Spectrum.from_mapping(coefficients, 70)
    assert dict(spectrum.items()) == coefficients
    assert spectrum.orders.tolist() == [len(k) for k in spectrum.interactions]
    assert spectrum.degree == max((len(k) for k in coefficients), default=0)


@pytest.mark.parametrize("bad", [(1, 0), (0, 0), (5,), (-1,)])
def test_wrong_interactions_are_refused(bad):
    with pytest.raises(ArgumentError, match="not a sorted tuple"):
        Spectrum.from_mapping({bad: 1.0}, 5)
