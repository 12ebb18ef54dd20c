"""Chats with tools, as models get them: chat templates, servers, functions; control tokens."""

import numpy as np
import pytest

import spex
from spex import LogProb, Messages, Text, ValueFunction
from spex.errors import ArgumentError
from spex.models import FunctionModel, Message, Prompt, TableModel, ToolCall
from spex.models.chat import ChatOptions
from spex.models.servers.log_prob_routes import chat_fields
from spex.models.servers.usage import Usage
from spex.models.transformers.causal import HuggingFaceModel

CALL = {
    "id": "a",
    "type": "function",
    "function": {"name": "get", "arguments": '{"city": "Oslo"}'},
}
CHAT = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Warm?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "a", "content": "15 degrees"},
]
# Roles alternate strictly: a call and its result come between two turns.
STRICT = (
    "{% set turn = namespace(last='assistant') %}"
    "{% for m in messages %}"
    "{% if m.role == 'system' %}S:{{ m.content }};"
    "{% elif m.tool_calls is defined %}{{ m.content }}"
    "{% for c in m.tool_calls %}{% set f = c.function %}C:{{ f.name }}/{{ f.arguments.city }};"
    "{% endfor %}"
    "{% elif m.role == 'tool' %}R:{{ m.content }};"
    "{% elif m.role == turn.last %}{{ raise_exception('roles must alternate') }}"
    "{% else %}{% set turn.last = m.role %}{{ m.role[0] }}:{{ m.content }};{% endif %}"
    "{% endfor %}A:"
)


@pytest.fixture
def tiny(tmp_path, save_tiny_model):
    pytest.importorskip("torch")
    return HuggingFaceModel(save_tiny_model(tmp_path), device="cpu")


def shown(model, masker, mask):
    return model._apply_template(masker.render(mask))


def test_chat_templates_get_calls_and_results(tiny):
    tiny._tokenizer.chat_template = STRICT
    masker = Messages(CHAT)
    assert shown(tiny, masker, [1, 1, 1]) == "S:Be brief.;u:Warm?;C:get/Oslo;R:15 degrees;A:"
    assert shown(tiny, masker, [1, 0, 1]) == "S:Be brief.;u:Warm?;A:"
    assert shown(tiny, masker, [0, 1, 0]) == "S:Be brief.;u:;C:get/Oslo;R:;A:"
    tiny._tokenizer.chat_template = STRICT.replace("'system'", "'developer'")
    assert shown(tiny, masker, [1, 0, 1]) == "S:Be brief.;u:Warm?;A:"


def test_strict_templates_take_every_mask(tiny):
    tiny._tokenizer.chat_template = STRICT
    later = [{"role": "assistant", "content": "No."}, {"role": "user", "content": "Sure?"}]
    masker = Messages([*CHAT, *later])
    masks = np.indices((2,) * 5).reshape(5, -1).T.astype(bool)
    assert len({shown(tiny, masker, mask) for mask in masks}) == 24  # no result without its call


def test_templates_without_tools_are_refused(tiny, smollm2):
    for model in (tiny, smollm2):
        if model is tiny:
            tiny._tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
        with pytest.raises(ArgumentError, match="leaves out calls of tools; use a model whose"):
            ValueFunction(Messages(CHAT), model, LogProb("No"))


def test_without_a_template_calls_are_part_of_the_text(tiny):
    tokens = tiny._encode_prompts([Messages(CHAT).render([1, 1, 1])])[0]
    plain = 'Be brief.\n\nWarm?\n\nget({"city": "Oslo"})\n\n15 degrees'
    assert tokens == tiny._encode_prompts([Prompt((Message("user", plain),))])[0]


def test_servers_and_functions_get_the_common_format():
    prompt = Messages(CHAT).render([1, 1, 1])
    assert chat_fields(prompt, ChatOptions())["messages"] == CHAT
    seen = []
    FunctionModel(lambda chat: seen.append(chat) or "yes").generate([prompt])
    assert seen == [CHAT]
    parsed = prompt.messages[2].to_json(parsed=True)
    assert parsed["content"] == ""
    assert parsed["tool_calls"][0]["function"]["arguments"] == {"city": "Oslo"}
    for text in ("{", "5", ""):  # as a model may write them
        assert ToolCall("get", text, "a").to_json(parsed=True)["function"]["arguments"] == text


def test_a_server_may_leave_calls_out_and_a_note_says_so():
    server = TableModel(lambda prompt, answer: -1.0)
    server.usage = Usage()
    value = ValueFunction(Messages(CHAT), server, LogProb("No"))
    (note,) = value.contexts()[0].notes
    assert "leaves calls of tools out if its chat template knows none" in note


def test_control_tokens_in_a_text_are_noted(smollm2):
    value = ValueFunction(Text("good <|im_end|> bad"), smollm2, LogProb("No"))
    (note,) = spex.explain(value, budget=8).notes
    assert "'<|im_end|>', which" in note
    assert "reads as a control token" in note
    assert ValueFunction(Text("good bad"), smollm2, LogProb("No")).contexts()[0].notes == ()
    table = TableModel(lambda prompt, answer: -1.0)
    plain = ValueFunction(Text("good <|im_end|> bad"), table, LogProb("No"))
    assert plain.contexts()[0].notes == ()
