"""Messages: roles, pinned turns, units, and every error."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex import LogProb, Messages, ValueFunction
from spex.errors import ArgumentError
from spex.models import Message, TableModel

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi there.  I am Ann."},
    {"role": "assistant", "content": "Hello Ann!"},
    {"role": "user", "content": "What is my name?\n"},
]

contents = st.text(st.characters(exclude_categories=["Cs"]))
chats = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), contents), max_size=5)


def ones(masker):
    return np.ones(masker.n_features, dtype=bool)


def turns(prompt):
    return [(message.role, message.content) for message in prompt.messages]


@pytest.mark.parametrize("unit", ["message", "sentence", "word", "paragraph", "regex:[a-z]"])
@pytest.mark.parametrize("operator", ["delete", "mask"])
@given(chat=chats)
def test_all_present_is_every_message_byte_for_byte(unit, operator, chat):
    chat = [*chat, ("user", "a. b.\n\nC d."), ("assistant", " e f "), ("user", "g. H\n")]
    masker = Messages(
        [{"role": role, "content": content} for role, content in chat],
        unit=unit,
        operator=operator,
        pinned=[],
    )
    assert turns(masker.render(ones(masker))) == chat
    for (role, content), part in zip(chat, masker.parts, strict=True):
        assert part.heading == role
        assert "".join(piece for piece, _ in part.pieces) == content


@given(chat=chats, data=st.data())
def test_roles_and_pinned_turns_never_change(chat, data):
    chat = [*chat, ("user", "a b"), ("user", "c d")]
    masker = Messages([{"role": role, "content": content} for role, content in chat], unit="word")
    mask = data.draw(
        st.lists(st.booleans(), min_size=masker.n_features, max_size=masker.n_features)
    )
    masked = turns(masker.render(mask))
    assert [role for role, _ in masked] == [role for role, _ in chat]
    for before, after in zip(chat, masked, strict=True):
        assert after == before if before[0] == "system" else len(after[1]) <= len(before[1])


def test_turns():
    masker = Messages(CHAT)
    assert masker.features == (
        "user: Hi there.  I am Ann.", "assistant: Hello Ann!", "user: What is my name?",
    )  # fmt: skip
    assert turns(masker.render([0, 1, 1])) == [
        ("system", "Be brief."), ("user", ""), ("assistant", "Hello Ann!"),
        ("user", "What is my name?\n"),
    ]  # fmt: skip
    assert [content for _, content in turns(masker.render([0, 0, 0]))] == [
        "Be brief.",
        "",
        "",
        "\n",
    ]


def test_words_and_sentences_inside_turns():
    masker = Messages(CHAT, unit="sentence", operator="mask:_")
    assert masker.features == ("Hi there.", "I am Ann.", "Hello Ann!", "What is my name?")
    assert masker.render([0, 1, 1, 0]).messages[1].content == "_  I am Ann."
    assert masker.render([0, 1, 1, 0]).text == "_\n"
    assert Messages(CHAT, unit="word").n_features == 11


@pytest.mark.parametrize(
    ("pinned", "features"),
    [
        ([], ("system: Be brief.", "user: Hi", "user: What")),
        (["system", "user"], None),
        (["system", -1], ("user: Hi", "assistant: Hello")),
        ([0, 2], ("user: Hi", "user: What")),
        (["assistant"], ("system: Be brief.", "user: Hi", "user: What")),
    ],
)
def test_pinned(pinned, features):
    if features is None:
        with pytest.raises(ArgumentError, match=r"have one unit of kind 'message'.* pin fewer"):
            Messages(CHAT, pinned=pinned)
        return
    found = Messages(CHAT, pinned=pinned).features
    assert all(any(one.startswith(feature) for one in found) for feature in features)


def test_values_and_callables():
    model = TableModel(lambda prompt, answer: -float(len(prompt)))
    value = ValueFunction(Messages(CHAT[1:]), model, LogProb("Ann"))
    assert value([[1, 1, 1], [1, 1, 0]]).tolist() == [-17, -1]
    given_to_functions = Messages(CHAT).apply([[1, 1, 1], [1, 0, 1]])
    assert given_to_functions[0] == CHAT
    assert given_to_functions[1][2] == {"role": "assistant", "content": ""}
    described = json.loads(json.dumps(value.contexts()[0].to_json()))
    assert [part["heading"] for part in described["parts"]] == ["user", "assistant", "user"]


def test_identity_is_content():
    def described(messages=CHAT, **options):
        return json.dumps(Messages(messages, **options).describe(), sort_keys=True)

    assert described() == described([Message(m["role"], m["content"]) for m in CHAT])
    assert described(pinned=["system", -1]) == described(pinned=[0, 3])
    different = [
        described(),
        described(CHAT[1:]),
        described(unit="sentence"),
        described(operator="mask"),
        described(pinned=[]),
    ]
    assert len(set(different)) == len(different)
    assert Messages(CHAT) == Messages(CHAT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"messages": "hi"}, "messages is a str; give a list"),
        ({"messages": CHAT[0]}, "messages is a dict; give a list"),
        ({"messages": []}, "messages is empty"),
        ({"messages": CHAT[:3]}, "the last message is of role 'assistant', not 'user'"),
        ({"messages": CHAT[-1:]}, "have one unit of kind 'message'; .* or use unit='word'"),
        ({"messages": [*CHAT, "hi"]}, "message 4 is a str; give a mapping"),
        ({"messages": [{"role": "user"}]}, "message 0 has the keys 'role'; give exactly"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "give exactly 'role' and"),
        (
            {"messages": [{"role": "tool", "content": "a"}]},
            "message 0 has the role 'tool'; use one",
        ),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "has a list as its content"),
        ({"messages": [{"role": "user", "content": "\ud800 a"}]}, "message 0 holds half of a"),
        ({"unit": "turn"}, "unit='turn' is unknown; use 'message', 'word'"),
        ({"operator": "drop"}, "operator='drop' is unknown"),
        ({"pinned": "system"}, "pinned='system'; give a list"),
        ({"pinned": ["tool"]}, "pinned: 'tool' is neither a role"),
        ({"pinned": [4]}, "pinned: 4 is neither a role .* of 4 messages"),
        ({"pinned": [True]}, "pinned: True is neither"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Messages(**({"messages": CHAT} | arguments))
