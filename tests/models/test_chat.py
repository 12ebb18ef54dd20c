"""Chat templates, their variables, and the start of the answer; against transformers."""

import asyncio

import numpy as np
import pytest

import spex
from spex.errors import ArgumentError
from spex.models import Message, Prompt, load
from spex.models.chat import ChatOptions, ChatTemplate, notes_on
from spex.models.servers.log_prob_routes import PromptLogProbs

THINKING = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>\n\n"
    "{% if enable_thinking is defined and not enable_thinking %}</think>\n\n{% endif %}"
    "{% endif %}"
)
OFF = {"enable_thinking": False}
CHAT = Prompt((Message("system", "S <b>"), Message("user", " U "), Message("assistant", "A")))


@pytest.mark.parametrize(
    "source",
    [
        THINKING,
        "{{ bos_token }}{% for m in messages %}\n  {% generation %}{{ m.content | trim }}"
        "{% endgeneration %}\n{% endfor %}\n",
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m | tojson }}"
        "{% endfor %}",
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}"
        "{{ ns.n }}{% if tools %}T{% endif %}{{ messages | tojson(indent=2) }}",
    ],
)
def test_templates_are_rendered_as_by_transformers(tiny, source):
    tiny._tokenizer.chat_template = source
    messages = [{"role": m.role, "content": m.content} for m in CHAT.messages]
    expected = tiny._tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    found = ChatTemplate(source, "m").render(CHAT, {**OFF, "bos_token": "<s>"})
    assert found == expected


def test_variables_are_those_that_a_template_reads():
    template = ChatTemplate(THINKING + "{{ raise_exception and strftime_now('%Y') }}", "m")
    assert template.variables == {"messages", "add_generation_prompt", "enable_thinking"}
    template.check(OFF)
    with pytest.raises(ArgumentError, match="of 'm' has no variable 'thinking'; it has 'add_gen"):
        template.check({"thinking": False})
    with pytest.raises(ArgumentError, match="of 'm' is broken"):
        ChatTemplate("{% if %}", "m")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (([1],), "give names and JSON values"),
        (({"a": object()},), "give names and JSON values"),
        (({1: 2},), "give names and JSON values"),
        (({"a": float("nan")},), "give names and JSON values"),
        (({}, 3), "answer_prefix must be a str, not int"),
    ],
)
def test_options_that_are_wrong(options, says):
    with pytest.raises(ArgumentError, match=says):
        ChatOptions(*options)


def test_notes():
    assert notes_on("T", "[assistant]") == notes_on("T", None) == ()
    assert notes_on("T", "<think>\n\n</think>\n\n") == ()
    for mark in ("<think>", "[THINK]"):
        (note,) = notes_on("T", f"so <think></think> {mark}\n")
        assert f"opens a reasoning block ({mark})" in note
        assert mark[0] + "/" + mark[1:] in note
    assert "has no chat template" in notes_on(None, "a")[0]


@pytest.fixture
def thinking(tmp_path, save_tiny_model):
    folder = save_tiny_model(tmp_path)
    (folder / "chat_template.jinja").write_text(THINKING)
    return folder


def test_the_answer_follows_what_was_asked_for(thinking):
    plain = load(f"hf:{thinking}")
    off = load(f"hf:{thinking}", chat_template_kwargs=OFF)
    begun = load(f"hf:{thinking}", answer_prefix="</think>\n\n")
    ends = {
        plain: "[user]a b[assistant]<think>\n\n",
        off: "[user]a b[assistant]<think>\n\n</think>\n\n",
        begun: "[user]a b[assistant]<think>\n\n</think>\n\n",
    }
    prompt = Prompt((Message("user", "a b"),))
    for model, text in ends.items():
        assert model._tokenizer.decode(model._encode_prompts([prompt])[0]) == text
    scored = [dict(model.log_probs([prompt], ["yes"]))[0][0] for model in ends]
    np.testing.assert_array_equal(scored[1], scored[2])
    assert not np.allclose(scored[0], scored[1])
    assert off.generate([prompt], 4) == begun.generate([prompt], 4)
    assert len({model.identity for model in ends}) == 3
    value = spex.ValueFunction(spex.Text("a b"), plain, spex.LogOdds("a", "b"))
    assert any("opens a reasoning block" in note for note in spex.explain(value, budget=4).notes)
    assert off.notes == begun.notes == ()


