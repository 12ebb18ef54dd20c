"""Encoder-decoders with random weights, against plain transformers code, one answer at a time."""

import numpy as np
import pytest

from spex import LogOdds, LogProb, Text, ValueFunction
from spex.errors import ArgumentError
from spex.models import Message, Prompt, load
from spex.models.transformers.seq2seq import Seq2SeqModel

ANSWERS = [" no", "yes", "ye", " no, not at all"]
ARCHITECTURES = {"t5": [0], "bart": [1, 0]}  # with what the decoder begins
PROMPTS = [
    Prompt((Message("user", text),)) for text in ("a", "so no", "", "a longer prompt, no?", "a")
]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request):
    return request.param


@pytest.fixture(scope="module")
def folder(architecture, tmp_path_factory, save_tiny_model):
    folder = tmp_path_factory.mktemp(architecture)
    # The encoder reads the end of a prompt; an answer follows what the decoder begins with.
    return save_tiny_model(
        folder, architecture, auto_class="AutoModelForSeq2SeqLM", special="$A </s>"
    )


@pytest.fixture(scope="module")
def plain(folder):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer, transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def reference(plain, architecture):
    import torch

    tokenizer, model = plain
    start = ARCHITECTURES[architecture]

    def score(text, answer):
        prompt = tokenizer(text)["input_ids"] or [tokenizer.bos_token_id]
        tokens = tokenizer(answer, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(
                input_ids=torch.tensor([prompt]),
                decoder_input_ids=torch.tensor([start + tokens]),
            ).logits[0]
        log_probs = logits.double().log_softmax(-1)
        return [log_probs[len(start) - 1 + i, token].item() for i, token in enumerate(tokens)]

    return score


@pytest.mark.parametrize("token_budget", [1, 40, 4096])
def test_log_probs_are_those_of_one_answer_at_a_time(folder, reference, token_budget):
    model = Seq2SeqModel(folder, device="cpu", token_budget=token_budget)
    scored = dict(model.log_probs(PROMPTS, ANSWERS))
    assert sorted(scored) == list(range(len(PROMPTS)))
    for number, prompt in enumerate(PROMPTS):
        for answer, values in zip(ANSWERS, scored[number], strict=True):
            np.testing.assert_allclose(values, reference(prompt.text, answer), atol=1e-3)


def test_values_of_masks(folder, reference):
    text = Text("so no a bb no", prompt="is {input} so?")
    masks = np.array([[mask >> bit & 1 for bit in range(5)] for mask in range(32)], dtype=bool)
    value = ValueFunction(text, f"hf:{folder}", LogOdds("yes", " no, not"))
    assert isinstance(value.model, Seq2SeqModel)
    expected = [
        sum(reference(value.render(mask), "yes")) - sum(reference(value.render(mask), " no, not"))
        for mask in masks
    ]
    np.testing.assert_allclose(value(masks), expected, atol=1e-3)
    mean = ValueFunction(text, value.model, LogProb(" no, not", reduce="mean"))
    expected = [np.mean(reference(value.render(mask), " no, not")) for mask in masks]
    np.testing.assert_allclose(mean(masks), expected, atol=1e-3)


def test_the_encoder_runs_once_per_distinct_prompt(folder):
    model = load(f"hf:{folder}")
    rows = []
    model._model.get_encoder().register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    dict(model.log_probs(PROMPTS, ANSWERS))
    assert sum(rows) == len({prompt.text for prompt in PROMPTS})


def test_generate_is_greedy(folder, plain, architecture):
    import torch

    tokenizer, model = plain
    prompt = tokenizer("so no")["input_ids"]
    tokens = list(ARCHITECTURES[architecture])
    for _ in range(8):
        with torch.no_grad():
            logits = model(
                input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([tokens])
            ).logits
        if int(logits[0, -1].argmax()) == 1:
            break
        tokens.append(int(logits[0, -1].argmax()))
    expected = tokenizer.decode(tokens[len(ARCHITECTURES[architecture]) :])
    assert load(f"hf:{folder}").generate([PROMPTS[1]], 8) == [expected]


def test_prompt_and_answer_are_held_to_the_context_each(tmp_path, save_tiny_model):
    folder = save_tiny_model(tmp_path, "bart", auto_class="AutoModelForSeq2SeqLM")
    model = load(f"hf:{folder}")
    fits, too_long = (Prompt((Message("user", "x" * length),)) for length in (64, 65))
    assert len(dict(model.log_probs([fits], ["y" * 62]))[0][0]) == 62
    with pytest.raises(ArgumentError, match=r"prompt 0 has 65 tokens, but the context of .* is 64"):
        model.log_probs([too_long], ["y"])
    with pytest.raises(ArgumentError, match="the longest answer has 63 tokens"):
        model.log_probs([fits], ["y" * 63])
