"""Prompt templates: parts left out, the item in its place, and clear errors."""

import itertools

import pytest

import spex

PARTS = ["You are kind.", {"text": "Example: a", "name": "first example"},
         {"text": "Be brief.", "pinned": True}, "Review: {input}"]  # fmt: skip


def test_every_mask_gives_the_parts_that_are_kept():
    template = spex.PromptTemplate(PARTS).with_item("It holds {input} and {parts}.")
    assert template.features == ("You are kind.", "first example")
    for mask in itertools.product([False, True], repeat=2):
        lines = [text for text, kept in zip(["You are kind.", "Example: a"], mask) if kept]  # noqa: B905
        lines += ["Be brief.", "Review: It holds {input} and {parts}."]
        assert template.render(mask).text == "\n".join(lines)


def test_the_prompt_may_hold_the_place_of_the_item():
    template = spex.PromptTemplate(["A", "B"], "Do this:\n{parts}\n\n{input} =>", "Be good.")
    prompt = template.with_item("x").render([True, False])
    assert prompt.text == "Do this:\nA\n\nx =>"
    assert prompt.messages[0].content == "Be good."
    assert template.text.endswith("{input} =>")  # no item yet


def test_reports_show_the_parts():
    pieces = [part.pieces for part in spex.PromptTemplate(PARTS).parts]
    assert [number for ((_, number),) in pieces] == [0, 1, None, None]


def test_the_description_changes_with_all_that_matters():
    templates = [
        spex.PromptTemplate(["A", "B", "{input}"]),
        spex.PromptTemplate(["A", "B ", "{input}"]),
        spex.PromptTemplate(["A", "B", "{input}"], system="s"),
        spex.PromptTemplate(["A", "B"], "{parts}\n{input}"),
        spex.PromptTemplate(["A", "B", "{input}"]).with_item("x"),
        spex.PromptTemplate(["A", "B", {"text": "C", "pinned": True}, "{input}"]),
        spex.PromptTemplate(["A", "B", "C", "{input}"]),
    ]
    described = [repr(one.describe()) for one in templates]
    assert len(set(described)) == len(described)
    named = spex.PromptTemplate(["A", {"text": "B", "name": "second"}, "{input}"])
    assert named.describe() == templates[0].describe()  # a name changes no prompt


@pytest.mark.parametrize(
    ("parts", "prompt", "message"),
    [
        ("text", None, "parts is a str"),
        (["A", "B"], None, "hold {input} 0 times"),
        (["A", "B {input}", "C {input}"], None, "hold {input} 2 times"),
        (["A", "B", "{input}"], "{parts} {input}", "hold {input} 2 times"),
        (["A", "B"], "only {input}", "write {parts} in it exactly once"),
        (["A", "{input}"], None, "1 of 2 parts can be left out"),
        (["A", 3, "{input}"], None, "part 1 is a int"),
        (["A", " ", "{input}"], None, "part 1 has no text"),
        (["A", {"name": "x"}, "{input}"], None, "part 1 has no text"),
        (["A", {"text": "B", "pin": True}], None, "part 1 has the unknown key 'pin'"),
        (["A", {"text": "B", "pinned": "yes"}], None, "pinned='yes' is neither"),
        (["A", {"text": "B", "name": 5}], None, "its name 5 is no text"),
        (["A", "\ud800", "{input}"], None, "half of a surrogate pair"),
    ],
)
def test_wrong_templates_are_refused(parts, prompt, message):
    with pytest.raises(spex.ArgumentError, match=message.replace("{", "\\{").replace("}", "\\}")):
        spex.PromptTemplate(parts, prompt)
