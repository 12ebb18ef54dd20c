"""The difference of any two of several outputs, in a real browser: as `spex.compare` has it."""

from itertools import permutations

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import spex
from spex.explanations import Explanations, OutputMoments
from spex.report.html import render_comparison

WORDS = "Her acting never fails to impress".split()


@pytest.fixture
def outputs(make, context_of):
    """Three classes, of different degree, with errors."""
    context = context_of(" ".join(WORDS))
    spectra = {
        "good": {(): 0.4, (2, 3): 0.4, (1,): -0.1, (0, 1, 2): 0.05},
        "bad": {(): 0.1, (2,): 0.3, (2, 3): -0.2, (4,): 0.1},
        "neutral": {(): 0.2, (5,): -0.4},
    }
    found = {
        name: make(
            spectrum,
            WORDS,
            context=context,
            standard_errors=np.linspace(0.01, 0.04, len(spectrum)),
            unexplained=0.02,
            observed=(1.0 + number, 0.5),
        )
        for number, (name, spectrum) in enumerate(spectra.items())
    }
    return Explanations(found, OutputMoments(np.eye(3), 0.1 * np.eye(3)))


@pytest.fixture
def difference(open_page, outputs, tmp_path):
    """The section of the difference, opened, and what the browser complained about."""

    def opened(fragment="#e4", **settings):
        outputs.to_html(tmp_path / "outputs.html")
        html = (tmp_path / "outputs.html").read_text()
        return open_page([], html=html, fragment=fragment, **settings)

    return opened


def choose(page, a, b):
    page.locator("#e4 .of").select_option(a)
    page.locator("#e4 .less").select_option(b)


def rows(page):
    """What the section lists: value, low, high, and the value in both, by members."""
    found = page.evaluate("pages[3].view.rows")
    return {tuple(row[0]): (row[1], row[2], row[3], row[6], row[7]) for row in found}


def test_every_pair_is_what_compare_says(difference, outputs):
    page, complaints = difference()
    for a, b in permutations(outputs, 2):
        choose(page, a, b)
        assert page.locator("#e4 .name").inner_text() == f"Difference: {a} less {b}"
        for index, order in ((None, None), ("FSII", 2), ("SV", None), ("Moebius", None)):
            if index is not None:
                page.locator("#e4 .index").select_option(index)
            if order is not None:
                page.locator("#e4 .order").select_option(str(order))
            expected = spex.compare(outputs[a], outputs[b], index, order, (a, b))
            told = rows(page)
            changed = [one for one in expected.differences if abs(one.value) > 1e-9]
            assert set(told) == {one.interaction for one in changed}
            for one in changed:
                found = told[one.interaction]
                assert (found[0], *found[3:]) == pytest.approx((one.value, one.a, one.b))
                if found[1] is not None:
                    assert found[1:3] == pytest.approx((one.low, one.high), rel=1e-5, abs=1e-6)
                else:  # known only to the index and order that are shown first
                    assert index is not None
    assert complaints == []


def test_headline_colours_and_table_are_those_of_the_page_that_python_makes(
    difference, open_page, outputs
):
    shown, _ = difference()
    for a, b in permutations(outputs, 2):
        choose(shown, a, b)
        made = render_comparison(spex.compare(outputs[a], outputs[b], names=(a, b)))
        page, _ = open_page([], html=made)
        for selector in ("h1", ".details", ".reach", ".key-more", ".listing .heading", "thead"):
            expected = page.locator(f"#e1 {selector}").inner_text()
            assert shown.locator(f"#e4 {selector}").inner_text() == expected, (a, b, selector)
        colours = "all => all.map(one => [...one.classList].filter(name => /^[pn]\\d/.test(name)))"
        units = ".reading [data-f]"
        assert shown.eval_on_selector_all(f"#e4 {units}", colours) == page.eval_on_selector_all(
            f"#e1 {units}", colours
        )
        links = "all => all.map(one => one.dataset.m)"
        assert shown.eval_on_selector_all("#e4 .link", links) == page.eval_on_selector_all(
            "#e1 .link", links
        )
        # Variances of 1 and errors of 0.1, independent: 1 - 0.2 / 2.
        assert shown.locator("#e4 .claim").inner_text().startswith("R2 of the difference 0.90. ")


