"""What all plots have in common: numbers, labels that can be told apart, one axis."""

import io
import warnings
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import spex.plots
from spex.errors import ArgumentError
from spex.plots import drawing
from spex.report import facts

OF_TEXT = ["bar", "heatmap", "network", "text", "upset", "waterfall"]
CASES = [
    *((name, kind) for name in ("long_review", "odd") for kind in OF_TEXT),
    *((name, "text") for name in ("review", "documents", "numbers", "picture")),
    ("review", "network"),
    ("numbers", "waterfall"),
    ("picture", "image"),
]


def texts(ax):
    """All texts that are drawn, with their boxes in pixels."""
    figure = ax.figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    outside = set()  # matplotlib keeps labels of ticks that are out of view, and draws none
    for axis in figure.findobj(Axis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:
                outside |= {tick.label1, tick.label2}
    found = [
        text
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and text not in outside
    ]
    return [(text.get_text(), corners(text, renderer)) for text in found]


def corners(text, renderer):
    """(4, 2) corners of the box of a text, which may be turned."""
    box = text.get_window_extent(renderer)
    angle = text.get_rotation()
    if angle % 90 == 0:
        return np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])
    text.set_rotation(0)
    flat = text.get_window_extent(renderer)
    text.set_rotation(angle)
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    half = np.array([flat.width, flat.height]) / 2
    middle = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return middle + (signs * half) @ turn.T


def overlap(a, b, slack=1.5):
    """Whether two convex quadrangles share more than a thin strip (separating axes)."""
    for box in (a, b):
        for i in range(4):
            edge = box[(i + 1) % 4] - box[i]
            normal = np.array([-edge[1], edge[0]]) / (np.hypot(*edge) or 1)
            first, second = a @ normal, b @ normal
            if min(first.max(), second.max()) - max(first.min(), second.min()) < slack:
                return False
    return True


def figure_of(kind, explanation):
    return getattr(spex.plots, kind)(explanation)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_no_label_overlaps_another_or_leaves_the_figure(name, kind, request):
    explanation = request.getfixturevalue(name)
    ax = figure_of(kind, explanation)
    found = texts(ax)
    assert found
    for (a, box), (b, other) in combinations(found, 2):
        assert not overlap(box, other), (a, b)
    width, height = ax.figure.bbox.width, ax.figure.bbox.height
    for text, box in found:
        assert box[:, 0].min() >= -2 and box[:, 0].max() <= width + 2, text
        assert box[:, 1].min() >= -2 and box[:, 1].max() <= height + 2, text


@pytest.mark.parametrize("kind", [*OF_TEXT, "learning_curve"])
def test_draws_into_the_axis_given_and_into_no_other(kind, review):
    figure = Figure(figsize=(14, 7), layout="constrained")
    mine, other = figure.subplots(1, 2)
    before = len(other.get_children())
    assert getattr(spex.plots, kind)(review, ax=mine) is mine
    figure.savefig(io.BytesIO(), format="svg")
    assert len(other.get_children()) == before and not other.get_title(loc="left")
    assert mine.get_title(loc="left")


def test_an_axis_is_an_axis(review):
    with pytest.raises(ArgumentError, match="ax is a int; give an axis"):
        spex.plots.bar(review, ax=3)


def labels_of(ax):
    return [text for text, _ in texts(ax)]


@pytest.mark.parametrize("kind", ["bar", "text", "network", "upset", "waterfall"])
@pytest.mark.parametrize("index", [None, "STII", "Moebius"])
def test_values_are_those_of_the_index(kind, index, review):
    values = review.interactions(index)
    ax = getattr(spex.plots, kind)(review, index)
    shown = " ".join(labels_of(ax))
    joint = [(members, value) for members, value in values.top(3) if len(members) > 1]
    assert joint
    for _, value in joint:
        assert facts.signed(value) in shown


def test_heatmap_has_every_pair_and_single_value(review):
    ax = spex.plots.heatmap(review, "FBII", 2)
    values = review.interactions("FBII", 2)
    matrix = ax.images[0].get_array()
    names = [label.get_text() for label in ax.get_yticklabels()]
    features = [review.features.index(name) for name in names]
    for i, a in enumerate(features):
        for j, b in enumerate(features):
            key = (a,) if a == b else (min(a, b), max(a, b))
            assert matrix[i, j] == values.get(key, 0.0)


def test_waterfall_goes_from_nothing_to_everything(review):
    ax = spex.plots.waterfall(review, "FBII", 3, k=2)
    shown = " ".join(text.get_text() for text in ax.texts)
    none, everything = review.predict(np.array([[False] * 6, [True] * 6]))
    assert f"nothing kept: {facts.signed(none)}" in shown
    assert f"everything kept: {facts.signed(everything)}" in shown
    names = [label.get_text() for label in ax.get_yticklabels()]
    others = len(review.interactions("FBII", 3)) - 2
    assert names[-1] == f"{others} other interactions" and len(names) == 3
    drawn = {tuple(np.round(patch.get_xy()[:, 0], 9)) for patch in ax.patches}
    assert len(drawn) == 3


