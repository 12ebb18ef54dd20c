"""Text: segmentation, masking operators, templates, and every error."""

import json
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spex import Text
from spex.errors import ArgumentError

UNITS = ["word", "sentence", "paragraph", r"regex:[A-Za-z]+", re.compile(r"\d|\s\w")]
OPERATORS = ["delete", "mask", "mask:_", "neutral", "neutral:a thing"]

# Arbitrary text, and text rich in what the segmenters look for.
anything = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                "Dr. Smith",
                "no",
                " ",
                "  ",
                ".",
                "! ",
                '"So?"',
                "\n",
                "\r\n",
                "\n\n",
                "\t",
                "3.5 ",
                "…",
                "J.\u2029",
                "\xa0",
            ]
        ),
        max_size=30,
    ).map("".join),
)
# With at least two units of every kind.
texts = st.tuples(st.sampled_from(["", " ", "\n\n"]), anything, anything).map(
    lambda parts: f"{parts[0]}A 1b.\n\n{parts[1]} Zc 2.{parts[2]}"
)
words = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5)
word_lists = st.lists(words, min_size=2, max_size=12)


def ones(text):
    return np.ones(text.n_features, dtype=bool)


@pytest.mark.parametrize("unit", UNITS, ids=str)
@pytest.mark.parametrize("operator", OPERATORS)
@given(text=texts)
def test_all_present_is_the_text_byte_for_byte(unit, operator, text):
    masker = Text(text, unit=unit, operator=operator)
    assert masker.mask_text(ones(masker)) == text
    assert masker.render(ones(masker)).text == text


@pytest.mark.parametrize("unit", UNITS, ids=str)
@given(text=texts)
def test_segments_concatenate_to_the_text_and_hold_every_feature_once(unit, text):
    masker = Text(text, unit=unit)
    assert "".join(piece for piece, _ in masker.segments) == text
    assert all(piece for piece, _ in masker.segments)
    of_features = [(piece, number) for piece, number in masker.segments if number is not None]
    assert of_features == [(unit, number) for number, unit in enumerate(masker.features)]


@pytest.mark.parametrize("unit", ["word", "sentence", "paragraph"])
@given(text=texts)
def test_named_units_cover_every_character_but_white_space_once(unit, text):
    masker = Text(text, unit=unit)
    pinned = "".join(piece for piece, number in masker.segments if number is None)
    assert pinned.strip() == ""
    assert all(unit == unit.strip() and unit for unit in masker.features)


@given(text=anything)
def test_words_are_those_of_split(text):
    assume(len(text.split()) > 1)
    assert list(Text(text).features) == text.split()


@given(
    kept=word_lists.flatmap(
        lambda w: st.tuples(st.just(w), st.lists(st.booleans(), min_size=len(w), max_size=len(w)))
    )
)
def test_single_spaced_words_give_the_kept_words_joined(kept):
    units, mask = kept
    expected = " ".join(word for word, present in zip(units, mask, strict=True) if present)
    assert Text(" ".join(units)).mask_text(mask) == expected


@given(data=st.data(), units=word_lists)
def test_replacing_keeps_the_white_space(data, units):
    mask = data.draw(st.lists(st.booleans(), min_size=len(units), max_size=len(units)))
    text = "  ".join(units) + "\n"
    expected = "  ".join(w if kept else "[MASK]" for w, kept in zip(units, mask, strict=True))
    assert Text(text, operator="mask").mask_text(mask) == expected + "\n"


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("delete", "a  c"),
        ("mask", "a [MASK]  c"),
        ("mask:<unk:0>", "a <unk:0>  c"),
        ("neutral", "a something  c"),
        ("neutral:two words", "a two words  c"),
    ],
)
def test_operators(operator, expected):
    # Of the white space around "b", the first is left.
    expected = expected if operator != "delete" else "a c"
    assert Text("a b  c", operator=operator).mask_text([1, 0, 1]) == expected


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([1, 1, 1], "  one  two\nthree \n"),
        ([1, 0, 1], "  one\nthree \n"),
        ([1, 1, 0], "  one  two\n"),
        ([0, 1, 1], "  two\nthree \n"),
        ([0, 1, 0], "  two\n"),
        ([0, 0, 1], "three \n"),
        ([0, 0, 0], "   \n"),
    ],
)
def test_white_space_of_deleted_words(mask, expected):
    assert Text("  one  two\nthree \n").mask_text(mask) == expected


def test_sentences():
    text = 'Dr. Smith paid $3.50 at 5 p.m. on Friday.  Really? He said "Stop!" and left.\n\nThe end'
    assert Text(text, unit="sentence").features == (
        "Dr. Smith paid $3.50 at 5 p.m. on Friday.",
        "Really?",
        'He said "Stop!" and left.',
        "The end",
    )


def test_paragraphs():
    text = "\n\na\nb \r\n \t\r\nc\n\n\nd\n"
    masker = Text(text, unit="paragraph")
    assert masker.features == ("a\nb", "c", "d")
    assert masker.mask_text([1, 0, 1]) == "\n\na\nb \r\n \t\r\nd\n"


@pytest.mark.parametrize("unit", [r"regex:\[\d\] [a-z ]+", re.compile(r"\[\d\] [a-z ]+")])
def test_regular_expression_pins_the_text_outside_its_matches(unit):
    masker = Text("See: [1] the cat; [2] a dog!  So?", unit=unit)
    assert masker.features == ("[1] the cat", "[2] a dog")
    assert masker.segments == (
        ("See:", None),
        (" ", None),
        ("[1] the cat", 0),
        (";", None),
        (" ", None),
        ("[2] a dog", 1),
        ("!  So?", None),
    )
    assert masker.mask_text([1, 0]) == "See: [1] the cat; !  So?"
    assert masker.mask_text([0, 0]) == "See: ; !  So?"


