"""One combination, told from 0, for headline, picture and button; one colour for one value."""

import numpy as np
import pytest

from report.seen import drawn
from spex.comparison.comparing import compare
from spex.report.compared import pages
from spex.report.html import page_data
from spex.report.notebook import explanation_html


@pytest.fixture
def lucky(make):
    """78 values, one of whose intervals just misses 0; another is larger and less sure."""
    labels = [f"w{i}" for i in range(12)]
    members = [(i, j) for i in range(12) for j in range(i + 1, 12)] + [(i,) for i in range(12)]
    errors = np.full(len(members), 0.05)
    errors[members.index((0, 1))] = 0.001

    def explained(value):
        return make(
            dict.fromkeys(members, 0.01) | {(2, 3): 0.07, (0, 1): value},
            labels,
            standard_errors=errors,
            unexplained=0.28,
            r2=0.5,
            r2_interval=(0.3, 0.7),
        )

    value = 0.05
    for _ in range(20):  # the error hangs on the value a little
        value = 1.75 * explained(value).interactions("Fourier").standard_error((0, 1))
    return explained(value)


def test_the_luckiest_of_many_is_not_announced(lucky):
    values = lucky.interactions("Fourier")
    low, high = values.interval((0, 1))
    assert 0 < low < high and not values.discoveries()
    page = page_data(lucky, "Fourier")
    assert page.headline.text == "No unit or combination has an effect clearly different from 0"
    assert all(row[5] for row in page.script["views"][0]["rows"])


def test_nothing_is_drawn_that_is_not_told_from_0(lucky, open_page):
    page, complaints = open_page([lucky], index="Fourier")
    assert drawn(page) == [] and not complaints
    assert not page.locator(".key-line").first.is_visible()
    assert not page.get_by_role("button", name="strongest combination").is_visible()
    page.locator(".count").fill("1")  # a guess, on demand
    assert drawn(page) == ["2 3"] and page.locator(".key-line").first.is_visible()


def test_headline_picture_and_button_take_one_combination(make, open_page):
    """The largest pair is uncertain, a smaller one is sure."""
    coefficients = {(0, 1): 1.0, (2, 3): 0.5, (4,): 0.2}
    e = make(
        coefficients, list("abcdef"), standard_errors=np.array([0.8, 0.01, 0.01]), unexplained=0.92,
        r2=0.6,
    )  # fmt: skip
    values = e.interactions("FBII", 2)
    if (0, 1) in values.discoveries() or (2, 3) not in values.discoveries():
        pytest.fail("the example does not hold what it is about")
    page, _ = open_page([e], index="FBII", order=2)
    assert page.locator("h1").inner_text().startswith("c + d raise")
    assert drawn(page) == ["2 3"]
    page.get_by_role("button", name="Without the strongest combination").click()
    assert page.locator(".prediction").inner_text().startswith("Without c + d")


def test_a_difference_that_is_not_told_from_0_is_no_headline(make):
    a = make({(0,): 1.0, (1,): 0.5}, ["x", "y"], standard_errors=np.array([2, 0.01]), unexplained=5)
    b = make({(0,): 0.2, (1,): 0.1}, ["x", "y"], standard_errors=np.array([2, 0.01]), unexplained=5)
    found = compare(a, b, "Fourier")
    assert found.differences[0].labels == ("x",)
    assert pages(found)[0].headline.text.startswith("y adds")


def test_page_and_notebook_colour_the_same_unit_most(review, open_page):
    """By Banzhaf values never is the strongest unit, by FBII up to order 2 fails is."""
    values = review.interactions()
    strongest = max(range(6), key=lambda i: abs(values.get((i,), 0.0)))
    page, _ = open_page([review])
    darkest = """units => {
        const step = one => [...one.classList].find(name => /^[pn]\\d+$/.test(name));
        const level = one => Number(step(one)?.slice(1) ?? 0);
        return Number(units.sort((a, b) => level(b) - level(a))[0].dataset.f);
    }"""
    assert page.eval_on_selector_all(".text .unit", darkest) == strongest
    assert f"{review.features[strongest]}: " in explanation_html(review)
    before = page.locator(".reach").inner_text()
    page.locator(".index").select_option("SV")
    shapley = review.interactions("SV")
    expected = max(range(6), key=lambda i: abs(shapley.get((i,), 0.0)))
    assert page.eval_on_selector_all(".text .unit", darkest) == expected
    assert page.locator(".reach").inner_text() != before


def test_units_of_a_fourier_coefficient_are_grey(review, open_page):
    page, _ = open_page([review])
    page.locator(".index").select_option("Fourier")
    assert page.locator(".text .unit:is(.p1, .p5, .n1, .n5)").count() == 0
    assert page.locator(".text .unit[class*=' f']").count() >= 3
