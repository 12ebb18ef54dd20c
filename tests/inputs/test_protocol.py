"""What every masker offers: one set of checks for all."""

import re

import numpy as np
import pytest

from spex import Composite, Documents, Image, Messages, Table, Text
from spex.prior import Prior

PIXELS = np.zeros((4, 4), np.uint8)
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a b c"}]

# (masker, names of unit and operator, system message, prior)
CASES = [
    (Text("a b c"), "word", "delete", None, Prior(sequence=(0, 1, 2))),
    (
        Text("a b1", unit=re.compile("[a-z]"), operator="mask", system="S"),
        "regex:[a-z]",
        "mask:[MASK]",
        "S",
        Prior(sequence=(0, 1)),
    ),
    (Documents(["a", "b"], system="S"), "document", "delete", "S", Prior(sequence=(0, 1))),
    (
        Messages(CHAT, unit="word", operator="neutral:so"),
        "word",
        "neutral:so",
        None,
        Prior(sequence=(0, 1, 2)),
    ),
    (Image(PIXELS, "grid:2x1", "blur:2", system="S"), "grid:2x1", "blur:2", "S", Prior()),
    (Table([1, 2], [[0, 0], [1, 1]]), "cell", "mean over 2 background rows", None, Prior()),
    (
        Composite(Image(PIXELS, "grid:2x1"), Text("a b", operator="mask", system="S")),
        "grid:2x1 and word",
        "mean and mask:[MASK]",
        "S",
        Prior(sequence=(2, 3)),
    ),
    (Composite(Text("a b"), Text("c d")), "word and word", "delete and delete", None, Prior()),
]


@pytest.mark.parametrize(("masker", "unit", "operator", "system", "prior"), CASES)
def test_what_is_told_of_a_masker(masker, unit, operator, system, prior):
    assert (masker.unit_name, masker.operator_name) == (unit, operator)
    assert masker.system == system
    assert masker.prior == prior
    masker.prior.check(masker.n_features)


@pytest.mark.parametrize("masker", [case[0] for case in CASES])
def test_the_description_holds_the_same_names(masker):
    described = masker.describe()
    assert (described["unit"], described["operator"]) == (masker.unit_name, masker.operator_name)


def test_a_composite_joins_priors():
    class Known(Text):
        prior = Prior((1.0, 2.0), close=((0, 1),))

    known = Known("a b")
    joined = Composite(known, Text("c d e"), known).prior
    assert joined == Prior(close=((0, 1), (5, 6)), sequence=(2, 3, 4))
    assert Composite(known, known).prior == Prior((1.0, 2.0, 1.0, 2.0), ((0, 1), (2, 3)))
