"""Every route of a server against plain transformers, and what each server refuses.

The servers are stand-ins that follow the published schemas, backed by a tiny random model.
"""

import functools
import json

import numpy as np
import pytest
import torch

from models.served import MODEL
from spex import LogOdds, LogProb, Similarity, Text, ValueFunction
from spex.cli import main
from spex.errors import ArgumentError, BackendError
from spex.inputs.image import Image
from spex.models import Message, Prompt, load
from spex.models.chat import ChatOptions
from spex.models.servers.openai import OpenAIModel, SGLangModel

SECRET = "sk-secret-of-the-test-0123456789"
# Two prompts that nobody has tuned anything on.
PROMPTS = (
    "the ferry left late and no one on the quay was surprised",
    "six pears, no plums, one fig",
)
WHOLE, LABELS = ["so it goes", " no", "y\u00e9s \U0001f600"], ["y", "n", " no"]


@functools.cache
def plainly(local, prompt, answer):
    """Log-probabilities of an answer's tokens, from one pass over the whole sequence."""
    network, tokenizer = local
    messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    start = tokenizer(text)["input_ids"]
    tokens = tokenizer(answer)["input_ids"]
    with torch.inference_mode():
        rows = network(torch.tensor([start + tokens])).logits[0].double().log_softmax(-1)
    return rows[range(len(start) - 1, len(start) + len(tokens) - 1), tokens].numpy()


def masked(text):
    masks = np.random.default_rng(1).random((12, len(text.split()))) < 0.6
    return [Text(text, prompt="So: {input}").render(mask) for mask in masks]


@pytest.mark.parametrize(
    ("kind", "prefix", "answers"),
    [
        ("sglang", "sglang", WHOLE),
        ("sglang", "openai", WHOLE),
        ("sglang", "sglang", LABELS),
        ("sglang", "sglang", [*WHOLE, *LABELS]),
        ("vllm", "openai", WHOLE),
        ("vllm", "openai", LABELS),
        ("old vllm", "openai", LABELS),
    ],
)
@pytest.mark.parametrize("text", PROMPTS)
def test_log_probabilities_of_every_route(local, server, kind, prefix, answers, text):
    served = server(kind, prefix)
    prompts = masked(text)
    scored = dict(load(served.name).log_probs(prompts, answers))
    for number, prompt in enumerate(prompts):
        for answer, found in zip(answers, scored[number], strict=True):
            expected = plainly(local, prompt, answer)
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_sglang_is_asked_from_the_end_of_the_prompt_on(server):
    served = server("sglang")
    prompt = Prompt((Message("user", "one fig"),))
    dict(load(served.name).log_probs([prompt], ["so it goes", "y", "n"]))
    whole, labels = None, None
    for body in served.bodies("/generate"):
        assert body["sampling_params"] == {"max_new_tokens": 0, "temperature": 0}
        if "token_ids_logprob" in body:
            labels = body
        else:
            whole = body
    assert len(served.bodies("/generate")) == 2  # both labels in one
    assert labels["logprob_start_len"] == -1 and len(labels["token_ids_logprob"]) == 2
    # From the last token of the prompt on: never from 0, which switches the cache off.
    assert whole["logprob_start_len"] == len(labels["input_ids"]) - 1
    assert whole["input_ids"][: len(labels["input_ids"])] == labels["input_ids"]


def test_vllm_is_asked_for_no_tokens_of_the_prompt_where_labels_will_do(server):
    served = server("vllm")
    prompt = Prompt((Message("user", "one fig"),))
    model = load(served.name)
    dict(model.log_probs([prompt], ["y", "n"]))
    (body,) = served.bodies("/v1/completions")
    assert "prompt_logprobs" not in body and len(body["logprob_token_ids"]) == 2
    dict(model.log_probs([prompt], ["so it goes", "y"]))
    body = served.bodies("/v1/completions")[-1]
    assert body["prompt_logprobs"] == 0 and len(body["prompt"]) == 2
    # It would make vLLM give log-probabilities of other tokens.
    assert all("skip_reading_prefix_cache" not in body for _, body in served.log)


def test_an_old_vllm_is_asked_otherwise_once_a_label_is_missing(local, server):
    served = server("old vllm")
    model = load(served.name)
    prompts = masked(PROMPTS[0])
    rare = " no"  # not among the 20 most probable ones, after some of these
    scored = dict(model.log_probs(prompts, [rare]))
    assert all(abs(scored[i][0] - plainly(local, p, rare)) < 2e-5 for i, p in enumerate(prompts))
    bodies = served.bodies("/v1/completions")
    asked = ["prompt_logprobs" in body for body in bodies]
    assert any(asked) and asked[-1] and len(bodies) < 2 * len(prompts)


def test_prompts_go_in_the_order_of_their_words(server):
    served = server("sglang")
    prompts = masked(PROMPTS[0])
    model = SGLangModel(MODEL, f"{served.url}/v1", concurrency=1)
    scored = dict(model.log_probs(prompts, ["y"]))
    sent = [body["messages"][0]["content"] for body in served.bodies("/tokenize")[1:]]
    assert sent == sorted(prompt.text for prompt in prompts) != [p.text for p in prompts]
    again = dict(model.log_probs(prompts[::-1], ["y"]))
    assert all(scored[i][0] == again[len(prompts) - 1 - i][0] for i in range(len(prompts)))


