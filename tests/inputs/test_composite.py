"""Composite: several maskers as one."""

import json
from importlib import import_module

import numpy as np
import pytest

from spex import Documents, LogProb, Messages, PredictFunction, Text, ValueFunction
from spex.errors import ArgumentError
from spex.inputs.composite import Composite
from spex.inputs.image import Image
from spex.inputs.table import Table
from spex.models import TableModel

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def both(**options):
    return Composite(Image(PIXELS, "grid:2x1"), Text("What is this", **options))


def test_features_and_prompts_stand_side_by_side():
    import_module("PIL")
    masker = both(system="Be brief.")
    assert masker.features == ("row 1, column 1", "row 1, column 2", "What", "is", "this")
    prompt = masker.render([1, 0, 1, 0, 1])
    assert prompt.text == "What this"
    assert prompt.messages[0].content == "Be brief."
    assert prompt.messages[1].images == masker.maskers[0].render([1, 0]).messages[0].images
    whole = masker.render([1] * 5)
    assert (whole.text, whole.messages[1].images) == (
        "What is this",
        masker.maskers[0].render([1, 1]).messages[0].images,
    )


def test_parts_number_the_features_on():
    import_module("skimage")
    picture, text = both().parts
    assert [number for number, _ in picture.outlines] == [0, 1]
    assert [piece for piece in text.pieces if piece[1] is not None] == [
        ("What", 2), ("is", 3), ("this", 4),
    ]  # fmt: skip


def test_functions_get_one_argument_for_each():
    seen = {}

    def predict(pixels, texts):
        seen.update(pixels=pixels, texts=texts)
        return [len(text) + image.max() / 1000 for image, text in zip(pixels, texts, strict=True)]

    value = PredictFunction(both(), predict)
    assert value([[1, 1, 1, 1, 0], [1, 1, 0, 1, 0]]).tolist() == [7.071, 2.071]
    assert seen["pixels"].shape == (2, 4, 6, 3)
    assert seen["texts"] == ["What is", "is"]


def test_texts_alone():
    masker = Composite(Documents(["a", "b"], question="Who?"), Text("one two", unit="token"))
    model = TableModel(lambda prompt, answer: -float(len(prompt)))
    value = ValueFunction(masker, model, LogProb("yes"))
    assert value.features == ("a", "b", "one", "two")
    assert value.render([1, 0, 0, 1]) == "a\n\nQuestion: Who?\n\ntwo"
    assert value.contexts()[0].unit == "document and token"
    assert json.loads(json.dumps(value.contexts()[0].to_json()))
    other = Composite(Documents(["a", "b"], question="Who?"), Text("one three"))
    assert value.identity != ValueFunction(other, model, LogProb("yes")).identity


@pytest.mark.parametrize(
    ("maskers", "message"),
    [
        ([], "0 maskers; give at least two"),
        ([Text("a b")], "1 maskers; give at least two"),
        ([Text("a b"), "c d"], "a str is no masker"),
        ([Text("a b"), Table([1, 2], [[0, 0], [1, 1]])], "give it one background row"),
    ],
)
def test_wrong_maskers(maskers, message):
    with pytest.raises(ArgumentError, match=message):
        Composite(*maskers)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Table([1, 2], [[0, 0]]), "a Table gives no prompts"),
        (
            Messages([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]),
            "a chat of several turns",
        ),
        (Text("c d", system="No."), "several maskers have system messages"),
    ],
)
def test_what_makes_no_prompt(other, message):
    with pytest.raises(ArgumentError, match=message):
        Composite(Text("a b", system="Yes."), other).render([1, 1, 1, 1])


def test_wrong_masks():
    with pytest.raises(ArgumentError, match="mask"):
        both().render([1, 0])