def test_a_prompt_may_begin_its_answer_itself(thinking, tiny_folder):
    messages = (Message("user", "a b"),)
    for folder in (thinking, tiny_folder):
        plain, begun = load(f"hf:{folder}"), load(f"hf:{folder}", answer_prefix="so </think>\n\n")
        ours = plain._tokenizer.decode(plain._encode_prompts([Prompt(messages, "x</think>")])[0])
        assert ours.endswith("x</think>") and "a b" in ours
        if folder is thinking:
            own = Prompt(messages, "so </think>\n\n")
            scored = dict(plain.log_probs([own, Prompt(messages)], ["yes"]))
            expected = dict(begun.log_probs([Prompt(messages)], ["yes"]))[0][0]
            np.testing.assert_allclose(scored[0][0], expected, atol=1e-6)
            assert not np.allclose(scored[1][0], expected)
            assert plain.generate([own], 4) == begun.generate([Prompt(messages)], 4)
    # A reasoning block that the answer closes itself needs no note.
    value = spex.ValueFunction(
        spex.Reasoning("a b", "yes. no. </think>"), load(f"hf:{thinking}"), spex.LogProb("a")
    )
    assert not any("opens a reasoning block" in n for n in spex.explain(value, budget=4).notes)


def test_what_has_no_effect_is_refused(thinking, tiny_folder, tmp_path, save_tiny_model):
    with pytest.raises(ArgumentError, match="has no variable 'thinking'"):
        load(f"hf:{thinking}", chat_template_kwargs={"thinking": False})
    with pytest.raises(ArgumentError, match="has no chat template; leave chat_template_kwargs"):
        load(f"hf:{tiny_folder}", chat_template_kwargs=OFF)
    for option in ({"chat_template_kwargs": OFF}, {"answer_prefix": "a"}):
        with pytest.raises(ArgumentError, match=f"{next(iter(option))}=.* does not go with"):
            load("reply:json:dumps", **option)
    folder = save_tiny_model(
        tmp_path / "c", "bert", auto_class="AutoModelForSequenceClassification"
    )
    with pytest.raises(ArgumentError, match="is a classifier and writes no answer"):
        load(f"hf:{folder}", answer_prefix="a")
    with pytest.raises(ArgumentError, match="is a classifier and writes no answer"):
        load(f"hf:{folder}").check_prompts([Prompt((Message("user", "a"),), "so")], ())


def test_a_decoder_continues_the_start_of_an_answer(tmp_path, save_tiny_model):
    folder = save_tiny_model(tmp_path, "t5", auto_class="AutoModelForSeq2SeqLM")
    prompt = Prompt((Message("user", "so"),))
    whole = dict(load(f"hf:{folder}").log_probs([prompt], ["abc"]))[0][0]
    rest = dict(load(f"hf:{folder}", answer_prefix="a").log_probs([prompt], ["bc"]))[0][0]
    np.testing.assert_allclose(rest, whole[1:], atol=1e-5)
    with pytest.raises(ArgumentError, match="use a causal language model"):
        load(f"hf:{folder}").check_prompts([Prompt(prompt.messages, "a")], ())


def test_vllm_is_sent_the_variables_and_the_start():
    sent = []

    class Session:
        async def post(self, path, body, parse):
            sent.append((path, body))
            if "tokenize" in path:
                return parse({"tokens": [7, 8] if "messages" in body else [9]})
            (prompt,) = body["prompt"]
            entries = [None, *({str(token): {"logprob": -1.0}} for token in prompt[1:])]
            return parse({"choices": [{"index": 0, "prompt_logprobs": entries}]})

    route = PromptLogProbs("m", "http://h/v1", ChatOptions(OFF, "so"))
    prompt = Prompt((Message("user", "U"),), " far")
    (values,) = asyncio.run(route.log_probs(Session(), prompt, ["a"], [[5]]))
    assert values.tolist() == [-1.0]
    template, start, scored = (body for _, body in sent)
    assert template["chat_template_kwargs"] == OFF and template["add_generation_prompt"] is True
    assert start["prompt"] == "so far" and start["add_special_tokens"] is False
    assert scored["prompt"] == [[7, 8, 9, 5]]
