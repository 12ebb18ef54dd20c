import io
import math

import numpy as np
import pytest
from rich.console import Console

import spex
from spex.inputs.parts import TextPart
from spex.report import facts
from spex.report.colours import colours_of
from spex.report.html import page_data
from spex.report.terminal import view
from spex.wording import percent


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (1.2345, "+1.23"),
        (-0.0123456, "-0.0123"),
        (123456.0, "+123000"),
        (9.999, "+10.0"),
        (-1e-9, "-1.00e-09"),
        (2.5e12, "+2.50e+12"),
    ],
)
def test_signed_has_three_digits(value, shown):
    assert facts.signed(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0.0 %"),
        (0.0001, "< 0.1 %"),
        (0.0512, "5.1 %"),
        (0.0996, "10 %"),
        (0.934, "93 %"),
        (0.99999, "99.99 %"),
        (1.0, "100 %"),
        (-0.2, "-20 %"),
    ],
)
def test_percent_rounds_neither_to_none_nor_to_all(share, shown):
    assert percent(share) == shown


def test_colours_are_the_values_shown(review):
    for index, order in (("FBII", 2), ("SV", None), ("Fourier", None)):
        values = review.interactions(index, order)
        colours = colours_of(values, 6)
        assert colours.values == [values.get((i,), 0.0) for i in range(6)]
        assert colours.largest == abs(values.top(1)[0][1])
        assert colours.share(2) == abs(colours.values[2]) / colours.largest
        assert colours.has_direction == (index != "Fourier")


@pytest.mark.parametrize(
    ("r2", "interval", "told"),
    [
        (0.9924, (0.9855, 0.99604), "99.24 % of the variation (90 % interval 98.55 to 99.60 %)"),
        (0.21, (-0.013, 0.38), "21 % of the variation (90 % interval -1 to 38 %)"),
        (0.052, (-0.0004, 0.09), "5.2 % of the variation (90 % interval 0.0 to 9.0 %)"),
        (0.5, (math.nan, math.nan), "50 % of the variation (90 % interval unknown)"),
        (-0.001, (-0.2, 0.1), "none of the variation (R2 0.00, 90 % interval -0.20 to 0.10)"),
    ],
)
def test_r2_and_its_interval_have_equally_many_digits(make, r2, interval, told):
    found = make({(0,): 1.0}, ["a"], r2=r2, r2_interval=interval)
    assert told in facts.fidelity(found)
    assert told.replace("-", "\N{MINUS SIGN}") in page_data(found).fidelity


def test_shares_add_to_one(review):
    shares = facts.variance_shares(review)
    assert math.fsum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.get) == (2, 3)
    assert facts.joint_share(review) == pytest.approx(shares[2, 3] + shares[0, 1] + shares[2, 3, 5])


def test_share_is_that_of_the_variance_over_all_masks(review):
    import itertools

    import numpy as np

    masks = np.array(list(itertools.product([False, True], repeat=6)))
    variance = review.predict(masks).var()
    assert facts.variance_shares(review)[2, 3] == pytest.approx(0.36**2 / variance)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "Explains 93 % of the variation (90 % interval 90 to 95 %), measured"),
        ({"r2": math.nan, "r2_interval": (math.nan, math.nan)}, "unknown: too few evaluations"),
        (
            {"r2": -0.2, "r2_interval": (-0.5, 0.1)},
            "Explains none of the variation (R2 -0.20, 90 % interval -0.50 to 0.10)",
        ),
        (
            {"r2": 1.0, "r2_interval": (1.0, 1.0), "n_evaluations": 8, "method": "exact"},
            "Explains all of the variation: exact, from all 8 masks.",
        ),
        (
            {"r2": 0.7, "r2_interval": (0.7, 0.7), "n_evaluations": 8, "method": "linear"},
            "Explains 70 % of the variation, measured on all masks.",
        ),
        ({"r2": 0.99999, "r2_interval": (0.9999, 1.0)}, "Explains 99.99 % of the variation"),
    ],
)
def test_fidelity_in_words(make, changes, says):
    explanation = make({(): 1.0, (0,): 2.0}, ["a", "b", "c"], **changes)
    assert says in facts.fidelity(explanation)


