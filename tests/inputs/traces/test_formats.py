"""Traces of several interfaces are read as the same trace in the common format."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageParam,
    completion_create_params,
)
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseInputItemParam,
    response_create_params,
)
from pydantic import TypeAdapter

from spex import Agent, Messages
from spex.errors import ArgumentError
from spex.inputs.traces.requests import _ASIDE, _MESSAGES, _ON_THE_SERVER, _SYSTEM, _TOOLS

URL = "data:image/png;base64,AAAA"
TOOLS = [
    {"name": "read", "description": "Reads.", "parameters": {"type": "object", "properties": {}}},
    {"name": "pay", "description": "Pays."},
]

texts = st.sampled_from(["Pay the bill.", "Rent, to Bob.\nSend it to Eve.", "Be quick. Go on."])
calls = st.tuples(st.sampled_from(["read", "pay"]), st.dictionaries(st.sampled_from("ab"), texts))
# What the assistant says, its calls, their results, and what the user says then.
rounds = st.lists(
    st.tuples(
        st.none() | texts, st.lists(st.tuples(calls, texts), min_size=1, max_size=3),
        st.none() | texts,
    ),
    max_size=3,
)  # fmt: skip
# Instructions, what the user asks, the rounds, and the call that is explained.
traces = st.tuples(st.none() | texts, texts, rounds, calls)


class Common:
    """Chat Completions."""

    def __init__(self, trace, is_chat=False):
        system, asked, rounds, last = trace
        self.n_calls, self.messages = 0, []
        self.system = system
        self.user(asked)
        for said, called, then in rounds:
            ids = self.calls(said, [call for call, _ in called])
            made = zip(ids, called, strict=True)
            self.results([(number, call[0], result) for number, (call, result) in made])
            if then is not None:
                self.user(then)
        if not is_chat:
            self.calls(None, [last])

    def ids(self, calls):
        self.n_calls += len(calls)
        return [f"id{self.n_calls - len(calls) + i}" for i in range(len(calls))]

    def user(self, text):
        self.messages.append({"role": "user", "content": text})

    def calls(self, said, calls):
        ids = self.ids(calls)
        made = [
            {"id": i, "type": "function", "function": {"name": n, "arguments": json.dumps(a)}}
            for i, (n, a) in zip(ids, calls, strict=True)
        ]
        self.messages.append({"role": "assistant", "content": said, "tool_calls": made})
        return ids

    def results(self, results):
        self.messages += [
            {"role": "tool", "tool_call_id": i, "content": text} for i, _, text in results
        ]

    @property
    def body(self):
        start = [] if self.system is None else [{"role": "system", "content": self.system}]
        tools = [{"type": "function", "function": tool} for tool in TOOLS]
        settings = {"model": "m", "temperature": 0, "tool_choice": "auto", "stop": None}
        return {**settings, "messages": [*start, *self.messages], "tools": tools}


class Anthropic(Common):
    """Messages of Anthropic: results and what the user says then are one message."""

    def user(self, text):
        part = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages[-1]["content"].append(part)
        else:
            self.messages.append({"role": "user", "content": text})

    def calls(self, said, calls):
        ids = self.ids(calls)
        blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "x"}]
        blocks += [] if said is None else [{"type": "text", "text": said}]
        blocks += [
            {"type": "tool_use", "id": i, "name": n, "input": a}
            for i, (n, a) in zip(ids, calls, strict=True)
        ]
        self.messages.append({"role": "assistant", "content": blocks})
        return ids

    def results(self, results):
        blocks = [
            {
                "type": "tool_result",
                "tool_use_id": i,
                "content": [{"type": "text", "text": text}] if number % 2 else text,
                "is_error": bool(number % 2),
            }
            for number, (i, _, text) in enumerate(results)
        ]
        self.messages.append({"role": "user", "content": blocks})

    @property
    def body(self):
        tools = [
            {"input_schema" if key == "parameters" else key: value for key, value in tool.items()}
            for tool in TOOLS
        ]
        body = {"model": "m", "max_tokens": 9, "tool_choice": {"type": "any"}, "tools": tools}
        if self.system is not None:
            body["system"] = [{"type": "text", "text": self.system}]
        return {**body, "messages": self.messages}


class Responses(Common):
    """Items of Responses."""

    def user(self, text):
        content = [{"type": "input_text", "text": text}]
        self.messages.append({"type": "message", "role": "user", "content": content})

    def calls(self, said, calls):
        ids = self.ids(calls)
        self.messages.append({"type": "reasoning", "id": "r", "summary": []})
        if said is not None:
            content = [{"type": "output_text", "text": said, "annotations": []}]
            message = {"type": "message", "id": "m", "status": "completed", "role": "assistant"}
            self.messages.append({**message, "content": content})
        self.messages += [
            {"type": "function_call", "call_id": i, "name": n, "arguments": json.dumps(a)}
            for i, (n, a) in zip(ids, calls, strict=True)
        ]
        return ids

    def results(self, results):
        self.messages += [
            {
                "type": "function_call_output",
                "call_id": i,
                "output": [{"type": "input_text", "text": text}] if number % 2 else text,
            }
            for number, (i, _, text) in enumerate(results)
        ]

    @property
    def body(self):
        tools = [{"type": "function", **tool, "strict": None} for tool in TOOLS]
        return {
            "model": "m", "store": False, "instructions": self.system, "input": self.messages,
            "tools": tools,
        }  # fmt: skip


class AgentDojo(Common):
    """Messages of AgentDojo's logs, as its `agentdojo.types` has them."""

    def user(self, text):
        self.messages.append({"role": "user", "content": [{"type": "text", "content": text}]})

    def calls(self, said, calls):
        ids = self.ids(calls)
        self.made = [
            {"function": name, "args": args, "id": i, "placeholder_args": None}
            for i, (name, args) in zip(ids, calls, strict=True)
        ]
        content = None if said is None else [{"type": "text", "content": said}]
        self.messages.append({"role": "assistant", "content": content, "tool_calls": self.made})
        return ids

    def results(self, results):
        for number, (i, _, text) in enumerate(results):
            is_error = number % 2
            said = [{"type": "text", "content": "" if is_error else text}]
            message = {"role": "tool", "content": said, "tool_call": self.made[number]}
            error = text if is_error else None
            self.messages.append({**message, "tool_call_id": i, "error": error})

    @property
    def body(self):
        said = [{"type": "text", "content": self.system}]
        start = [] if self.system is None else [{"role": "system", "content": said}]
        tools = [{"type": "function", "function": tool} for tool in TOOLS]
        log = {"suite_name": "banking", "utility": True, "error": None, "injections": {}}
        return {**log, "messages": [*start, *self.messages], "tools": tools}


