"""Models that answer differently each time: the noise, what it means, and what it costs."""

import numpy as np
import pytest

import spex
from spex import Text, ValueFunction
from spex.cli import main
from spex.explaining import result, run_of
from spex.models import FunctionModel, TableModel
from spex.values.evaluator import evaluate
from spex.values.repeatability import noise, told

TEXT = Text("a b c d e f g h i")


class Model:
    """Replies with a number: a function of the prompt, and noise."""

    def __init__(self, sd, seed=0, fails_after=np.inf):
        self.sd, self.rng, self.calls = sd, np.random.default_rng(seed), 0
        self.fails_after = fails_after

    def __call__(self, prompt):
        self.calls += 1
        if self.calls > self.fails_after:
            raise RuntimeError("gone")
        words = prompt.split()
        value = ("a" in words) + ("b" in words) * ("c" in words)
        return repr(float(value + self.sd * self.rng.normal()))


def source(model):
    return ValueFunction(TEXT, FunctionModel(model), lambda prompt, reply: float(reply))


def variance(sd, seed=0, budget=60):
    model = Model(sd, seed)
    run = run_of(source(model), budget, method="linear")
    evaluate(run, source(model), None)
    calls = model.calls
    return noise(run, source(model), None), model.calls - calls


def test_the_same_again_costs_two_calls():
    found, calls = variance(0.0)
    assert (found.tolist(), calls) == ([0.0], 2)
    model = Model(0.0)
    explanation = spex.explain(source(model), budget=60)
    assert (model.calls, explanation.n_evaluations, explanation.notes) == (62, 60, ())


def test_the_variance_is_that_of_the_noise():
    found = [variance(0.3, seed) for seed in range(40)]
    assert {calls for _, calls in found} == {10}
    assert np.mean([values[0] for values, _ in found]) == pytest.approx(0.09, rel=0.2)
    assert variance(0.3, budget=512)[1] == 10


def test_the_unmasked_prompt_is_asked_again():
    prompts = []

    def reply(prompt):
        prompts.append(prompt)
        return "1"

    spex.explain(source(reply), budget=20)
    assert prompts[-2] == "a b c d e f g h i" != prompts[-1]
    assert prompts.count(prompts[-1]) == 2


def test_the_note_says_what_the_noise_is_of():
    explanation = spex.explain(source(Model(0.3)), budget=200, method="gp")
    (note,) = explanation.notes
    assert note.startswith("The model gives other values when it is asked again")
    total = explanation.unexplained / (1 - explanation.r2)
    clean = told(spex.explain(source(Model(0.0)), budget=200, method="linear"), 0.02)
    unexplained = clean.unexplained
    share = 100 * 0.02 / unexplained
    assert f"of about {0.02**0.5:.2g}. About {share:.0f} % of the unexplained" in clean.notes[0]
    reach = 1 - 0.02 / (unexplained / (1 - clean.r2))
    assert f"an R2 above about {reach:.2f}." in clean.notes[0]
    # The function's variance over masks is 1/4 + 3/16.
    assert total == pytest.approx(0.25 + 3 / 16 + 0.09, rel=0.3)


def test_noise_alone_promises_nothing():
    explanation = spex.explain(source(Model(1000.0)), budget=100)
    reach = float(explanation.notes[-1].removesuffix(".").rpartition(" ")[2])
    assert reach < 0.7
    assert all(expected <= reach + 0.005 for expected in explanation.forecast.values())


def test_an_exact_explanation_says_that_it_explains_noise():
    (note,) = spex.explain(source(Model(0.3)), budget=512).notes
    assert note.endswith(" of the variance is this noise, explained as if it were an effect.")


def test_each_output_has_its_own():
    model = FunctionModel(Model(0.3))
    scores = [lambda prompt, reply: float(reply), lambda prompt, reply: float(len(prompt))]
    noisy, steady = spex.explain(ValueFunction(TEXT, model, scores), budget=60).values()
    assert len(noisy.notes) == 1 and not steady.notes


def test_what_was_asked_again_is_kept(tmp_path):
    path = tmp_path / "s.sqlite"
    model = Model(0.3)
    score = spex.ReplyScore(lambda prompt, reply: float(reply), "number")
    value = ValueFunction(TEXT, FunctionModel(model, identity="noisy"), score)
    first = spex.explain(value, budget=60, store=path)
    assert model.calls == 70
    second = spex.explain(value, budget=60, store=path)
    assert model.calls == 70
    assert first.notes == second.notes != ()


def test_a_failure_when_asked_again_loses_nothing():
    explanation = spex.explain(source(Model(0.3, fails_after=60)), budget=60)
    assert explanation.n_evaluations == 60
    (note,) = explanation.notes
    assert note.endswith("is unknown: asking again failed.")


def test_models_that_cannot_vary_are_not_asked_again():
    calls = []
    model = TableModel(lambda prompt, answer: calls.append(prompt) or -1.0)
    spex.explain(ValueFunction(TEXT, model, spex.LogProb("x")), budget=60)
    assert len(calls) == 60


def test_a_run_that_is_given_no_variance_says_nothing():
    run = run_of(source(Model(0.3)), 60)
    evaluate(run, source(Model(0.3)), None)
    assert result(run, source(Model(0.3)), forecast=False).notes == ()


def test_the_dry_run_says_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "review.txt").write_text("a b c d e f g h i j k l\n")
    (tmp_path / "some_replies.py").write_text("def function(prompt):\n    return 'x'\n")
    call = ["explain", "--text", "review.txt", "--score", "matches:x", "--dry-run"]
    again = "2 calls more to see whether the model gives the same values again; {} more if it does"
    for model in ("reply:some_replies:function", "openai:m@http://127.0.0.1:9/v1"):
        assert main([*call, "--model", model]) == 0
        assert again.format(20) in capsys.readouterr().out
    assert main([*call, "--model", model, "--budget", "100"]) == 0
    assert again.format(8) in capsys.readouterr().out


@pytest.mark.parametrize("budget", [4, 9, 60, 512])
def test_some_of_what_a_run_was_told(budget):
    run = spex.Run(9, budget)
    while len(masks := run.ask()):
        run.tell(masks, masks @ np.arange(9.0))
    masks, values = run.some_told(10)
    assert masks[0].all() and len(np.unique(masks, axis=0)) == len(masks) == min(budget, 10)
    np.testing.assert_array_equal(values[:, 0], masks @ np.arange(9.0))