@pytest.mark.parametrize(
    ("index", "order"), [("FBII", 1), ("FBII", 2), ("FSII", 2), ("Moebius", 1), ("Moebius", 2)]
)
def test_waterfall_cut_at_a_low_order_still_ends_at_the_surrogate(index, order, review):
    ax = spex.plots.waterfall(review, index, order, k=20)
    shown = " ".join(text.get_text() for text in ax.texts)
    none, everything = review.predict(np.array([[False] * 6, [True] * 6]))
    assert f"nothing kept: {facts.signed(none)}" in shown
    assert f"everything kept: {facts.signed(everything)}" in shown
    names = [label.get_text() for label in ax.get_yticklabels()]
    values = review.interactions(index, order)
    beyond = everything - none - sum(value for members, value in values.items() if members)
    assert ("higher orders" in names) == (abs(beyond) > 1e-9)
    if index == "Moebius":
        assert names[-1] == "higher orders" and facts.signed(beyond) in shown


def test_heatmap_has_the_digits_of_the_bars(review):
    shown = [text.get_text() for text in spex.plots.heatmap(review, "FBII", 2).texts]
    pair = review.interactions("FBII", 2)[2, 3]
    assert shown.count(facts.signed(pair)) == 2


def test_numbers_stay_before_labels_that_run_right_to_left(make):
    e = make({(0, 1): 0.4, (1, 2): -0.3, (2,): 0.1}, ["שלום", "77 עברית", "$x_1$"])
    legend = [text.get_text() for text in spex.plots.network(e).get_legend().get_texts()]
    values = dict(e.interactions().items())
    hebrew = [f"\u2068{e.features[i]}\u2069" for i in (0, 1)] + ["$x_1$"]
    assert legend[0] == f"{facts.signed(values[0, 1])}  {hebrew[0]} + {hebrew[1]}"
    assert legend[1] == f"{facts.signed(values[1, 2])}  {hebrew[1]} + {hebrew[2]}"
    for kind in ("bar", "waterfall"):
        ax = getattr(spex.plots, kind)(e)
        names = [label.get_text() for label in ax.get_yticklabels()]
        assert f"{hebrew[0]} + {hebrew[1]}" in names
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ax.figure.savefig(io.BytesIO(), format="png")


def test_waterfall_refuses_values_that_do_not_add_up(review):
    for index in ("SII", "BII", "BV", "Fourier"):
        with pytest.raises(ArgumentError, match="do not add up"):
            spex.plots.waterfall(review, index)


def test_signs_are_not_by_colour_alone(review):
    ax = spex.plots.text(review, "FBII", 3)
    values = review.interactions("FBII", 3)
    lines = [patch for patch in ax.patches if not patch.get_fill()]
    joint = [value for members, value in values.items() if len(members) > 1]
    drawn = sorted(joint, key=lambda v: -abs(v))[: len(lines)]
    dashed = sorted(line.get_linestyle() not in ("-", "solid") for line in lines)
    assert dashed == sorted(value < 0 for value in drawn)
    widths = sorted(line.get_linewidth() for line in lines)
    largest = abs(values.top(1)[0][1])
    shares = sorted(abs(value) / largest for value in drawn)
    assert widths == pytest.approx([max(4.5 * share, 0.8) for share in shares])


def test_small_combinations_are_counted_where_they_are_not_drawn(make):
    explanation = make({(0, 1): 1.0, (1, 2): 1e-3, (0,): 0.1}, ["a", "b", "c"])
    ax = spex.plots.text(explanation, "Moebius")
    assert "1 smaller combination not drawn, each at most 0.00400" in ax.get_xlabel()


def test_repeated_words_are_told_apart(odd):
    for kind in ("bar", "network", "heatmap", "upset"):
        shown = " ".join(labels_of(figure_of(kind, odd)))
        for number in (1, 2):
            assert f"never{'₁₂'[number - 1]}" in shown, kind


def test_long_labels_are_cut_in_their_middle(odd):
    shown = [text for text in labels_of(figure_of("upset", odd)) if text.startswith("a long label")]
    assert shown and all("\N{HORIZONTAL ELLIPSIS}" in t and t.endswith("label") for t in shown)


@pytest.fixture
def unsure(review):
    """Errors so large that no value is told from 0."""
    return with_errors(review)


def with_errors(explanation):
    errors = np.full(len(explanation.spectrum), 5.0)
    return replace(explanation, standard_errors=errors, unexplained=1000.0)