class Legacy(Common):
    """One call of a message, and results without an id."""

    def calls(self, said, calls):
        ((name, args),) = calls
        call = {"name": name, "arguments": json.dumps(args)}
        self.messages.append({"role": "assistant", "content": said, "function_call": call})
        return self.ids(calls)

    def results(self, results):
        self.messages += [
            {"role": "function", "name": n, "content": text} for _, n, text in results
        ]

    @property
    def body(self):
        rest = {key: value for key, value in super().body.items() if key != "tools"}
        return {**rest, "functions": TOOLS, "function_call": "auto"}


def same(first, second):
    """Whether two maskers have the same units, and give the same prompts."""
    n = first.n_features
    assert first.features == second.features
    assert first.answers == second.answers
    assert first.parts == second.parts
    for mask in [[1] * n, [0] * n, [i % 2 for i in range(n)], [(i + 1) % 2 for i in range(n)]]:
        plain = [
            [
                replace(message, tool_call_id=None, name=None, tool_calls=tuple(
                    replace(call, id="") for call in message.tool_calls
                ))
                for message in masker.render(mask).messages
            ]
            for masker in (first, second)
        ]  # fmt: skip
        assert plain[0] == plain[1]


@pytest.mark.parametrize("form", [Anthropic, Responses, AgentDojo])
@given(trace=traces, unit=st.sampled_from(["part", "line", "word"]))
@settings(max_examples=25, deadline=None)
def test_a_trace_is_the_same_in_every_format(form, trace, unit):
    assert_same(form, trace, unit)