def test_what_if_is_the_difference_of_both_predictions(difference, outputs):
    page, _ = difference()
    masks = np.random.default_rng(0).random((10, 6)) < 0.5
    for a, b in (("good", "bad"), ("neutral", "good")):
        choose(page, a, b)
        for mask in masks:
            page.evaluate("out => setOut(pages[3], out)", np.flatnonzero(~mask).tolist())
            told = page.locator("#e4 .prediction strong")
            expected = outputs[a].predict(mask[None]) - outputs[b].predict(mask[None])
            assert float(told.get_attribute("data-value")) == pytest.approx(expected[0], abs=1e-12)
            # Half the interval is 1.645 times the root of the error of the difference, 0.2.
            assert float(told.get_attribute("data-half")) >= 1.6448 * 0.2**0.5
    page.evaluate("setOut(pages[3], [])")
    assert "everything +2.00 nats" in page.locator("#e4 .prediction").inner_text()


def test_the_address_keeps_the_pair_and_a_wrong_one_is_left_aside(difference):
    page, _ = difference()
    choose(page, "neutral", "bad")
    page.locator("#e4 [data-f='2']").click()
    address = page.evaluate("location.hash")
    assert "of=2.1" in address and "out=2" in address
    page.locator("nav a").first.click()
    page.locator("nav a").last.click()  # leads back to the same two
    assert page.locator("#e4 .name").inner_text() == "Difference: neutral less bad"
    # The address changes first, and the page a moment later.
    current = page.locator("nav a[aria-current]")
    expect(current).to_have_text("Difference: neutral less bad", use_inner_text=True)
    again, _ = difference(address)
    assert again.locator("#e4 .name").inner_text() == "Difference: neutral less bad"
    assert again.locator("#e4 .unit.out").count() == 1
    for wrong in ("1.1", "0.7", "x", "0"):
        page, complaints = difference(f"#e4&of={wrong}")
        assert "left aside" in page.locator("#e4 .detail").inner_text()
        assert page.locator("#e4 .name").inner_text() == "Difference: good less bad"
        assert complaints == []


def test_an_output_chosen_twice_changes_places(difference):
    page, _ = difference()
    page.locator("#e4 .of").select_option("bad")  # which is what it is compared with
    assert page.locator("#e4 .name").inner_text() == "Difference: bad less good"


def test_outputs_in_other_units_are_not_compared(outputs, make, tmp_path):
    alone = {"good": outputs["good"], "count": make({(0,): 1.0}, WORDS)}
    spex.Explanations(alone).to_html(tmp_path / "page.html")
    assert "Difference" not in (tmp_path / "page.html").read_text().partition("<script>")[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(difference, scheme):
    page, _ = difference(scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_documents_have_the_bars_of_the_difference(open_page, make, tmp_path):
    parts = [
        {"heading": name, "segments": [[f"Text of {name}.", i]]} for i, name in enumerate("AB")
    ]
    a, b = (make({(0,): x, (1,): 0.1}, "AB", context={"parts": parts}) for x in (0.5, -0.25))
    Explanations({"a": a, "b": b}).to_html(tmp_path / "page.html")
    page, complaints = open_page([], html=(tmp_path / "page.html").read_text(), fragment="#e3")
    values = page.locator("#e3 .row-value").all_inner_texts()
    assert values == ["\N{MINUS SIGN}1.50", "0"]
    bars = page.locator("#e3 .effect rect").evaluate_all(
        "all => all.map(one => [one.getAttribute('x'), one.getAttribute('width')])"
    )
    assert bars == [["0%", "50%"], ["50%", "0%"]]
    assert complaints == []