def test_a_pinned_end_takes_the_white_space_that_ends_the_text():
    masker = Text("a b: c d\n", unit="regex:[abd]")
    assert masker.mask_text([1, 1, 1]) == "a b: c d\n"
    assert masker.mask_text([1, 1, 0]) == "a b: c\n"
    assert masker.mask_text([0, 0, 0]) == ": c\n"


def test_empty_matches_of_a_regular_expression_are_ignored():
    assert Text("aab ba", unit="regex:a*").features == ("aa", "a")


def test_template_is_replaced_not_formatted():
    masker = Text("{0} {input} {{x}}", prompt='{"q": {input}, "n": {n}}', system="Be {brief}.")
    prompt = masker.render([1, 1, 0])
    assert prompt.text == '{"q": {0} {input}, "n": {n}}'
    assert [(m.role, m.content) for m in prompt.messages] == [
        ("system", "Be {brief}."),
        ("user", '{"q": {0} {input}, "n": {n}}'),
    ]
    assert [m.role for m in Text("a b").render([1, 1]).messages] == ["user"]


def test_description_is_json_and_determines_the_masker():
    def described(text="Go on. Go by.", **options):
        return json.dumps(Text(text, **options).describe(), sort_keys=True)

    assert json.loads(described()) == {
        "type": "text",
        "text": "Go on. Go by.",
        "unit": "word",
        "operator": "delete",
        "prompt": "{input}",
        "system": None,
        "spans": [[0, 2], [3, 6], [7, 9], [10, 13]],
    }
    assert described() == described(prompt="{input}")
    assert described(operator="mask") == described(operator="mask:[MASK]")
    assert described(unit="regex:[gob]") == described(unit=re.compile("[gob]"))
    different = [
        described(),
        described("Go on. Go up."),
        described(unit="sentence"),
        described(operator="mask"),
        described(operator="neutral:[MASK]"),
        described(prompt="{input}?"),
        described(system=""),
        described(unit="regex:[gob]"),
        described(unit=re.compile("[gob]", re.IGNORECASE)),
    ]
    assert len(set(different)) == len(different)


def test_equal_arguments_make_equal_maskers():
    assert Text("a b") == Text("a b")
    assert hash(Text("a b")) == hash(Text("a b"))
    assert (
        repr(Text("a b"))
        == "Text(text='a b', unit='word', operator='delete', prompt=None, system=None)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "text is empty"),
        ({"text": " \n\t"}, "text is empty"),
        ({"text": None}, "text must be a str, not NoneType"),
        ({"text": b"a b"}, "text must be a str, not bytes"),
        ({"text": "a \ud800"}, "surrogate"),
        (
            {"text": "one"},
            "has only one unit of kind 'word'; nothing to attribute; give a longer text",
        ),
        (
            {"text": "One sentence.", "unit": "sentence"},
            "unit of kind 'sentence'; nothing to attribute; use a finer unit such as 'word'",
        ),
        ({"text": "a\nb", "unit": "paragraph"}, "only one unit of kind 'paragraph'"),
        ({"text": "a b", "unit": "regex:a"}, "only one unit of kind 'regex:a'"),
        ({"text": "a b", "unit": "regex:x"}, "'x' matches nothing in the text 'a b'"),
        ({"text": "a b", "unit": "regex:"}, "'' matches nothing"),
        ({"text": "a b", "unit": "regex:("}, r"'\(' is not a regular expression"),
        ({"text": "a b", "unit": re.compile(b"a")}, "bytes"),
        (
            {"text": "a b", "unit": "words"},
            r"unit='words' is unknown \(did you mean 'word'\?\); use 'word', 'sentence'",
        ),
        ({"text": "a b", "unit": 3}, "unit=3 is unknown"),
        (
            {"text": "a b", "operator": "remove"},
            "operator='remove' is unknown; use 'delete', 'mask'",
        ),
        ({"text": "a b", "operator": "delete:x"}, "is unknown"),
        ({"text": "a b", "operator": None}, "is unknown"),
        ({"text": "a b", "operator": "mask:"}, "names no text"),
        ({"text": "a b", "prompt": "Review:"}, "holds {input} 0 times"),
        ({"text": "a b", "prompt": "{input} {input}"}, "holds {input} 2 times"),
        ({"text": "a b", "prompt": 1}, "prompt must be a str or None, not int"),
        ({"text": "a b", "system": 1}, "system must be a str or None, not int"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Text(**arguments)


@pytest.mark.parametrize(
    "mask",
    [[1, 0], [1, 0, 1, 1], [[1, 0, 1]], 1, [1, 2, 0], [1, 0.5, 0], ["a", "b", "c"], [1, None, 0]],
)
def test_wrong_masks(mask):
    with pytest.raises(ArgumentError, match="mask"):
        Text("a b c").render(mask)


def test_a_failure_of_the_sentence_splitter_is_explained(monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(language, text):
        raise PanicException("byte index 5")

    monkeypatch.setattr("sentencex.segment", panic)
    with pytest.raises(ArgumentError, match=r"into sentences \(byte index 5\); use unit="):
        Text("One. Two.", unit="sentence")


def test_sentences_that_do_not_join_to_the_text_still_cover_it(monkeypatch):
    monkeypatch.setattr("sentencex.segment", lambda language, text: ["b c.", "lost", "d"])
    assert Text("a b c. d e", unit="sentence").features == ("a", "b c.", "d e")