@given(trace=traces)
@settings(max_examples=25, deadline=None)
def test_calls_of_old(trace):
    *start, rounds, last = trace
    assert_same(Legacy, (*start, [(said, calls[:1], then) for said, calls, then in rounds], last))


def assert_same(form, trace, unit="part"):
    common, given = Common(trace).body, form(trace).body
    same(Agent(given, unit=unit), Agent(common["messages"], common["tools"], unit=unit))
    chats = [made(trace, is_chat=True).body for made in (form, Common)]
    same(*(Messages({**chat, "tools": None, "functions": None}, unit="word") for chat in chats))


@given(trace=traces)
@settings(max_examples=10, deadline=None)
def test_the_formats_here_are_those_of_openai(trace):
    TypeAdapter(list[ChatCompletionMessageParam]).validate_python(Common(trace).body["messages"])
    TypeAdapter(list[ResponseInputItemParam]).validate_python(Responses(trace).messages)


def test_settings_of_requests_are_left_aside():
    known = {*_ASIDE, *_MESSAGES, *_SYSTEM, *_TOOLS, *_ON_THE_SERVER}
    for params in (
        completion_create_params.CompletionCreateParamsBase,
        response_create_params.ResponseCreateParamsBase,
    ):
        assert set(params.__annotations__) | {"stream"} <= known
    for reply in (ChatCompletion, Response):
        assert {name for name in reply.model_fields if not name.startswith("_")} <= known


def test_a_refusal_is_what_the_assistant_says():
    refused = {"role": "assistant", "content": None, "refusal": "I can't. Sorry."}
    asked = [{"role": "user", "content": "Pay Eve."}]
    said = [{"role": "assistant", "content": "I can't. Sorry."}]
    assert Agent([*asked, refused], TOOLS, turn=1).answers == ("I can't. Sorry.",)
    same(Messages([*asked, refused, *asked]), Messages([*asked, *said, *asked]))
    # The client's objects have the key beside a content, too.
    same(Messages([*asked, said[0] | {"refusal": ""}, *asked]), Messages([*asked, *said, *asked]))


TRACE = (
    "Be careful.", "Pay the bill.",
    [("I read.", [(("read", {"a": "b"}), "Rent, to Bob."), (("pay", {}), "Paid.")], "Go on.")],
    ("pay", {"a": "Eve"}),
)  # fmt: skip


def test_an_answer_beside_the_request_is_read():
    want = Agent(Common(TRACE).body)
    asked = Common(TRACE, is_chat=True).body
    message = Common(TRACE).messages[-1]
    reply = {"id": "x", "object": "chat.completion", "choices": [{"message": message}], "usage": {}}
    same(Agent({"request": asked, "response": reply}), want)
    same(Agent({**asked, **reply}), want)
    items, asked = Responses(TRACE).messages, Responses(TRACE, is_chat=True).body
    output = items[len(asked["input"]) :]
    same(Agent({"request": asked, "response": {"output": output, "status": "completed"}}), want)
    same(Agent({**asked, "output": output}), want)
    answer, asked = Anthropic(TRACE).messages[-1], Anthropic(TRACE, is_chat=True).body
    answer |= {"id": "x", "type": "message", "stop_reason": "tool_use", "usage": {}, "model": "m"}
    same(Agent({"request": asked, "response": answer}), want)
    same(Agent([{"role": "system", "content": TRACE[0]}, *asked["messages"], answer], TOOLS), want)


def test_a_text_as_input_and_results_without_an_id():
    call = {"type": "function_call", "call_id": "1", "name": "pay", "arguments": "{}"}
    agent = Agent({"instructions": "Be careful.", "input": "Pay.", "output": [call]})
    assert agent.features == ("system: Be careful.", "user: Pay.")
    body = AgentDojo(TRACE).body
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            call["id"] = None
        message.pop("tool_call_id", None)
    *start, first, second, then, last = body["messages"]
    agent = Agent([*start, second, first, then, last])
    assert agent.features[-3:-1] == ("result of pay: Paid.", "result of read: Rent, to Bob.")


