"""Gradients of tiny models: completeness, a linear network, what is refused."""

import numpy as np
import pytest

import spex
from models.conftest import _save_tiny_model
from spex.evaluate.gradients import GradientTimesInput, IntegratedGradients
from spex.models import load


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    return load(f"hf:{_save_tiny_model(tmp_path_factory.mktemp('causal'), initializer_range=0.2)}")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = _save_tiny_model(
        tmp_path_factory.mktemp("classifier"),
        "bert",
        auto_class="AutoModelForSequenceClassification",
        special="<s> $A </s>",
    )
    return load(f"hf:{folder}")


def masker():
    return spex.Text("no nay never no more", prompt="Say: {input}!")


def scored(model, embeddings, value):
    """The score at embeddings, by the log-probabilities of the network."""
    from spex.evaluate.gradients import _Score
    from spex.models.transformers.differentiable import DifferentiableModel

    with model._torch.no_grad():
        return float(_Score(DifferentiableModel(model), value)(embeddings))


@pytest.mark.parametrize("score", [spex.LogOdds("yes", "no"), spex.LogProb("yes"),
                                   spex.LogProb("yes", reduce="mean")])  # fmt: skip
def test_integrated_gradients_are_complete(causal, score):
    """The values sum to the score less that of embeddings of zero, both from other code."""
    from spex.models.transformers.differentiable import DifferentiableModel

    value = spex.ValueFunction(masker(), causal, score)
    found = IntegratedGradients(n_steps=200).attribute(value)
    present = np.ones((1, value.n_features), dtype=bool)
    full, empty = value(present)[0], found.spectrum.predict(~present)[0]
    assert found.spectrum.predict(present)[0] == pytest.approx(full, abs=1e-4)

    model = DifferentiableModel(causal)
    read = model.read(value.masker.render(present[0]))
    embeddings = model.embeddings(read.tokens)
    inside = [
        any(c.isalpha() and 5 <= at < len(read.text) - 1 for at, c in
            list(enumerate(read.text))[start:stop])
        for start, stop in read.spans
    ]  # fmt: skip
    embeddings[0, inside] = 0.0
    # The quadrature's error: near zero, where a norm divides by little, gradients are steep.
    error = abs(empty - scored(causal, embeddings, value))
    assert error < 0.02 * abs(full - empty)


def test_passes_are_counted(causal):
    value = spex.ValueFunction(masker(), causal, spex.LogOdds("yes", "no"))
    # One for the score, one for each step; each reads two answers.
    assert IntegratedGradients(n_steps=7).attribute(value).n_evaluations == 2 * (1 + 7)
    assert GradientTimesInput().attribute(value).n_evaluations == 2 * 2


def test_gradient_times_input_by_finite_differences(causal):
    """The value of a feature is the derivative of the score by the scale of its embeddings."""
    from spex.models.transformers.differentiable import DifferentiableModel

    value = spex.ValueFunction(masker(), causal, spex.LogProb("yes"))
    found = dict(GradientTimesInput().attribute(value).spectrum.items())
    model = DifferentiableModel(causal)
    read = model.read(value.masker.render(np.ones(value.n_features, dtype=bool)))
    start = read.text.index("never")
    inside = [a < start + 5 and b > start for a, b in read.spans]  # a space may go with it
    embeddings = model.embeddings(read.tokens)
    values = []
    for scale in (1.01, 0.99):
        scaled = embeddings.clone()
        scaled[0, inside] *= scale
        values.append(scored(causal, scaled, value))
    # Of order 1 the attribution is -2 F({i}).
    assert -2 * found[(2,)] == pytest.approx((values[0] - values[1]) / 0.02, rel=0.05, abs=1e-3)


def test_the_attention_kernel_is_put_back(causal):
    assert causal.shares_prefixes
    before = causal._model.config._attn_implementation
    value = spex.ValueFunction(masker(), causal, spex.LogProb("yes"))
    values = value(np.eye(5, dtype=bool))
    IntegratedGradients(n_steps=2).attribute(value)
    assert causal._model.config._attn_implementation == before
    np.testing.assert_array_equal(value(np.eye(5, dtype=bool)), values)


def test_classifier(classifier):
    value = spex.ValueFunction(spex.Text("no nay never no more"), classifier,
                               spex.LogOdds("LABEL_0", "LABEL_1"))  # fmt: skip
    found = IntegratedGradients(n_steps=20).attribute(value)
    present = np.ones((1, 5), dtype=bool)
    assert found.spectrum.predict(present) == pytest.approx(value(present), abs=1e-4)
    assert found.spectrum.degree == 1


def test_what_is_refused(causal):
    with pytest.raises(spex.ArgumentError, match=r"spex.ValueFunction of a spex.Text"):
        IntegratedGradients().attribute(lambda masks: masks[:, 0])
    with pytest.raises(spex.ArgumentError, match=r"LogProb or spex.LogOdds"):
        IntegratedGradients().attribute(
            spex.ValueFunction(masker(), causal, spex.Probability("yes"))
        )
    with pytest.raises(spex.ArgumentError, match="below 1"):
        IntegratedGradients(n_steps=0)
    with pytest.raises(spex.ArgumentError, match="no gradients here"):
        IntegratedGradients().attribute(
            spex.ValueFunction(spex.Text("a b c"), lambda prompt: "x", lambda prompt, reply: 1.0)
        )
