"""Messages: roles, pinned turns, units, and every error."""

import json
import re

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


def call(of, arguments, name="get"):
    return {
        "id": of,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


TEXT_PART = {"type": "text", "text": "What is it?"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOLS = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Warm in Oslo or Rome?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [call("a", '{"city": "Oslo"}'), call("b", '{"city":"Rome"}')],
    },
    {"role": "tool", "tool_call_id": "a", "content": "15 degrees"},
    {"role": "tool", "tool_call_id": "b", "content": "30 degrees, sun"},
    {"role": "assistant", "content": "Rome."},
    {"role": "user", "content": "Sure?"},
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


def test_calls_of_tools_and_their_results_are_units():
    masker = Messages(TOOLS)
    assert masker.features == (
        "user: Warm in Oslo or Rome?",
        'assistant calls: get({"city": "Oslo"})',
        'assistant calls: get({"city":"Rome"})',
        "tool: 15 degrees",
        "tool: 30 degrees, sun",
        "assistant: Rome.",
        "user: Sure?",
    )
    assert masker.apply([[1] * 7]) == [TOOLS]
    # A call takes its result along, and its turn where nothing is left of it.
    (kept,) = masker.apply([[1, 0, 1, 1, 1, 1, 1]])
    assert kept[2]["tool_calls"] == [TOOLS[2]["tool_calls"][1]]
    assert [m.get("tool_call_id") for m in kept if m["role"] == "tool"] == ["b"]
    assert masker.apply([[1, 0, 0, 1, 1, 1, 1]]) == [[*TOOLS[:2], *TOOLS[5:]]]
    # A result keeps its place: the call needs one.
    (kept,) = masker.apply([[1, 1, 1, 0, 1, 1, 1]])
    assert kept[3] == TOOLS[3] | {"content": ""}
    words = Messages(TOOLS, unit="word")
    assert words.features[5:9] == (
        'get({"city": "Oslo"})', 'get({"city":"Rome"})', "15 degrees", "30 degrees, sun",
    )  # fmt: skip
    assert words.groups("message")[0] == [1, 1, 1, 1, 1, 3, 4, 5, 6, 7, 8]
    assert [part.heading for part in masker.parts][2:5] == ["assistant", *["assistant calls"] * 2]


def test_replaced_calls_keep_their_form():
    (masked,) = Messages(TOOLS, operator="mask").apply([[0] * 7])
    assert [m["role"] for m in masked] == [m["role"] for m in TOOLS]
    function = masked[2]["tool_calls"][0]["function"]
    assert function == {"name": "get", "arguments": '{"city": "[MASK]"}'}
    assert masked[3]["content"] == "[MASK]"


@given(data=st.data())
def test_a_chat_with_tools_is_valid_for_every_mask(data):
    n_calls = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    chat = [{"role": "user", "content": "a b"}]
    for turn, n in enumerate(n_calls):
        ids = [f"{turn}-{i}" for i in range(n)]
        content = data.draw(st.sampled_from(["", "c d"]))
        chat.append({"role": "assistant", "content": content})
        if ids:
            chat[-1]["tool_calls"] = [call(one, {"x": turn}) for one in ids]
        chat += [{"role": "tool", "tool_call_id": one, "content": "e"} for one in ids]
        chat.append({"role": "user", "content": "f"})
    pinned = data.draw(st.sampled_from([["system"], ["tool"], ["assistant"], [1]]))
    masker = Messages(chat, unit="word", pinned=pinned)
    n = masker.n_features
    (masked,) = masker.apply([data.draw(st.lists(st.booleans(), min_size=n, max_size=n))])
    waiting = set()
    for message in masked:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
        else:
            assert not waiting  # each call has its result before the next turn
            waiting = {one["id"] for one in message.get("tool_calls", ())}
    if pinned == ["tool"]:
        assert [m for m in masked if m["role"] == "tool"] == [
            m for m in chat if m["role"] == "tool"
        ]


def test_calls_without_ids_and_keys_without_values():
    calls = [{"function": {"name": name, "arguments": {"x": 1}}} for name in ("f", "g")]
    chat = [
        CHAT[1],
        {"role": "assistant", "tool_calls": calls, "refusal": None, "annotations": []},
        {"role": "tool", "name": "g", "content": "2"},
        {"role": "tool", "content": [{"type": "text", "text": "1"}]},
    ]
    masker = Messages(chat)
    (given_to_functions,) = masker.apply([[1] * 5])
    first, second = given_to_functions[1]["tool_calls"]
    assert first["function"] == {"name": "f", "arguments": '{"x": 1}'}
    assert [m["tool_call_id"] for m in given_to_functions[2:]] == [second["id"], first["id"]]
    assert re.fullmatch("[a-z0-9]{9}", first["id"])
    again = Messages(masker.messages)
    assert again == masker
    assert again.describe() == masker.describe()


def test_parts_of_a_content():
    masker = Messages([{"role": "user", "content": [PICTURE, TEXT_PART, TEXT_PART]}], unit="line")
    assert masker.features == ("What is it?", "What is it?")
    (message,) = masker.render([1, 0]).messages
    assert (message.content, message.images) == ("What is it?", (PICTURE["image_url"]["url"],))
    model = TableModel(lambda prompt, answer: -1.0)
    with pytest.raises(ArgumentError, match="takes no images"):
        ValueFunction(masker, model, LogProb("Ann"))


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
        ({"messages": CHAT[0]}, "messages: has the unknown keys 'content', 'role'; use 'messages'"),
        ({"messages": {}}, "messages: holds no list of messages; write a list"),
        ({"messages": []}, "messages is empty"),
        ({"messages": CHAT[:3]}, "the last message is of role 'assistant', not 'user' or 'tool'"),
        ({"messages": CHAT[-1:]}, "have one unit of kind 'message'; .* or use unit='word'"),
        ({"messages": [*CHAT, "hi"]}, "message 4 is a str; give a mapping"),
        ({"messages": [{"role": "user"}]}, "message 0 has the keys 'role'; give exactly"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "give exactly 'role' and"),
        (
            {"messages": [{"role": "bot", "content": "a"}]},
            "message 0 has the role 'bot'; use one of system, user, assistant, tool",
        ),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "message 0, part 0, is no text"),
        ({"messages": [{"role": "user", "content": None}]}, "has a NoneType as its content"),
        (
            {"messages": [{"role": "user", "content": [PICTURE | {"image_url": "http://a"}]}]},
            "data",
        ),
        ({"messages": [{"role": "user", "content": [TEXT_PART, PICTURE, TEXT_PART]}]}, "between"),
        (
            {"messages": [{"role": "tool", "content": "a"}]},
            "message 0 is the result of a call that",
        ),
        (
            {"messages": [*TOOLS[:3], TOOLS[3] | {"tool_call_id": "x"}]},
            "3 is the result .* 'x' that",
        ),
        (
            {"messages": [*TOOLS[:4], TOOLS[3]]},
            "that no message before it makes, or that has a res",
        ),
        ({"messages": [TOOLS[2] | {"tool_calls": [{"id": "a"}]}]}, "its tool call 0 is not valid"),
        ({"messages": [TOOLS[2] | {"tool_calls": [call("a", {1j})]}]}, "'get' has arguments that"),
        ({"messages": [TOOLS[2] | {"tool_calls": [call(3, "{}")]}]}, "or an id that is no text"),
        ({"messages": [TOOLS[2] | {"tool_calls": [call("a", 0)]}]}, "'get' has arguments that"),
        (
            {"messages": [TOOLS[2] | {"tool_calls": [call("a", {"x": float("nan")})]}]},
            "'get' has arguments that",
        ),
        ({"messages": [TOOLS[1] | {"images": 5}]}, "give exactly 'role' and 'content'"),
        ({"messages": [TOOLS[1] | {"tool_calls": [call("a", "{}")]}]}, "give exactly 'role' and"),
        ({"messages": [TOOLS[3] | {"name": 3}]}, "has a int as id or name; give a text"),
        ({"messages": [{"role": "user", "content": "\ud800 a"}]}, "message 0 holds half of a"),
        ({"unit": "turn"}, "unit='turn' is unknown; use 'message', 'word'"),
        ({"operator": "drop"}, "operator='drop' is unknown"),
        ({"pinned": "system"}, "pinned='system'; give a list"),
        ({"pinned": ["bot"]}, "pinned: 'bot' is neither a role"),
        ({"pinned": [4]}, "pinned: 4 is neither a role .* of 4 messages"),
        ({"pinned": [True]}, "pinned: True is neither"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Messages(**({"messages": CHAT} | arguments))
