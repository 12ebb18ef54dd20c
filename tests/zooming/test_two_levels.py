"""zoom: coarse units first, then finer ones inside those that matter."""

import json
from collections import Counter

import numpy as np
import pytest

import spex
from spex import Documents, LogProb, Messages, Text, ValueFunction
from spex.errors import ArgumentError
from spex.models import TableModel

# Paragraph 2 decides: its sentences "Not bad." and "At all." act together.
PARAGRAPHS = [f"Filler {i}. More of it {i}." for i in range(8)]
PARAGRAPHS[2] = "Not bad. It ran. At all."
TEXT = "\n\n".join(PARAGRAPHS)


def log_prob(prompt, answer):
    return -5 + 2.0 * ("Not bad." in prompt and "At all." in prompt) + 0.1 * ("Filler 5" in prompt)


def value(text=TEXT):
    return ValueFunction(Text(text, unit="sentence"), TableModel(log_prob), LogProb("yes"))


def test_both_levels():
    found = spex.zoom(value(), "paragraph", budget=600)
    assert found.chosen == (2,)
    assert found.coarse.features == tuple(PARAGRAPHS)
    assert found.coarse.n_evaluations == 256
    assert found.coarse.r2 == 1.0
    assert found.coarse.interactions("BV").top(1) == [((2,), pytest.approx(2.0))]
    assert found.fine.features == ("Not bad.", "It ran.", "At all.")
    assert found.fine.interactions("Moebius")[0, 2] == pytest.approx(2.0)
    assert "Overview: " in repr(found) and "Close up: " in repr(found)


def test_coarse_units_are_the_maskers_own():
    whole, coarse = value(), ValueFunction(Text(TEXT, unit="paragraph"), TableModel(log_prob))
    found = spex.zoom(whole, "paragraph", budget=512)
    masks = np.random.default_rng(0).random((20, 8)) < 0.5
    numbers, _ = whole.masker.groups("paragraph")
    for mask in masks:
        assert whole.render(mask[numbers]) == coarse.render(mask)
    np.testing.assert_allclose(found.coarse.predict(masks), coarse(masks))


@pytest.mark.parametrize("rest", ["present", "absent"])
def test_the_rest_is_held_fixed(rest):
    found = spex.zoom(value(), "paragraph", budget=600, top=2, rest=rest)
    assert found.chosen == (2, 5)
    whole = value()
    inside = [whole.features.index(label) for label in found.fine.features]
    masks = np.random.default_rng(1).random((10, len(inside))) < 0.5
    wide = np.full((10, whole.n_features), rest == "present")
    wide[:, inside] = masks
    np.testing.assert_allclose(found.fine.predict(masks), whole(wide))


def test_reports_show_the_whole_input_on_both_levels(tmp_path):
    found = spex.zoom(value(), "paragraph", budget=600)
    for explanation in (found.coarse, found.fine):
        (part,) = explanation.context["parts"]
        assert "".join(piece for piece, _ in part.pieces) == TEXT
    pinned = [piece for piece, number in part.pieces if number is None]
    assert "Filler 5." in pinned
    found.to_html(tmp_path / "z.html")
    page = (tmp_path / "z.html").read_text()
    assert "Overview" in page and "Close up" in page


def test_documents_and_messages():
    model = TableModel(log_prob)
    documents = [(f"T{i}", text) for i, text in enumerate(PARAGRAPHS)]
    found = spex.zoom(
        ValueFunction(Documents(documents, unit="sentence"), model, LogProb("yes")), "document", 600
    )
    assert (found.coarse.features[2], found.chosen) == ("T2", (2,))
    # This model reads the last message alone.
    chat = [{"role": "user", "content": text} for text in [*PARAGRAPHS[:2], PARAGRAPHS[2]]]
    chat = [{"role": "system", "content": "Hi."}, *chat]
    found = spex.zoom(
        ValueFunction(Messages(chat, unit="sentence"), model, LogProb("yes")), "message", 600
    )
    assert found.chosen == (2,)  # the pinned message is no coarse unit
    assert found.coarse.features[2] == f"user: {PARAGRAPHS[2]}"