def test_constant(make):
    explanation = make({(): 1.0}, ["a", "b"], r2=1.0, r2_interval=(1.0, 1.0))
    assert "the same at all 300 masks evaluated" in facts.fidelity(explanation)
    assert facts.variance_shares(explanation) == {}
    unknown = {"r2": math.nan, "r2_interval": (math.nan, math.nan)}
    explanation = make({(): 1.0}, ["a", "b"], **unknown, n_evaluations=4)
    assert "the same whatever is left out" in facts.fidelity(explanation)
    explanation = make({(): 1.0}, ["a", "b"], **unknown, observed=(1.0, 0.0))
    assert "same" not in facts.fidelity(explanation) + facts.nothing_listed(explanation)


def test_poor_fit_says_what_to_do(make):
    explanation = make({(0,): 2.0}, ["a", "b"], r2=0.3, r2_interval=(0.2, 0.4))
    assert "raise the budget" in facts.caution(explanation)


def test_nothing_acts_on_a_terminal():
    assert facts.visible(
        "a\x1b[31mb\x07\x9b\ud800\u202ec\td\n"
    ) == "a\ufffd[31mb" + "\ufffd" * 4 + ("c\td\n")
    assert facts.one_line(" a\n\tb ") == "a b"


def test_labels_are_cut_and_never_empty():
    assert facts.short("x" * 100, 10) == "x" * 7 + "..."
    assert facts.short(" \n") == "(blank)"


@pytest.mark.parametrize(
    ("score", "unit", "told"),
    [
        ('log P("yes")', "nats", 'log P("yes"), nats'),
        ('P("yes, sir")', "", 'P("yes, sir")'),
        ("similarity", None, "similarity"),
        (None, "nats", None),
    ],
)
def test_score_and_its_unit(make, score, unit, told):
    explanation = make({(0,): 1.0}, ["a"], context={"score": score, "score_unit": unit})
    assert facts.unit_of_score(explanation) == (unit or "")
    assert facts.score(explanation) == told


@pytest.mark.parametrize(
    "segments",
    [
        None,
        "text",
        [["a", 0]],
        [["a", 0], ["b", 2]],
        [["a", 0], ["b", True]],
        [["a", 0], [1, 1]],
        [["a", 0, 0], ["b", 1]],
        [["a", -1], ["b", 1]],
    ],
)
def test_segments_that_do_not_fit_are_not_believed(make, segments):
    explanation = make(
        {(0,): 1.0}, ["a", "b"], context={"parts": [{"heading": None, "segments": segments}]}
    )
    assert facts.parts(explanation) is None


def test_parts_are_made_visible(make):
    part = {"heading": "a\x1b\n title", "segments": [["a\x1b", 0], ["b", 1]]}
    explanation = make({(0,): 1.0}, ["a", "b"], context={"parts": [part]})
    assert facts.parts(explanation) == (
        TextPart((("a\ufffd", 0), ("b", 1)), heading="a\ufffd title"),
    )


def test_shown_interactions_fall_back_where_they_cannot_be_listed(make):
    wide = make({tuple(range(23)): 1.0}, [str(i) for i in range(23)])
    assert wide.interactions().index == "Fourier"


@pytest.mark.parametrize(
    ("triple", "order"), [(0.0, 2), (0.2, 2), (0.5, 3)]
)  # 0, 2 and 11 % of the variance
def test_shown_interactions_stop_where_nearly_all_variance_is(make, triple, order):
    explanation = make({(0,): 1.0, (0, 1): 1.0, (0, 1, 2): triple}, ["a", "b", "c"])
    values = explanation.interactions()
    assert (values.index, values.order) == ("FBII", order)
    assert explanation.interactions(None, 3).order == 3
    assert explanation.interactions("SV").index == "SV"


def test_shown_interactions_of_a_constant(make):
    assert make({(): 1.0}, ["a", "b"]).interactions().order == 1


