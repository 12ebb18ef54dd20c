"""Replies written together, against one prompt at a time by hand."""

import pytest

from spex import Matches, Text, ValueFunction
from spex.errors import BackendError
from spex.models import Message, Prompt
from spex.models.transformers.causal import HuggingFaceModel

TEXTS = ["so no", "a", "so nobody", "", "a longer prompt, no?", "a", "so no, not at all", "bb"]
PROMPTS = [Prompt((Message("user", text),)) for text in TEXTS]
# A random model rarely ends by itself, so a third of all tokens are ends.
ENDS = list(range(1, 260, 3))


def by_hand(model, text, n_tokens):
    """(the reply, whether it was cut off), reading everything anew for each token."""
    import torch

    tokens = model._tokenizer(text)["input_ids"] or [0]
    start = len(tokens)
    while len(tokens) < min(start + n_tokens, 64):
        with torch.no_grad():
            token = int(
                model._model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()
            )
        if token in ENDS:
            return model._tokenizer.decode(tokens[start:], skip_special_tokens=True), False
        tokens.append(token)
    return model._tokenizer.decode(tokens[start:], skip_special_tokens=True), True


@pytest.mark.parametrize(
    ("architecture", "shares_prefixes"),
    [
        ("llama", True),
        ("mistral-window", True),
        ("gemma3_text", True),
        ("mistral-window", False),
        ("roberta", False),
        ("bloom", False),
        ("mamba", False),
    ],
)
def test_replies_are_those_of_one_prompt_at_a_time(
    save_tiny_model, tmp_path, architecture, shares_prefixes
):
    folder = save_tiny_model(tmp_path, architecture, is_decoder=True)
    model = HuggingFaceModel(folder, device="cpu", token_budget=12 if shares_prefixes else 90)
    assert model.shares_prefixes >= shares_prefixes
    model.shares_prefixes = shares_prefixes
    model._model.generation_config.eos_token_id = ENDS
    expected = [by_hand(model, text, 9) for text in TEXTS]
    assert len({len(reply) for reply, _ in expected}) > 1
    replies = model.generate(PROMPTS, 9)
    assert [(str(reply), reply.cut_off) for reply in replies] == expected


@pytest.fixture
def limited(tiny, monkeypatch):
    """The tiny model, and the most tokens of a pass that its memory takes; sizes of all passes."""
    import torch

    limits, sizes = [10**9], []
    forward = tiny._model.forward
    tiny._model.generation_config.eos_token_id = ENDS

    def within(input_ids, **inputs):
        sizes.append(input_ids.numel())
        if input_ids.numel() > limits[0]:
            raise torch.OutOfMemoryError("out of memory")
        return forward(input_ids=input_ids, **inputs)

    monkeypatch.setattr(tiny._model, "forward", within)
    return tiny, limits, sizes


@pytest.mark.parametrize("share", [True, False])
def test_where_memory_runs_out_groups_are_halved(limited, share):
    model, limits, sizes = limited
    model.shares_prefixes = share
    expected = model.generate(PROMPTS, 9)
    limits[0] = 20
    del sizes[:]
    assert model.generate(PROMPTS, 9) == expected
    assert max(sizes) > 20
    limits[0] = 0
    with pytest.raises(BackendError, match="ran out of memory"):
        model.generate(PROMPTS, 9)


@pytest.mark.parametrize("share", [True, False])
def test_a_pass_gives_every_open_reply_its_next_token(limited, share):
    model, _, sizes = limited
    model.shares_prefixes = share
    lengths = [len(by_hand(model, text, 9)[0]) for text in TEXTS]
    del sizes[:]
    replies = model.replies(PROMPTS, 9)
    assert not sizes
    first, _ = next(replies)
    so_far = len(sizes)
    assert lengths[first] == min(lengths)
    list(replies)
    assert so_far < len(sizes) <= 9  # the first passes read the prompts
    assert sizes[1:] == sorted(sizes[1:], reverse=True)
    # Each distinct prompt once; what they share once, too.
    assert sizes[0] < sum(map(len, set(TEXTS))) or not share


def test_nothing_of_a_pass_is_left_on_in_between(tiny):
    import torch

    replies = tiny.replies(PROMPTS, 3)
    next(replies)
    assert not torch.is_inference_mode_enabled()


def test_replies_of_smollm2_are_those_of_one_prompt_at_a_time(smollm2):
    value = ValueFunction(
        Text("The film was slow but the end was lovely.", prompt="{input}\nIs that praise?"),
        smollm2,
        Matches("yes", max_new_tokens=5),
    )
    masks = [[mask >> bit & 1 for bit in range(value.n_features)] for mask in (511, 300, 7)]
    prompts = [value.masker.render(mask) for mask in masks]
    assert smollm2.generate(prompts, 5) == [smollm2.written(one, 5)[0] for one in prompts]
