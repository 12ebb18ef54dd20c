"""The levels of an input, and parts of it."""

import itertools

import numpy as np
import pytest

from spex import Documents, Spectrum, Table, Text
from spex.errors import ArgumentError
from spex.zooming.levels import coarser_levels
from spex.zooming.partition import Levels, refined, worth_opening


def levels_of(masker, given="auto"):
    return {
        level.name: (level.numbers.tolist(), level.labels)
        for level in coarser_levels(given, masker.n_features, masker)
    }


def test_the_levels_that_a_text_has():
    text = Text("# A\n\nOne two. Three.\n\nFour.\n\n# B\n\nFive six.")
    found = levels_of(text)
    assert list(found) == ["section", "paragraph", "sentence"]
    assert found["section"][0] == [0] * 6 + [1] * 4
    assert found["paragraph"][0] == [0, 0, 1, 1, 1, 2, 3, 3, 4, 4]
    assert found["sentence"][1][1:4] == ("One two.", "Three.", "Four.")
    assert list(levels_of(Text("One two. Three.\n\nFour five."))) == ["paragraph", "sentence"]
    assert levels_of(Text("One two three")) == {}


def test_units_end_where_those_above_end():
    # A heading without a blank line before it begins a section in the middle of a paragraph.
    found = levels_of(Text("One.\n# B\nTwo three.\n\nFour five."))
    assert found["section"][0] == [0, 1, 1, 1, 1, 1, 1]
    assert found["paragraph"][0] == [0, 1, 1, 1, 1, 2, 2]


def test_a_word_across_two_sentences_is_in_the_first():
    text = Text("I know.And you see. He left then.\n\nNext one.", unit=r"regex:\S+")
    numbers, labels = text.groups("regex:[^.]+[.]?")
    assert labels[0] == "I know."
    assert text.features[1] == "know.And"
    assert numbers[:4] == [0, 0, 1, 1]
    # A unit that holds a whole one is an error.
    with pytest.raises(ArgumentError, match=r"'a b c' lies in no unit of kind 'word'"):
        Text("a b c\nd e f", unit="line").groups("word")


def test_sentences_that_documents_were_given():
    documents = Documents([{"text": ["One. Two.", " Three."]}, "Four. Five."], unit="word")
    numbers, labels = documents.groups("sentence")
    assert (numbers, labels) == ([0, 0, 1, 2, 3], ["One. Two.", "Three.", "Four.", "Five."])


@pytest.fixture
def nested():
    rng = np.random.default_rng(0)
    fine = np.union1d([0], rng.choice(5000, 700, replace=False))
    coarse = np.union1d([0], rng.choice(fine, 12, replace=False))
    return Levels(5000, ("a", "b", "c"), (coarse, fine))


@pytest.mark.parametrize("room", [4, 9, 30, 100])
def test_opening_keeps_a_partition_within_the_room(nested, room):
    rng = np.random.default_rng(room)
    parts = [(0, 5000)]
    for _ in range(12):
        can = [i for i, (start, stop) in enumerate(parts) if stop - start > 1]
        chosen = rng.permutation(can)[:3].tolist()
        new, inside = refined(nested, parts, chosen, room)
        assert new[0][0] == 0 and new[-1][1] == 5000
        assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(new))
        for (start, stop), place in zip(new, inside, strict=True):
            assert parts[place][0] <= start < stop <= parts[place][1]
        assert len(parts) < len(new) <= len(parts) + max(room, 1)
        parts = new


def test_parts_are_whole_units_of_a_level(nested):
    for part in refined(nested, [(0, 5000)], [0], 40)[0]:
        level, count = nested.kind(part)
        edges = np.append(nested.inside((0, 5000), level), 5000)
        assert part[0] in edges and part[1] in edges
        assert count == np.sum((edges >= part[0]) & (edges < part[1]))


def test_what_is_worth_opening():
    spectrum = Spectrum.from_mapping({(): 9.0, (0, 1): 0.5, (2,): 0.02, (3,): 0.3}, 5)
    assert worth_opening(spectrum, 0.01, [True] * 5) == [0, 1, 3]
    assert worth_opening(spectrum, 0.11, [True] * 5) == [0, 1]
    assert worth_opening(spectrum, 0.0, [False, True, True, True, True]) == [1, 3]


def test_a_table_has_no_levels():
    table = Table(np.ones(3), background=np.zeros((1, 3)), groups={"both": [0, 1]})
    with pytest.raises(ArgumentError, match="has no masker that knows coarser units"):
        coarser_levels("auto", table.n_features, table)
