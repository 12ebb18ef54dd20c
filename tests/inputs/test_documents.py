"""Documents: layout, titles, units, the question, and every error."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex import Documents, LogProb, Text, ValueFunction
from spex.errors import ArgumentError
from spex.models import TableModel

DOCUMENTS = [
    ("Paris", "Paris is in France. It is large."),
    {"text": "No title here. None at all."},
    {"title": "Rome", "text": ["Rome is old.", "  Very old.\n"]},
]
WHOLE = (
    "Paris\nParis is in France. It is large.\n\nNo title here. None at all.\n\n"
    "Rome\nRome is old.  Very old.\n"
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
titles = st.none() | st.text(st.sampled_from("ab .é"), min_size=1, max_size=5).filter(str.strip)


def ones(masker):
    return np.ones(masker.n_features, dtype=bool)


@pytest.mark.parametrize("pin_titles", [False, True])
@pytest.mark.parametrize("unit", ["document", "sentence", "word", "line", re.compile("[a-z]")])
@pytest.mark.parametrize("operator", ["delete", "mask"])
@given(documents=st.lists(st.tuples(titles, texts), max_size=4))
def test_all_present_is_every_document_byte_for_byte(pin_titles, unit, operator, documents):
    documents = [*documents, ("A title", "a b. C d.\n\ne"), (None, "x. Y.\nz")]
    masker = Documents(
        [{"title": title, "text": text} for title, text in documents],
        unit=unit,
        operator=operator,
        pin_titles=pin_titles,
    )
    expected = "\n\n".join(
        text if title is None else f"{title}\n{text}" for title, text in documents
    )
    assert masker.mask_text(ones(masker)) == expected
    assert masker.render(ones(masker)).text == expected
    for (title, text), part in zip(documents, masker.parts, strict=True):
        assert part.heading == title
        assert "".join(piece for piece, _ in part.pieces) == text
    shown = [number for part in masker.parts for _, number in part.pieces if number is not None]
    assert sorted(set(shown)) == list(range(masker.n_features))


def test_documents_are_left_out_with_their_titles():
    masker = Documents(DOCUMENTS)
    assert masker.features == ("Paris", "No title here. None at all.", "Rome")
    assert masker.mask_text([1, 1, 1]) == WHOLE
    assert masker.mask_text([1, 0, 0]) == "Paris\nParis is in France. It is large."
    assert masker.mask_text([0, 1, 1]) == WHOLE.partition("\n\n")[2]
    assert masker.mask_text([0, 0, 0]) == ""


def test_pinned_titles_stay():
    masker = Documents(DOCUMENTS, pin_titles=True)
    assert masker.mask_text([0, 1, 0]) == "Paris\n\nNo title here. None at all.\n\nRome"


@pytest.mark.parametrize(
    ("pin_titles", "expected"),
    [(False, "[MASK]\n\nRome\nRome is old.  Very old.\n"), (True, "Paris\n[MASK]\n\nRome\n")],
)
def test_replaced_documents(pin_titles, expected):
    masker = Documents([DOCUMENTS[0], DOCUMENTS[2]], operator="mask", pin_titles=pin_titles)
    assert masker.mask_text([0, 1]).startswith(expected)


def test_sentences_of_documents():
    masker = Documents(DOCUMENTS, unit="sentence")
    assert masker.features == (
        "Paris is in France.", "It is large.", "No title here.", "None at all.",
        "Rome is old.", "Very old.",
    )  # fmt: skip
    assert masker.mask_text([1, 0, 0, 0, 0, 1]) == "Paris\nParis is in France.\n\nRome\nVery old.\n"
    assert masker.mask_text([0, 0, 1, 0, 0, 0]) == "No title here."
    pinned = Documents(DOCUMENTS, unit="sentence", pin_titles=True)
    assert pinned.mask_text([0, 0, 1, 0, 0, 0]) == "Paris\n\nNo title here.\n\nRome"


def test_given_sentences_are_taken_as_they_are():
    sentences = ["Mr. A. B. met C", " vs. D. Then", "", " left. "]
    masker = Documents([("T", sentences), "Other."], unit="sentence")
    assert masker.features == ("Mr. A. B. met C", "vs. D. Then", "left.", "Other.")
    assert masker.render(ones(masker)).text == "T\n" + "".join(sentences) + "\n\nOther."


def test_question_and_template_are_pinned():
    masker = Documents(["a", "b"], question="Who? {input}", system="Be brief.")
    assert [(m.role, m.content) for m in masker.render([0, 1]).messages] == [
        ("system", "Be brief."),
        ("user", "b\n\nQuestion: Who? {input}"),
    ]
    masker = Documents(["a", "b"], question="Who?", prompt="{question}\n{input}\n{x} {question}")
    assert masker.render([1, 0]).text == "Who?\na\n{x} Who?"
    assert masker.apply([[1, 0], [0, 0]]) == ["Who?\na\n{x} Who?", "Who?\n\n{x} Who?"]


def test_one_document_in_sentences_is_a_text():
    text = "One. Two.\n\nThree."
    masker = Documents([text], unit="sentence")
    for mask in ([1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1]):
        assert masker.mask_text(mask) == Text(text, unit="sentence").mask_text(mask)


def test_values():
    model = TableModel(lambda prompt, answer: -float(len(prompt)))
    value = ValueFunction(Documents(["aa", ("T", "b")]), model, LogProb("yes"))
    assert value([[1, 1], [1, 0], [0, 1], [0, 0]]).tolist() == [-7, -2, -3, 0]
    described = json.loads(json.dumps(value.contexts()[0].to_json()))
    assert described["unit"] == "document"
    assert described["parts"] == [
        {"heading": None, "segments": [["aa", 0]]},
        {"heading": "T", "segments": [["b", 1]]},
    ]


def test_identity_is_content():
    def described(documents=DOCUMENTS, **options):
        return json.dumps(Documents(documents, **options).describe(), sort_keys=True)

    assert described() == described([{"title": "Paris", "text": DOCUMENTS[0][1]}, *DOCUMENTS[1:]])
    assert described(question="Q") == described(prompt="{input}\n\nQuestion: Q")
    different = [
        described(),
        described(DOCUMENTS[::-1]),
        described(unit="sentence"),
        described(operator="mask"),
        described(pin_titles=True),
        described(question="Q"),
        described(system="S"),
        described([("Paris ", DOCUMENTS[0][1]), *DOCUMENTS[1:]]),
    ]
    assert len(set(different)) == len(different)
    assert Documents(DOCUMENTS) == Documents(DOCUMENTS)
    assert hash(Documents(DOCUMENTS)) == hash(Documents(DOCUMENTS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"documents": "a b"}, "documents is a str; give a list"),
        ({"documents": {"text": "a"}}, "documents is a dict; give a list"),
        ({"documents": 3}, "documents is a int"),
        ({"documents": []}, "documents is empty"),
        ({"documents": ["a"]}, "have one unit of kind 'document'; .* use unit='sentence'"),
        ({"documents": ["a."], "unit": "sentence"}, "have one unit of kind 'sentence'"),
        ({"documents": ["a", " "]}, "document 1 is empty; leave it out"),
        ({"documents": ["a", 3]}, "document 1 has a int as its text"),
        ({"documents": ["a", b"b"]}, "document 1 has a bytes as its text"),
        ({"documents": ["a", ("b",)]}, r"document 1 is a sequence of 1; give \(title, text\)"),
        ({"documents": ["a", {"title": "b"}]}, "document 1 has no key 'text'"),
        ({"documents": ["a", {"text": "b", "id": 3}]}, "unknown key 'id'; use 'title' and 'text'"),
        ({"documents": ["a", ("t\nu", "b")]}, "document 1: its title .* is not one line"),
        ({"documents": ["a", (" ", "b")]}, "document 1: its title ' ' is not one line"),
        ({"documents": ["a", (3, "b")]}, "its title 3 is not one line"),
        ({"documents": ["a", ("t", [])]}, "its sentences are not a list of texts"),
        ({"documents": ["a", ("t", ["b", 3])]}, "its sentences are not a list of texts"),
        ({"documents": ["a", "\ud800"]}, "document 1 holds half of a surrogate pair"),
        ({"documents": ["a", ("\ud800", "b")]}, "the title of document 1 holds half"),
        ({"unit": "passage"}, "unit='passage' is unknown; use 'document', 'word'"),
        ({"operator": "drop"}, "operator='drop' is unknown"),
        ({"prompt": "no slot"}, "holds {input} 0 times"),
        ({"prompt": "{input} {question}"}, "but no question is given"),
        ({"question": "Q", "prompt": "{input}"}, "prompt has no {question}"),
        ({"question": " "}, "question=' '"),
        ({"question": 3}, "question=3"),
        ({"system": 3}, "system must be a str or None"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Documents(**({"documents": ["a", "b"]} | arguments))


@pytest.mark.parametrize("mask", [[1], [1, 0, 1], [2, 0], [[1, 0]]])
def test_wrong_masks(mask):
    with pytest.raises(ArgumentError, match="mask"):
        Documents(["a", "b"]).render(mask)