@pytest.mark.parametrize("kind", OF_TEXT)
def test_what_is_not_told_from_0_is_marked_in_every_plot(kind, review, unsure):
    largest = facts.signed(review.interactions().top(1)[0][1])
    told = " ".join(" ".join(labels_of(figure_of(kind, unsure))).split())
    assert f"{largest} ?" in told and "?: may be 0" in told
    assert "?" not in " ".join(labels_of(figure_of(kind, review)))


def test_units_and_regions_not_told_from_0_are_marked(unsure, picture):
    single = [members for members in unsure.interactions() if len(members) == 1]
    assert labels_of(figure_of("text", unsure)).count("?") == len(single)
    shown = labels_of(figure_of("image", with_errors(picture)))
    assert "?" in shown and "1?" in shown and "?: may be 0" in " ".join(shown)


def test_sentences_are_wrapped_and_not_cut(make, context_of):
    sentence = (
        "It looks lovely on the desk, the light is warm, and my daughter was anything but sad. "
    )
    text = sentence + "Then it broke."
    context = context_of(text)
    pieces = [[sentence.strip(), 0], [" ", None], ["Then it broke.", 1]]
    context["parts"] = [{"heading": None, "segments": pieces}]
    ax = spex.plots.text(make({(0, 1): 1.0}, [sentence, "Then it broke."], context=context))
    words = [shown.get_text() for shown in ax.texts]
    assert [word for word in words if word in text.split()] == text.split()


def test_what_is_cut_ends_with_a_word():
    text = "never sent a replacement " * 40
    cut = drawing.shorten_end(text, 400)
    kept, mark = cut.split(" \N{HORIZONTAL ELLIPSIS}")
    assert len(cut) <= 400 and not mark and text.startswith(kept + " ")
    assert len(drawing.shorten_end("\N{CJK UNIFIED IDEOGRAPH-597D}" * 500, 400)) == 400
    head, tail = drawing.shorten_middle(text, 40).split("\N{HORIZONTAL ELLIPSIS}")
    assert {*head.split(), *tail.split()} <= set(text.split())


def test_picture_lists_its_combinations(picture):
    ax = figure_of("image", picture)
    values = picture.interactions()
    (pair, value), *_ = [each for each in values.top(9) if len(each[0]) > 1]
    assert f"1: {facts.signed(value)}" in ax.get_xlabel() and len(pair) == 2
    with pytest.raises(ArgumentError, match="not of a picture"):
        spex.plots.image(replace(picture, context=spex.Context()))


def test_nothing_to_draw_is_said(make):
    flat = make({(): 1.0}, ["a", "b"], r2=1.0)
    for kind in ("bar", "heatmap", "network", "upset", "waterfall"):
        shown = " ".join(labels_of(figure_of(kind, flat)))
        assert "No interactions" in shown, kind
    single = make({(0,): 1.0}, ["a", "b"])
    assert "each feature acts by itself" in " ".join(labels_of(figure_of("network", single)))


def test_learning_curve_shows_what_was_measured_and_what_is_to_be_expected(review):
    later = replace(review, n_evaluations=600, r2=0.96, forecast={1200: 0.97, 2400: 0.98})
    ax = spex.plots.learning_curve([later, review])
    (measured,) = (line for line in ax.lines if line.get_linestyle() == "-")
    (expected,) = (line for line in ax.lines if line.get_linestyle() == "--")
    assert list(measured.get_xdata()) == [300, 600]
    assert list(measured.get_ydata()) == [0.93, 0.96]
    assert list(expected.get_xdata()) == [600, 1200, 2400]
    assert list(expected.get_ydata()) == [0.96, 0.97, 0.98]
    nearly = replace(review, r2=0.9955, forecast={600: 0.9974})
    assert {"0.9955", "0.9974"} <= set(labels_of(spex.plots.learning_curve(nearly)))
    unknown = replace(review, r2=float("nan"))
    assert "unknown" in " ".join(labels_of(figure_of("learning_curve", unknown)))
    with pytest.raises(ArgumentError, match="at least one"):
        spex.plots.learning_curve([])


def test_plot_by_name(review):
    assert review.plot(kind="text").axes[0].get_title(loc="left")
    with pytest.raises(ArgumentError, match=r"kind='watrfall' is unknown \(did you mean 'waterf"):
        review.plot(kind="watrfall")
    with pytest.raises(ArgumentError, match="a learning curve takes none"):
        review.plot("SV", kind="learning_curve")


def test_every_plot_refuses_wrong_calls(review):
    for kind in OF_TEXT:
        draw = getattr(spex.plots, kind)
        for k in (0, -1, True, 1.5):
            with pytest.raises(ArgumentError, match="k="):
                draw(review, k=k)
        with pytest.raises(ArgumentError, match="index"):
            draw(review, "nonsense")
