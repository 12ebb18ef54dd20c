"""Half precision: by how much it is off is measured on prompts of the run, and said."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import spex
from spex import LogOdds, LogProb, Text, ValueFunction
from spex.models import load
from spex.models.transformers import precision
from spex.values import scoring_check

TEXT = "so no a bb no"
NOTE = re.compile(r"off by up to ([\d.e-]+)( nats)? \(2 masked prompts also read in float32\)")


def half_note(value):
    """The one note of half precision."""
    (note,) = [one for one in value.contexts()[0].notes if "float16" in one]
    return note


def asked_twice(model, monkeypatch):
    """Prompts that the model reads in float32; their values in half precision."""
    prompts, halves, right, compare = [], [], model.log_probs, model.compared_with_float32

    def seen(some, answers):
        if str(model._model.dtype) == "torch.float32":
            prompts.extend(some)
        return right(some, answers)

    def compared(values, read, unit):
        halves.extend(values)
        return compare(values, read, unit)

    monkeypatch.setattr(model, "log_probs", seen)
    monkeypatch.setattr(model, "compared_with_float32", compared)
    return prompts, halves


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("score", [LogProb("no so"), LogOdds("n", "y")])
def test_the_error_is_that_of_plain_passes(tiny_folder, monkeypatch, dtype, score):
    model = load(f"hf:{tiny_folder}", dtype=dtype)
    weights = {name: one.clone() for name, one in model._model.state_dict().items()}
    assert model.shares_prefixes  # which is compared in float32 as well
    value = ValueFunction(Text(TEXT), model, score)
    prompts, halves = asked_twice(model, monkeypatch)
    masks = np.random.default_rng(4).random((9, 5)) < 0.5
    asked = {value.masker.render(mask) for mask in masks}
    value(masks)
    assert len(prompts) == 2 and set(prompts) <= asked
    said = float(NOTE.search(half_note(value))[1])
    for name, one in model._model.state_dict().items():
        assert one.dtype == weights[name].dtype and one.equal(weights[name])

    scored = dict(model.log_probs(prompts, value._answers))
    tolerance = model.rounding * 5  # here the two share their prefixes with no third one
    near = [[one.sum() for one in scored[number]] for number in range(2)]
    np.testing.assert_allclose(halves, near, atol=tolerance)
    model._model.float()
    model.shares_prefixes = False
    scored = dict(model.log_probs(list(prompts), value._answers))
    whole = [[one.sum() for one in scored[number]] for number in range(2)]
    assert said == pytest.approx(np.abs(np.subtract(halves, whole)).max(), rel=0.06, abs=1e-6)
    assert said > 0


def test_the_explanation_says_so_once_and_float32_says_nothing(tiny_folder):
    model = load(f"hf:{tiny_folder}", dtype="bfloat16")
    whole = ValueFunction(Text(TEXT), model, [LogProb("no so"), LogProb("yes")])
    whole(np.eye(5, dtype=bool))
    found = spex.explain(ValueFunction(Text(TEXT), model, LogOdds("n", "y")), budget=32)
    assert sum("bfloat16" in note for note in found.notes) == 1
    exact = load(f"hf:{tiny_folder}", dtype="float32")
    found = spex.explain(ValueFunction(Text(TEXT), exact, LogOdds("n", "y")), budget=32)
    assert not any("float" in note for note in found.notes)


def test_its_prompts_count_as_calls(tiny_folder):
    model = load(f"hf:{tiny_folder}", dtype="bfloat16")
    value = ValueFunction(Text(TEXT), model, LogOdds("n", "y"))
    assert value.n_calls_of_check == 7
    found = spex.explain(value, budget=32, limits=spex.Limits(calls=20))
    assert found.stopped == (
        "the limit of 20 calls is reached (7 of them checked the log-probabilities)"
    )


def test_without_room_the_report_says_that_nothing_was_measured(tiny_folder, monkeypatch):
    psutil = pytest.importorskip("psutil")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    model = load(f"hf:{tiny_folder}", dtype="bfloat16")
    value = ValueFunction(Text(TEXT), model, LogOdds("n", "y"))
    value(np.eye(5, dtype=bool))
    size = 4 * sum(one.numel() for one in model._model.parameters()) / 1e9
    note = half_note(value)
    assert "not measured" in note
    assert f"no room was found for its weights in float32, {size:.1f} GB" in note
    assert str(model._model.dtype) == "torch.bfloat16"


def test_a_network_that_fails_in_float32_is_used_all_the_same(tiny_folder, monkeypatch):
    model = load(f"hf:{tiny_folder}", dtype="float16")
    model.shares_prefixes = False
    right = model._model.forward

    def forward(**inputs):
        if str(model._model.dtype) == "torch.float32":
            raise RuntimeError("FlashAttention only supports fp16 and bf16")
        return right(**inputs)

    monkeypatch.setattr(model._model, "forward", forward)
    monkeypatch.setattr(model._network, "accepted", frozenset({"input_ids", "attention_mask"}))
    value = ValueFunction(Text(TEXT), model, LogOdds("n", "y"))
    assert np.isfinite(value(np.eye(5, dtype=bool))).all()
    assert "not measured" in half_note(value) and "only supports fp16" in half_note(value)
    assert str(model._model.dtype) == "torch.float16"


@pytest.mark.parametrize("labels", [1, 3])
def test_classifiers_and_regressions(save_tiny_model, tmp_path, labels):
    kind = "AutoModelForSequenceClassification"
    folder = save_tiny_model(
        tmp_path, "bert", special="<s> $A </s>", auto_class=kind, num_labels=labels
    )
    value = ValueFunction(Text(TEXT), load(f"hf:{folder}", dtype="bfloat16"), LogProb("LABEL_0"))
    value(np.eye(5, dtype=bool))
    off, unit = NOTE.search(half_note(value)).groups()
    assert float(off) > 0 and (unit is None) == (labels == 1)
    assert half_note(value).startswith(
        "bfloat16: outputs are" if labels == 1 else "bfloat16: log-probabilities of answers are"
    )


def test_quantised_and_spread_weights_are_left_alone(tiny_folder):
    import torch

    network = load(f"hf:{tiny_folder}", dtype="bfloat16")._model
    network.is_quantized = True
    with precision.in_float32(torch, network) as missing:
        assert missing == "its weights are quantised"
        assert network.dtype == torch.bfloat16
    network.is_quantized = False
    network.lm_head.weight = torch.nn.Parameter(network.lm_head.weight.to("meta"))
    with precision.in_float32(torch, network) as missing:
        assert missing == "its weights are on several devices or on disk"
        assert network.dtype == torch.bfloat16


def test_a_failed_check_measures_nothing(tiny_folder, monkeypatch):
    model = load(f"hf:{tiny_folder}", dtype="bfloat16", scoring_check="note")
    right = model.log_probs

    def chance(prompts, answers):
        return ((number, [one - number for one in of]) for number, of in right(prompts, answers))

    monkeypatch.setattr(model, "log_probs", chance)
    value = ValueFunction(Text(TEXT), model, LogOdds("n", "y"))
    value(np.eye(5, dtype=bool))
    (note,) = scoring_check.notes(model, ["n", "y"])
    assert "may be wrong" in note