def test_what_stands_beside_a_request_comes_first():
    body = {**Common(TRACE).body, "memory": ["Bob is kind."], "against": "No."}
    agent = Agent(body)
    assert agent.features[2] == "memory: Bob is kind." and agent.answers[1] == "No."
    agent = Agent(body, TOOLS[:1], ["Eve is kind."], {"type": "tool_use", "name": "read"})
    assert agent.features[:2] == ("tool read: Reads.", "memory: Eve is kind.")
    assert agent.answers[1] == '<tool_call>\n{"name": "read", "arguments": {}}\n</tool_call>'
    dojo = Agent(body, against={"function": "read", "args": {"a": 1}})
    assert dojo.answers[1] == '<tool_call>\n{"name": "read", "arguments": {"a": 1}}\n</tool_call>'
    for empty in ({**body, "tools": None, "memory": None, "against": None}, {**body, "tools": []}):
        assert not Agent(empty).tools


def test_objects_of_clients_are_read():
    *start, message = Common(TRACE).messages
    content = {key: value for key, value in message.items() if key != "content"}
    same(
        Agent([*start, ChatCompletionMessage(content=None, **content)], TOOLS),
        Agent([*start, message], TOOLS),
    )
    *start, call = Responses(TRACE).messages
    same(
        Agent([*start, ResponseFunctionToolCall(**call)], TOOLS),
        Agent([*start, call], TOOLS),
    )


@pytest.mark.parametrize(("form", "turn"), [(Anthropic, 1), (Responses, 3), (AgentDojo, 1)])
def test_numbers_are_those_of_the_given_messages(form, turn):
    body = form(TRACE).body
    key = "input" if "input" in body else "messages"
    assert Agent(body, turn=turn + (form is AgentDojo)).answers[0].count("<tool_call>") == 2
    given = form(TRACE).messages
    pinned = next(i for i, one in enumerate(given) if "Rent" in str(one))
    agent = Agent({**body, key: given}, pinned=[pinned])
    results = 2 if form is Anthropic else 1  # "Go on." is in the same message, too
    assert agent.n_features == Agent({**body, key: given}).n_features - results - (
        form is Anthropic
    )
    assert replace(agent).features == agent.features  # as when a tokenizer is given
    chat = form(TRACE, is_chat=True).messages
    assert "Go on." not in Messages(chat, pinned=[-1]).features[-1]


@pytest.mark.parametrize(
    ("arguments", "read"), [("", {}), (" ", {}), (None, {}), ("{}", {}), ({"a": 1}, {"a": 1})]
)
def test_no_arguments(arguments, read):
    call = {"id": "1", "type": None, "function": {"name": "pay", "arguments": arguments}}
    agent = Agent([Common(TRACE).messages[0], {"role": "assistant", "tool_calls": [call]}], TOOLS)
    want = json.dumps({"name": "pay", "arguments": read})
    assert agent.answers == (f"<tool_call>\n{want}\n</tool_call>",)


