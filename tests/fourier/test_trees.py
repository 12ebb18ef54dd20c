"""The Fourier transform of trees against the transform of all their values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spex.errors import ArgumentError
from spex.f2.packing import unpack
from spex.fourier.mask_design import all_masks
from spex.fourier.trees import Trees, tree_spectrum
from spex.fourier.wht import walsh_hadamard


def grown(rng, n, n_trees, depth, repeats=False):
    """Random trees; where features may repeat on a path, some branches are never taken."""
    roots, feature, left, right, value = [], [], [], [], []

    def grow(level, left_over):
        if level == depth or not left_over or rng.random() < 0.15:
            value.append(rng.normal())
            return ~(len(value) - 1)
        number = len(feature)
        chosen = int(rng.choice(left_over))
        feature.append(chosen)
        left.append(0)
        right.append(0)
        below = left_over if repeats else [f for f in left_over if f != chosen]
        left[number] = grow(level + 1, below)
        right[number] = grow(level + 1, below)
        return number

    for _ in range(n_trees):
        roots.append(grow(0, list(range(n))))
    arrays = [np.array(a, dtype=np.int64) for a in (roots, feature, left, right)]
    return Trees(n, *arrays, np.array(value))


def evaluate(trees, masks):
    """Walk every mask down every tree."""
    found = np.zeros(len(masks))
    for row, mask in enumerate(masks):
        for root in trees.roots:
            child = root
            while child >= 0:
                side = trees.right if mask[trees.feature[child]] else trees.left
                child = side[child]
            found[row] += trees.value[~child]
    return found


@pytest.mark.parametrize("repeats", [False, True])
@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 7), depth=st.integers(0, 6))
def test_spectrum_is_the_transform_of_the_values(repeats, seed, n, depth):
    trees = grown(np.random.default_rng(seed), n, 3, depth, repeats)
    masks = unpack(all_masks(n), n)
    expected = walsh_hadamard(evaluate(trees, masks))
    spectrum = tree_spectrum(trees)
    found = np.zeros(2**n)
    found[spectrum.support[:, 0].astype(np.int64)] = spectrum.coefficients
    assert found == pytest.approx(expected, abs=1e-12)
    assert len(np.unique(spectrum.support, axis=0)) == len(spectrum)


@pytest.mark.parametrize("n", [63, 64, 65, 128, 200])
def test_many_features(n):
    rng = np.random.default_rng(n)
    trees = grown(rng, n, 20, 6)
    masks = rng.random((50, n)) < 0.5
    assert tree_spectrum(trees).predict(masks) == pytest.approx(evaluate(trees, masks), abs=1e-9)


def test_an_order_cuts_the_spectrum_and_leaves_the_rest():
    trees = grown(np.random.default_rng(5), 10, 8, 5)
    whole = dict(tree_spectrum(trees).items())
    for degree in (0, 1, 3):
        cut = dict(tree_spectrum(trees, degree).items())
        assert cut == pytest.approx({k: v for k, v in whole.items() if len(k) <= degree})


def test_trees_without_a_question_are_constants():
    none = np.zeros(0, dtype=np.int64)
    trees = Trees(3, np.array([-1, -2]), none, none, none, np.array([1.0, 2.5]))
    assert dict(tree_spectrum(trees).items()) == {(): 3.5}


def test_what_is_no_tree_is_refused():
    one = np.array([0])
    with pytest.raises(ArgumentError, match="feature outside"):
        tree_spectrum(Trees(1, one, np.array([1]), np.array([-1]), np.array([-2]), np.ones(2)))
    with pytest.raises(ArgumentError, match="not among"):
        tree_spectrum(Trees(1, one, one, np.array([-3]), np.array([-2]), np.ones(2)))
    with pytest.raises(ArgumentError, match="has two parents"):
        tree_spectrum(Trees(1, one, one, one, np.array([-2]), np.ones(2)))