def test_remainder_is_true(large):
    values = large.interactions("Fourier")
    rest = facts.remainder(values, 15)
    assert rest.startswith("3,985 more, each at most ")
    assert abs(values.top(16)[15][1]) == pytest.approx(float(rest.split()[5]), rel=0.01)
    assert facts.remainder(values, 4000) is None


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (0, "$0.00"),
        (0.00012345, "$0.00012"),
        (0.0996, "$0.10"),
        (0.999, "$1.00"),
        (1234.5, "$1,234.50"),
    ],
)
def test_dollars(amount, told):
    assert facts.dollars(amount) == told


@pytest.mark.parametrize("usage", [None, {}, {"requests": 1}])
def test_usage_that_cannot_be_read_is_not_told(make, usage):
    assert facts.usage(make({(0,): 1.0}, ["a"], context={"usage": usage})) is None


def test_a_rounding_error_is_zero_everywhere(make, tmp_path):
    found = make({(): 0.1, (0,): 0.3 - 0.1 - 0.2, (1,): -0.1}, ["a", "b"], observed=(2.8e-17, 0.2))
    assert colours_of(found.interactions(), 2).values == [0.0, 0.2]
    assert facts.signed(2.78e-17, 1.0) == "0" and facts.signed(2.78e-17) == "+2.78e-17"
    found.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text().partition('class="data"')[0]  # what is read
    for shown in (page, repr(found), repr(found.interactions("SV"))):
        assert "e-1" not in shown
    noise = make({(): 1.0, (0,): 1e-17}, ["a", "b"], r2=1.0, r2_interval=(1.0, 1.0))
    assert facts.is_constant(noise) and "nothing to attribute" in facts.fidelity(noise)


@pytest.mark.parametrize(
    ("observed", "told"),
    [
        ((None, None), ("+1.50 nats by the surrogate", "+0.500 nats by the surrogate")),
        ((1.5, 0.5), ("+1.50 nats", "+0.500 nats")),
        ((1.75, None), ("+1.75 nats, by the surrogate +1.50", "+0.500 nats by the surrogate")),
        ((1e-17, -2.0), ("0 nats, by the surrogate +1.50", "-2.00 nats, by the surrogate +0.500")),
    ],
)
def test_the_models_own_values_stand_beside_the_surrogates(make, observed, told):
    context = {"score": "log P", "score_unit": "nats"}
    found = make({(): 1.0, (0,): -0.5}, ["a"], context=context, observed=observed)
    assert facts.ends(found) == told
    assert f"everything kept: {told[0]}; nothing kept: {told[1]}" in repr(found)
    shown = {fact.name: fact.value for fact in page_data(found).facts}
    typeset = tuple(text.replace("-", "\N{MINUS SIGN}") for text in told)
    assert (shown["Everything kept"], shown["Nothing kept"]) == typeset


def test_labels_that_repeat_are_told_apart(tmp_path):
    run = spex.Run(["a"] * 12, budget=200, method="linear")
    while len(masks := run.ask()):
        run.tell(masks, masks @ np.arange(12.0))
    found = run.fit()
    assert "a#12" in repr(found) and "a#12" in repr(found.interactions())
    assert found.to_frame()["features"][0] in {(), ("a#12",)}
    assert found.plot().axes[0].get_yticklabels()[0].get_text() == "a₁₂"
    found.to_html(tmp_path / "page.html")
    assert "a\u2081\u2082: +11.0" in (tmp_path / "page.html").read_text()
    console = Console(file=io.StringIO(), width=100)
    console.print(view(found))
    assert "a#12" in console.file.getvalue()


def test_labels_that_are_alike_where_cut_are_told_apart(make):
    found = make({(0,): 1.0, (1,): 2.0}, ["x" * 80 + "a", "x" * 80 + "b"])
    assert facts.labels(found, 10) == ("xxxxxxx...#1", "xxxxxxx...#2")


def test_interactions_of_many_features_are_cut(make):
    found = make({tuple(range(2000)): 1.0, (0,): 0.5}, [f"f{i}" for i in range(2000)])
    assert "f11 + 1,988 more" in repr(found)
    page = page_data(found)
    assert "f11 + 1,988 more: " in page.rows[0] and len(page.rows[0]) < 200
    assert "f5 + 1,994 more" in page.headline.text
