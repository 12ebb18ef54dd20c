import math

import numpy as np
import pytest

import spex
from report.conftest import make_explanation as make
from spex.comparison.comparing import compare
from spex.errors import ArgumentError
from spex.report.compared import pages


def with_errors(coefficients, features, error, **changes):
    return make(
        coefficients,
        features,
        standard_errors=np.full(len(coefficients), error),
        unexplained=0.1,
        **changes,
    )


A = {(): 1.0, (0,): 0.5, (1, 2): 0.4, (0, 1, 2): 0.2, (3,): -0.1}
B = {(): 0.0, (0,): 0.1, (1, 2): -0.4, (2, 3): 0.3}


def test_of_the_same_features_it_is_the_difference_of_the_functions():
    a, b = with_errors(A, "wxyz", 0.1), with_errors(B, "wxyz", 0.2)
    found = spex.compare(a, b, "FBII", 3)
    both = make(A | B | {k: A.get(k, 0) - B.get(k, 0) for k in A | B}, "wxyz")
    expected = both.interactions("FBII", 3)  # indices are linear
    assert {d.interaction: d.value for d in found.differences if abs(d.value) > 1e-12} == (
        pytest.approx(dict(expected))
    )
    sizes = [abs(d.value) for d in found.differences]
    assert sizes == sorted(sizes, reverse=True)
    one = found.differences[0]
    of_a, of_b = a.interactions("FBII", 3), b.interactions("FBII", 3)
    assert (one.a, one.b) == (of_a[one.interaction], of_b[one.interaction])
    halves = [(high - low) / 2 for low, high in (
        of_a.interval(one.interaction), of_b.interval(one.interaction))]  # fmt: skip
    assert (one.high - one.low) / 2 == pytest.approx(math.hypot(*halves))
    assert found.unmatched == ((), ())
    frame = found.to_frame()
    assert list(frame["difference"]) == [d.value for d in found.differences]


def test_the_order_is_the_same_for_both():
    low, high = make({(0,): 1.0}, "wxy"), make({(0, 1, 2): 1.0}, "wxy")
    assert compare(low, high).order == compare(high, low).order == 3
    assert compare(low, high, "SV").order == 1


def test_features_are_matched_by_label_in_their_order():
    a = make({(0, 3): 1.0, (2,): 0.5}, ["not", "a", "good", "film"])
    b = make({(0, 4): -0.5, (3,): 0.5}, ["not", "such", "a", "good", "film"])
    found = compare(a, b)
    assert found.pairs == ((0, 0), (1, 2), (2, 3), (3, 4))
    assert found.unmatched == ((), ("such",))
    pair = next(d for d in found.differences if d.interaction == (0, 3))
    assert (pair.labels, pair.a, pair.b) == (("not", "film"), 4.0, -2.0)
    assert math.isnan(pair.low)
    twice = compare(make({(2,): 1.0}, ["the", "x", "the"]), make({(1,): 1.0}, ["the", "the"]))
    assert twice.pairs == ((0, 0), (2, 1))


def test_with_other_labels_of_equal_number_by_position():
    assert compare(make({(0,): 1.0}, "ab"), make({(0,): 1.0}, "xy")).pairs == ((0, 0), (1, 1))


def test_refusals():
    a = make({(0,): 1.0}, "ab")
    with pytest.raises(ArgumentError, match=r"nothing to compare"):
        compare(a, make({(0,): 1.0}, "xyz"))
    with pytest.raises(ArgumentError, match="no unit and those of b in nats"):
        compare(a, make({(0,): 1.0}, "ab", context={"score_unit": "nats"}))
    with pytest.raises(ArgumentError, match="one output of several"):
        compare(a, spex.Explanations({"yes": a}))
    with pytest.raises(ArgumentError, match="order"):
        compare(a, a, order=3)


def test_it_prints_and_writes_a_page(tmp_path):
    a, b = with_errors(A, ["<b>", "x", "y", "z"], 0.1), with_errors(B, ["<b>", "x", "y", "q"], 0.1)
    found = compare(a, b, names=("old", "new"))
    told = repr(found)
    assert "3 features matched, of 4 and 4" in told and "only in new: q" in told
    assert "x + y" in told
    found.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Difference: old less new" in page and "<b>" not in page.partition("<body>")[2]


def test_rounding_errors_of_two_fits_are_no_difference(tmp_path):
    noisy = {key: value + 3e-12 for key, value in A.items()}
    found = spex.compare(make(A, "wxyz"), make(noisy, "wxyz"))
    found.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "No difference: the matched features do the same in both." in page
    assert "e-12" not in page.partition("<script>")[0] and "No difference" in repr(found)


def test_explanations_of_two_outputs_show_their_difference(tmp_path):
    es = spex.Explanations({"yes": make(A, "wxyz"), "no": make(B, "wxyz")})
    es.to_html(tmp_path / "page.html")
    assert ">Difference: yes less no</a>" in (tmp_path / "page.html").read_text()


def test_both_questions_are_told_and_an_order_that_is_not_the_own_one():
    context = {"parts": [{"heading": None, "segments": [["x", 0], [" ", None], ["y", 1]]}]}
    flat = make({(0,): 1.0, (1,): 0.5}, "xy", context=context | {"prompt": "Good? x y"})
    bent = make({(0, 1): 1.0}, "xy", context=context | {"prompt": "Is it bad: x y"})
    found = spex.compare(flat, bent, names=("first", "second"))
    page = pages(found)[0]
    asked = {fact.name: fact.value for fact in page.asked}
    assert asked["Asked in first"] == "Good? [...]"
    assert asked["Asked in second"] == "Is it bad: [...]"
    assert {"first: prompt", "second: prompt"} <= {fact.name for fact in page.facts}
    assert page.notes == (
        "first is read up to order 2 here, and up to 1 where it stands alone: values of FBII "
        "depend on the order.",
    )
    told = " ".join(repr(found).split())
    assert page.notes[0] in told and "Asked in second: Is it bad: [...]" in told
    assert pages(spex.compare(bent, bent))[0].notes == ()
    assert [fact.name for fact in pages(spex.compare(bent, bent))[0].asked] == ["Asked"]
