"""Sequence classifiers with random weights, against plain transformers code, a text at a time."""

import functools

import numpy as np
import pytest

from spex import Composite, LogOdds, LogProb, Probability, Text, ValueFunction
from spex.errors import ArgumentError, BackendError
from spex.models import Message, Prompt, load
from spex.models.transformers.classifier import SequenceClassifier

LABELS = ("bad", "good", "so-so")
PROMPTS = [
    Prompt((Message("user", text),)) for text in ("a", "so no", "", "a longer prompt, no?", "a")
]


def save(save_tiny_model, folder, architecture, **options):
    return save_tiny_model(
        folder,
        architecture,
        auto_class="AutoModelForSequenceClassification",
        **{"id2label": dict(enumerate(LABELS)), **options},
    )


@functools.cache
def plain_transformers(folder):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    return tokenizer, model.eval()


def reference(folder, text, several=False):
    import torch

    tokenizer, model = plain_transformers(folder)
    tokens = tokenizer(text)["input_ids"] or [tokenizer.bos_token_id]
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].double()
    return (logits.sigmoid() if several else logits.softmax(-1)).log().tolist()


@pytest.mark.parametrize("pad_token_id", [None, 1])
@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize("token_budget", [1, 30, 4096])
def test_log_probs_are_those_of_one_text_at_a_time(
    tmp_path, save_tiny_model, architecture, pad_token_id, token_budget
):
    folder = save(save_tiny_model, tmp_path, architecture, pad_token_id=pad_token_id)
    model = SequenceClassifier(folder, device="cpu", token_budget=token_budget)
    assert model.labels == LABELS
    answers = ["good", "so-so"]
    scored = dict(model.log_probs(PROMPTS, answers))
    assert sorted(scored) == list(range(len(PROMPTS)))
    for number, prompt in enumerate(PROMPTS):
        expected = reference(folder, prompt.text)
        np.testing.assert_allclose(np.ravel(scored[number]), expected[1:], atol=1e-3)
    best = [LABELS[int(np.argmax(reference(folder, prompt.text)))] for prompt in PROMPTS]
    assert model.generate(PROMPTS) == best


def test_values_of_masks(tmp_path, save_tiny_model):
    folder = save(save_tiny_model, tmp_path, "bert", pad_token_id=1)
    value = ValueFunction(Text("so no a bb"), f"hf:{folder}", LogOdds("good", "bad"))
    assert isinstance(value.model, SequenceClassifier)
    masks = np.array([[mask >> bit & 1 for bit in range(4)] for mask in range(16)], dtype=bool)
    expected = [reference(folder, value.render(mask)) for mask in masks]
    np.testing.assert_allclose(value(masks), [row[1] - row[0] for row in expected], atol=1e-3)
    default = ValueFunction(Text("so no a bb"), value.model)
    assert default.answer == LABELS[int(np.argmax(reference(folder, "so no a bb")))]
    assert ValueFunction(Text("so no"), value.model, LogProb("good", span="oo"))([[1, 1]]) < 0


def test_a_text_may_have_several_labels(tmp_path, save_tiny_model):
    folder = save(
        save_tiny_model, tmp_path, "bert", pad_token_id=1, problem_type="multi_label_classification"
    )
    scored = dict(load(f"hf:{folder}").log_probs(PROMPTS[:2], LABELS))
    for number in range(2):
        expected = reference(folder, PROMPTS[number].text, several=True)
        np.testing.assert_allclose(np.ravel(scored[number]), expected, atol=1e-3)


def test_what_is_no_label_is_refused(tmp_path, save_tiny_model):
    model = load(f"hf:{save(save_tiny_model, tmp_path, 'bert', pad_token_id=1)}")
    for refuse in (model.check_prompts, model.log_probs):
        with pytest.raises(ArgumentError, match=r"'fine' is no label of .*; it has 'bad', 'good'"):
            refuse(PROMPTS, ["fine"])
    with pytest.raises(ArgumentError, match="prompt 0 has 65 tokens, but the context"):
        model.check_prompts([Prompt((Message("user", "x" * 65),))], ["good"])


