"""Sequence classifiers with random weights, against plain transformers code, a text at a time."""

import numpy as np
import pytest

from spex import LogOdds, LogProb, Text, ValueFunction
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


def reference(folder, text, several=False):
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
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


def test_a_regression_has_no_classes(tmp_path, save_tiny_model):
    folder = save(save_tiny_model, tmp_path, "bert", pad_token_id=1, id2label={0: "score"})
    with pytest.raises(BackendError, match="gives a score"):
        load(f"hf:{folder}").log_probs(PROMPTS, ["score"])