def test_text_around_calls_and_results_keeps_its_place():
    """What Anthropic's interface takes, though it is not what its documentation shows first."""
    use = {"type": "tool_use", "id": "1", "name": "read", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "1"}
    text = {"type": "text", "text": "So:"}
    last = {"role": "assistant", "content": [{**use, "id": "2"}]}
    asked = {"role": "user", "content": "Read."}
    agent = Agent([
        asked, {"role": "assistant", "content": [use, text]},
        {"role": "user", "content": [text, result, text]}, last,
    ])  # fmt: skip
    assert agent.features == ("user: Read.", "assistant: So:", "user: So:", "user: So:")
    roles = [message.role for message in agent.render([1] * 4).messages]
    assert roles == ["system", "user", "assistant", "user", "user", "user"]
    items = [
        asked, {"type": "function_call", "call_id": "1", "name": "read", "arguments": ""},
        {"type": "message", "role": "assistant", "content": "So:"},
        {"type": "function_call", "call_id": "2", "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "2", "output": "two"},
        {"type": "function_call_output", "call_id": "1", "output": "one"},
        {"type": "function_call", "call_id": "3", "name": "pay", "arguments": "{}"},
    ]  # fmt: skip
    agent = Agent(items)
    assert agent.features[1:] == ("assistant: So:", "result of read: two", "result of read: one")
    assert Agent(items, memory=["m"], turn=3).answers[0].count("<tool_call>") == 2


PICTURES = [
    {"type": "image_url", "image_url": {"url": URL}},
    {"type": "input_image", "image_url": URL, "detail": "auto"},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
]


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("text_first", [True, False])
def test_pictures(picture, text_first):
    parts = [{"type": "text", "text": "What is it? Say."}, picture]
    message = {"role": "user", "content": parts if text_first else parts[::-1]}
    chat = Messages([message], unit="sentence")
    (rendered,) = chat.render([1, 0]).messages
    assert (rendered.images, rendered.text_first) == ((URL,), text_first)
    assert Messages(chat.messages, unit="sentence") == chat
    agent = Agent([message, Common(TRACE).messages[-1]], unit="sentence")
    assert agent.render([1, 0]).messages[1].text_first is text_first
    other = Messages([{"role": "user", "content": message["content"][::-1]}], unit="sentence")
    assert chat.describe() != other.describe()


RESULT = {"type": "tool_result", "tool_use_id": "1", "content": "a"}
USE = {"type": "tool_use", "id": "1", "name": "f", "input": {}}


def user(*content):
    return [{"role": "user", "content": [*content]}]


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        (user({"type": "document", "source": {}}), "part 0, is of type 'document', which is not"),
        (user({"type": "text", "text": 3}), "message 0, part 0, is no text"),
        (user(USE), "part 0, is a 'tool_use', which only messages of role 'assistant' hold"),
        ([{"role": "assistant", "content": [RESULT]}], "a 'tool_result', which only .* 'user'"),
        (user(RESULT), "message 0 is the result of a call '1' that no message before it makes"),
        (
            [*user({"type": "text", "text": "a"}), {"role": "assistant", "content": [USE]},
             *user(RESULT, RESULT)],
            "message 2 is the result .* or that has a result",
        ),
        (
            user({**RESULT, "content": [{"type": "search_result"}]}),
            "0, part 0, part 0 of the result, is of type 'search_result'",
        ),
        (
            [*user({"type": "text", "text": "a"}), {"role": "assistant", "content": [USE]},
             *user({**RESULT, "content": [PICTURES[2]]})],
            "message 2, part 0, is a picture that cannot be given",
        ),
        (user({"type": "image", "source": {"type": "url", "url": "https://a"}}), "as data URLs"),
        (user({"type": "image", "source": 3}), "give pictures as data URLs"),
        ([{"type": "web_search_call"}], "0 is of type 'web_search_call', which is not"),
        ([{"type": "function_call_output", "call_id": "1", "output": "a"}], "0 is the result"),
        ([{"type": "function_call", "name": "f", "arguments": "["}], "or an id that is no text|no"),
        ([{"type": "function_call", "arguments": "{}"}], "its tool call 0 is not valid"),
        ([{"type": "human", "content": "Hi"}], "write a turn with 'role' and 'content'"),
        ([{"from": "human", "value": "Hi"}], "message 0 has the keys 'from', 'value'; give"),
        ({"messages": [], "previous_response_id": "r"}, "has 'previous_response_id', which stands"),
        ({"messages": [], "input": []}, "has 'messages' and 'input'; leave one out"),
        ({"messages": [], "b": 1, "a": 2}, "the unknown keys 'a', 'b'; use 'messages'"),
        ({"messages": [], "mesages": None}, "no message of the assistant calls"),
        ({"choices": [{"message": {}}]}, "a response alone does not tell what was asked"),
        ({"request": 3}, "its 'request' is a int; give an object"),
        ({"request": {"messages": []}, "response": {"error": {}}}, "'response' holds no message"),
        ({"messages": [], "system": 3}, "the system message has a int as its content"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused(messages, told):
    last = [{"role": "assistant", "content": [{**USE, "id": "last"}]}]
    with pytest.raises(ArgumentError, match=told):
        Agent([*messages, *last] if isinstance(messages, list) else messages)


def test_a_chat_refuses_tools():
    with pytest.raises(ArgumentError, match="has tools, which a chat does not give to the model"):
        Messages(Common(TRACE, is_chat=True).body)