def test_plain_functions_with_groups():
    class Sum:
        features = tuple("abcdef")

        def __call__(self, masks):
            return masks[:, 1] * 3.0 + masks[:, 0]

    found = spex.zoom(Sum(), [0, 0, 1, 1, 2, 2], budget=40)
    assert found.coarse.features == ("group 0", "group 1", "group 2")
    assert found.fine.features == ("a", "b")
    assert found.fine.interactions("BV")[1,] == pytest.approx(3)


def test_stores_keep_both_levels(tmp_path):
    function = value()
    spex.zoom(function, "paragraph", budget=600, store=tmp_path / "s.sqlite")
    calls = function.model.n_scored
    spex.zoom(function, "paragraph", budget=600, store=tmp_path / "s.sqlite")
    assert function.model.n_scored == calls
    assert json.dumps(function.contexts()[0].to_json())


class Counted:
    """A function of five features, the first three in one group, that counts its calls by mask."""

    features = tuple("abcde")

    def __init__(self, **attributes):
        self.calls = Counter()
        vars(self).update(attributes)

    def __call__(self, masks):
        self.calls.update(mask.tobytes() for mask in masks)
        return 3.0 * masks[:, 0] * masks[:, 1] - masks[:, 3]


@pytest.mark.parametrize("rest", ["present", "absent"])
def test_no_mask_is_evaluated_twice(tmp_path, rest):
    groups = [0, 0, 0, 1, 2]
    alone = Counted()
    found = spex.zoom(alone, groups, budget=40, top=1, rest=rest)
    # All 8 coarse masks and all 8 fine ones; both levels have two in common.
    assert (found.coarse.n_evaluations, found.fine.n_evaluations) == (8, 8)
    assert sum(alone.calls.values()) == len(alone.calls) == 14
    kept = Counted(identity="counted v1")
    spex.explain(kept, budget=32, store=tmp_path / "s.sqlite")
    again = spex.zoom(kept, groups, budget=40, top=1, rest=rest, store=tmp_path / "s.sqlite")
    assert sum(kept.calls.values()) == 32
    assert dict(again.fine.spectrum.items()) == dict(found.fine.spectrum.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": "word"}, "'Filler 0.' lies in no unit of kind 'word'; use a coarser one"),
        ({"groups": "document"}, "unit='document' is unknown"),
        ({"groups": [0, 1]}, r"groups has shape \(2,\)"),
        ({"groups": [0.5] * 17}, "and type float64; give a whole number"),
        ({"groups": [-1] * 17}, "groups holds a negative number"),
        ({"groups": [3] * 17}, "there is one coarse unit"),
        ({"groups": range(17), "top": 1, "method": "linear"}, "has one unit; raise top"),
        ({"top": 0}, "top=0; there are 8 coarse units: give 1 to 8"),
        ({"top": 9}, "top=9"),
        ({"rest": "gone"}, "rest='gone' is unknown; use 'present' or 'absent'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        spex.zoom(**({"f": value(), "groups": "paragraph", "budget": 600} | arguments))


def test_functions_without_features():
    with pytest.raises(ArgumentError, match="f has no features"):
        spex.zoom(lambda masks: masks.sum(axis=1), [0, 1])
    with pytest.raises(ArgumentError, match="unit='sentence'; the coarser unit of documents"):
        Documents(["a", "b"]).groups("sentence")


@pytest.mark.parametrize(
    ("calls", "kind"), [(30, "Explanation"), (64, "Explanation"), (90, "Zoom")]
)
def test_a_limit_of_both_levels(calls, kind):
    class Sum:
        features = tuple(f"u{i}" for i in range(60))
        n_calls = 0

        def __call__(self, masks):
            self.n_calls += len(masks)
            return 1.0 * masks[:, 9] * masks[:, 50]

    f = Sum()
    found = spex.zoom(f, np.arange(60) // 10, 300, method="linear", limits=spex.Limits(calls=calls))
    one = found.fine if kind == "Zoom" else found
    assert (type(found).__name__, f.n_calls) == (kind, calls)
    assert one.stopped == f"the limit of {calls} calls is reached" and "Partial" in one.notes[0]
