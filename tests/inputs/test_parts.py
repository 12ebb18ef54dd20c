"""Parts of an input: to JSON and back, and nothing else is believed."""

import json

import pytest

from spex.inputs.parts import ImagePart, TextPart, parts_from_json

TEXT = TextPart((("a", 0), (" ", None), ("b", 1)), "Title")
IMAGE = ImagePart("data:image/png;base64,AAAA", 4, 2, ((0, "M0,0L4,0L4,2Z"),), ((0, 0),))


def to_json(*parts):
    return json.loads(json.dumps([part.to_json() for part in parts]))


def test_round_trip():
    parts = (TEXT, IMAGE.renumbered([2]))
    assert parts_from_json(to_json(*parts), 3) == parts


def test_renumbered_features():
    assert TEXT.renumbered([5, None]).pieces == (("a", 5), (" ", None), ("b", None))
    moved = IMAGE.renumbered([5])
    assert (moved.outlines[0][0], moved.cells) == (5, ((5, 5),))
    gone = IMAGE.renumbered([None])
    assert (gone.outlines, gone.cells) == ((), ((None, None),))
    assert gone.renumbered([]) == gone


@pytest.mark.parametrize("content", [None, "text", [], [3], [{}], to_json(TEXT) * 0])
def test_what_is_no_list_of_parts_is_none(content):
    assert parts_from_json(content, 2) is None


def test_every_feature_must_be_shown():
    assert parts_from_json(to_json(TEXT), 3) is None


@pytest.mark.parametrize(
    "change",
    [
        {"picture": "https://example.org/a.png"},
        {"picture": 'data:image/png;base64,AA" onload="alert(1)'},
        {"picture": "data:image/svg+xml;base64,AAAA"},
        {"outlines": [[0, 'M0,0"/>']]},
        {"outlines": [[1, "M0,0Z"]]},
        {"outlines": [["0", "M0,0Z"]]},
        {"width": -1},
        {"width": "4"},
        {"cells": [[7]]},
        {"heading": 3},
    ],
)
def test_a_picture_from_a_file_is_not_believed(change):
    content = to_json(IMAGE)
    content[0].update(change)
    assert parts_from_json(content, 1) is None