def test_the_start_of_an_answer(local, server):
    for kind in ("sglang", "vllm"):
        served = server(kind)
        model = load(served.name, answer_prefix="<think> </think>")
        prompt = Prompt((Message("user", "one fig"),))
        ((_, (found,)),) = model.log_probs([prompt], ["so"])
        whole = plainly(local, prompt, "<think> </think>so")
        np.testing.assert_allclose(found, whole[-2:], atol=2e-5)
        text, values = model.written(prompt, 2)
        ((_, (read,)),) = model.log_probs([prompt], [text])
        np.testing.assert_allclose(read, values, atol=2e-5)


def test_spans_and_usage(server):
    served = server("sglang")
    model = load(served.name)
    assert model.answer_tokens("no y") == [(0, 1), (1, 2), (2, 3), (3, 4)]
    before = model.usage.prompt_tokens
    dict(model.log_probs([Prompt((Message("user", "one fig"),))], ["y"]))
    assert model.usage.prompt_tokens - before == len(served.bodies("/generate")[0]["input_ids"])
    assert model.name == served.name and "log_probs=generate" in model.identity


@pytest.mark.parametrize("kind", ["openai", "ollama", "tgi", "sglang", "vllm"])
def test_what_a_model_writes_and_reads(local, server, kind):
    served = server(kind)
    prompt = Prompt((Message("user", "one fig"),))
    text, values = load(served.name).written(prompt, 3)
    assert len(values) == 3
    np.testing.assert_allclose(values, plainly(local, prompt, text), atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("ollama", r"\(Ollama\) gives only .* 20 most probable .* gguf:FILE"),
        ("tgi", r"\(text-generation-inference\) gives only .* 5 most probable .* hf:NAME"),
        ("openai", r"gives only .* 20 most probable .* \(vLLM, SGLang, llama.cpp\)"),
    ],
)
def test_whole_answers_are_refused_before_anything_is_asked(server, kind, words):
    served = server(kind)
    with pytest.raises(ArgumentError, match=words):
        ValueFunction(Text(PROMPTS[0]), served.name, LogProb("so it goes"))
    assert served.log == []


@pytest.mark.parametrize("kind", ["ollama", "tgi"])
def test_labels_among_the_first_tokens(local, server, kind):
    served = server(kind)
    prompt = Prompt((Message("user", "one fig"),))
    model = load(served.name)
    text, _ = model.written(prompt, 1)
    ((_, (found,)),) = model.log_probs([prompt], [text])
    np.testing.assert_allclose(found, plainly(local, prompt, text), atol=2e-5)
    with pytest.raises(BackendError, match=f"not one of the {served.limit} first tokens"):
        dict(model.log_probs([prompt], ["nonesuch"]))
    assert {body["top_logprobs"] for body in served.bodies("/v1/chat/completions")} == {
        1,
        served.limit,
    }


def test_an_sglang_that_makes_no_tokens_of_messages_says_so(server):
    served = server("sglang", messages=False)
    with pytest.raises(BackendError, match="update it, or choose a score of the replies"):
        dict(load(served.name).log_probs([Prompt((Message("user", "a"),))], ["y"]))


def test_pictures_are_not_scored_by_sglang(server):
    served = server("sglang")
    picture = Image(np.zeros((8, 8, 3), dtype=np.uint8), unit="grid:2x2", prompt="What is shown?")
    with pytest.raises(ArgumentError, match="scores no answers after pictures; choose a score of"):
        ValueFunction(picture, served.name, LogOdds("y", "n"))


def test_a_prompt_that_is_too_long_for_sglang(server):
    served = server("sglang")
    with pytest.raises(ArgumentError, match="too long for the model's context"):
        dict(load(served.name).log_probs([Prompt((Message("user", "a " * 400),))], ["y"]))


def test_a_server_behind_the_name_sglang_that_is_another_one(server):
    served = server("openai", "sglang")
    with pytest.raises(BackendError, match=r"/tokenize is missing .* needed to score"):
        ValueFunction(Text(PROMPTS[0]), served.name, LogProb("so it goes"))


def test_secrets_are_sent_and_never_shown(server, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    served = server("sglang", key=SECRET)
    dict(load(served.name).log_probs([Prompt((Message("user", "a"),))], ["y"]))
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}x")
    with pytest.raises(BackendError, match="refuses access") as caught:
        load(served.name)
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    (tmp_path / "a.txt").write_text("no one")
    for bad in (f"sglang:m@http://u:{SECRET}@h", f"sglang:{SECRET}@http://h", "sglang:m"):
        assert main(["explain", "--text", str(tmp_path / "a.txt"), "--model", bad]) == 2
        shown = capsys.readouterr()
        assert SECRET not in shown.out + shown.err and "MODEL@" in shown.err


def test_explain_and_sets_by_sglang(server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    served = server("sglang")
    (tmp_path / "a.txt").write_text(PROMPTS[1])
    call = ["explain", "--text", "a.txt", "--model", served.name, "--score", "logodds:y,n"]
    assert main([*call, "--budget", "40", "--out", "e.json", "--price", "1,2"]) == 0
    told = json.loads((tmp_path / "e.json").read_text())["context"]
    assert told["model"] == served.name and told["usage"]["cost"] > 0
    # The file alone may not send the input to an address.
    assert main(["sets", "e.json"]) == 2
    assert f"say so with --model {served.name}" in capsys.readouterr().err


def test_scores_of_replies_by_sglang(server):
    served = server("sglang")
    model = load(served.name)
    assert isinstance(model, OpenAIModel)
    (reply,) = model.generate([Prompt((Message("user", "one fig"),))], 3)
    assert reply.cut_off and len(reply) >= 1
    assert ValueFunction(Text("one fig"), model, Similarity("a fig")).score.answer == "a fig"
    assert SGLangModel(MODEL, f"{served.url}/v1", chat=ChatOptions()).name == f"{served.name}/v1"