@pytest.fixture(scope="module", params=["bert", "roberta", "llama"])
def scorer(request, tmp_path_factory, save_tiny_model):
    """A model with one output, whose tokenizer marks the ends of one text and of two."""
    return save(
        save_tiny_model,
        tmp_path_factory.mktemp(request.param),
        request.param,
        id2label={0: "score"},
        pad_token_id=None if request.param == "llama" else 1,
        special="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
    )


def raw_output(folder, *texts):
    """By plain transformers; two texts are a pair."""
    import torch

    tokenizer, model = plain_transformers(folder)
    with torch.no_grad():
        return model(**tokenizer(*texts, return_tensors="pt")).logits[0].tolist()


def test_a_score_is_the_output_itself(scorer):
    value = ValueFunction(Text("so no a bb"), f"hf:{scorer}")
    masks = np.array([[mask >> bit & 1 for bit in range(4)] for mask in range(16)], dtype=bool)
    expected = [raw_output(scorer, value.render(mask))[0] for mask in masks]
    np.testing.assert_allclose(value(masks), expected, atol=1e-4)
    (context,) = value.contexts()
    assert (context.answer, context.score, context.score_unit) == ("score", 'output "score"', "")
    other = ValueFunction(Text("so no a bb"), value.model, LogProb("score"))
    assert other.identity == value.identity
    with pytest.raises(ArgumentError, match=r"no label of .* it has 'score'"):
        ValueFunction(Text("so no"), value.model, LogProb("LABEL_1"))
    with pytest.raises(ArgumentError, match="gives a score, not probabilities of classes"):
        ValueFunction(Text("so no"), value.model, Probability("score"))([[1, 1]])
    with pytest.raises(ArgumentError, match="has no span; leave it out"):
        ValueFunction(Text("so no"), value.model, LogProb("score", span="sc"))


def test_two_texts_are_a_pair(scorer):
    masker = Composite(Text("so what"), Text("no a bb", operator="mask"))
    value = ValueFunction(masker, f"hf:{scorer}")
    masks = np.random.default_rng(0).random((12, 5)) < 0.5
    masks[0] = False
    texts = [
        (masker.maskers[0].render(mask[:2]).text, masker.maskers[1].render(mask[2:]).text)
        for mask in masks
    ]
    expected = [raw_output(scorer, *pair)[0] for pair in texts]
    np.testing.assert_allclose(value(masks), expected, atol=1e-4)


def test_a_regression_may_have_several_outputs(tmp_path, save_tiny_model):
    folder = save(save_tiny_model, tmp_path, "bert", pad_token_id=1, problem_type="regression")
    value = ValueFunction(Text("so no"), f"hf:{folder}", [LogProb(label) for label in LABELS])
    np.testing.assert_allclose(value([[1, 1]])[0], raw_output(folder, "so no"), atol=1e-4)
    largest = LABELS[int(np.argmax(raw_output(folder, "so no")))]
    assert ValueFunction(Text("so no"), value.model).answer == largest


def test_a_reward_model_gets_the_whole_conversation(tmp_path, save_tiny_model):
    folder = save(save_tiny_model, tmp_path, "llama", id2label={0: "reward"}, pad_token_id=None)
    model = load(f"hf:{folder}")
    model._tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}</s>{% endfor %}"
        "{% if add_generation_prompt %}a:{% endif %}"
    )
    value = ValueFunction(Composite(Text("so what", system="S"), Text("no a")), model)
    expected = raw_output(folder, "s:S</s>u:so what</s>a:a</s>")
    np.testing.assert_allclose(value([[1, 1, 0, 1]]), expected, atol=1e-4)


def test_positions_that_belong_to_padding_are_not_counted(tmp_path, save_tiny_model):
    model = load(f"hf:{save(save_tiny_model, tmp_path, 'roberta')}")
    longest, too_long = (Prompt((Message("user", "x" * length),)) for length in (64, 65))
    expected = reference(tmp_path, longest.text)
    ((_, (value,)),) = model.log_probs([longest], ["good"])
    np.testing.assert_allclose(value, expected[1], atol=1e-3)
    with pytest.raises(ArgumentError, match=r"prompt 0 has 65 tokens, but the context of .* is 64"):
        model.check_prompts([too_long], ["good"])
    model._max_tokens = None  # as with a configuration that says nothing
    with pytest.raises(BackendError, match="failed on a text of 65 tokens: index"):
        list(model.log_probs([too_long], ["good"]))
