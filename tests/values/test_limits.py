"""Limits of cost hold to the call, and what there is then is explained."""

import numpy as np
import pytest

import spex
from spex.models.servers.usage import Usage
from spex.report.html import render_html
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger, LimitReached
from spex.values.source import as_source

TEXT = "never dull often funny and not too long at all"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Server:
    """A model on a server: a prompt takes `requests` requests, each of its words and 20 tokens."""

    name, identity, may_vary = "server", "server 1", False

    def __init__(self, requests=1, price=(1.0, 2.0)):
        self.usage, self.requests = Usage(price=price), requests

    def check_prompts(self, prompts, answers):
        pass

    def log_probs(self, prompts, answers):
        for number, prompt in enumerate(prompts):
            self.usage.requests += self.requests
            self.usage.prompt_tokens += self.requests * (len(prompt.text.split()) + 20)
            self.usage.completion_tokens += self.requests
            yield number, [np.array([-0.1 * len(prompt.text)]) for _ in answers]

    def generate(self, prompts, max_new_tokens=64):
        self.usage.prompt_tokens += 50
        return ["yes" for _ in prompts]

    def answer_tokens(self, answer):
        return [(0, len(answer))]


class Local:
    name, identity = "local", "local 1"

    def __init__(self):
        self.read = 0

    def check_prompts(self, prompts, answers):
        pass

    def count_tokens(self, prompts):
        return [len(prompt.text.split()) + 5 for prompt in prompts]

    def log_probs(self, prompts, answers):
        for number, prompt in enumerate(prompts):
            self.read += sum(self.count_tokens([prompt])) + len(answers)
            yield number, [np.array([-0.1 * len(prompt.text)]) for _ in answers]

    def generate(self, prompts, max_new_tokens=64):
        return ["yes" for _ in prompts]

    def answer_tokens(self, answer):
        return [(0, len(answer))]


def counted(n=12):
    def f(masks):
        f.asked += len(masks)
        return masks[:, 0] * 2.0 - masks[:, 1] * masks[:, 2]

    f.asked, f.features, f.identity = 0, [f"x{i}" for i in range(n)], "f"
    return f


@pytest.mark.parametrize("calls", [4, 37, 100, 300, 5000])
def test_calls(calls):
    f = counted()
    e = spex.explain(f, budget=300, limits=spex.Limits(calls=calls))
    assert f.asked == e.n_evaluations == min(calls, 300)
    partial = [note for note in e.notes if note.startswith("Partial: ")]
    assert len(partial) == (calls < 300) == (e.stopped is not None)
    assert spex.Explanation.from_dict(e.to_dict()).stopped == e.stopped
    if calls == 100:
        assert "the limit of 100 calls is reached after 100 of 300 evaluations" in partial[0]
        assert e.r2 > 0.9 and e.interactions().top(1)
        assert e.stopped == "the limit of 100 calls is reached"
        assert "100 evaluations (partial)" in repr(e)
        assert all(part in render_html([e]) for part in ("100 evaluations (partial)", "Stopped"))


def test_too_few_values_are_an_error():
    f = counted()
    with pytest.raises(spex.ArgumentError, match="after 2 values, and a fit needs 4; raise it"):
        spex.explain(f, budget=300, limits=spex.Limits(calls=2))
    for wrong in ({"calls": 0}, {"tokens": -1}, {"seconds": 0.0}, {"cost": float("nan")}):
        with pytest.raises(spex.ArgumentError):
            spex.Limits(**wrong)


def test_stored_values_are_free(tmp_path):
    f = counted()
    store = tmp_path / "store.sqlite"
    spex.explain(f, budget=100, store=store, limits=spex.Limits(calls=60))
    whole = spex.explain(f, budget=100, store=store, limits=spex.Limits(calls=60))
    assert f.asked == 100 and not any(note.startswith("Partial") for note in whole.notes)
    plain = spex.explain(counted(), budget=100)
    assert list(whole.spectrum.items()) == list(plain.spectrum.items())


def test_seconds():
    clock = Clock()
    f = counted()

    def slow(masks):
        clock.now += 0.5 * len(masks)
        return f(masks)

    source = Limited(as_source(slow, 12), Ledger(spex.Limits(seconds=10.0), clock))
    masks = np.random.default_rng(0).random((200, 12)) < 0.5
    rows = []
    with pytest.raises(LimitReached, match="the limit of 10 seconds"):
        for numbers, _ in source.stream(masks):
            rows += numbers.tolist()
    assert len(rows) == f.asked == 4 + 20 and clock.now == 12.0  # the first four come on top
    assert rows == list(range(len(rows)))


def test_seconds_are_those_of_the_source_and_leave_enough_for_a_fit():
    clock = Clock()
    f = counted()

    def slow(masks):
        clock.now += 0.1 * len(masks) + 20.0 * (f.asked == 0)  # it loads what it needs
        return f(masks)

    source = Limited(as_source(slow, 12), Ledger(spex.Limits(seconds=3.0), clock))
    clock.now += 1000.0  # something else
    masks = np.random.default_rng(0).random((200, 12)) < 0.5
    with pytest.raises(LimitReached, match="the limit of 3 seconds"):
        for _ in source.stream(masks):
            clock.now += 1000.0  # a fit
    assert f.asked >= 4 + 29 and clock.now % 1000 <= 20 + 3.5

    def slower(masks):
        clock.now += 60.0
        return f(masks)

    few = Limited(as_source(slower, 12), Ledger(spex.Limits(seconds=1.0), clock))
    assert sum(len(rows) for rows, _ in _until_reached(few, masks)) >= 4


def _until_reached(source, masks):
    try:
        yield from source.stream(masks)
    except LimitReached:
        return


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("limits", [{"tokens": 8_000}, {"cost": 0.012}])
def test_replies_without_counts_are_counted_at_their_bound(share, limits):
    """A server that tells no tokens of all or some of its replies stops in time, and says so."""

    class Silent(Server):
        spent, rng = np.zeros(2), np.random.default_rng(0)

        def log_probs(self, prompts, answers):
            for number, values in super().log_probs(prompts, answers):
                read, written = len(prompts[number].text.split()) + 20, 1
                self.spent = np.add(self.spent, (read, written))
                if self.rng.random() < share:
                    self.usage.prompt_tokens -= read
                    self.usage.completion_tokens -= written
                    self.usage.uncounted += 1
                yield number, values

    model = Silent()
    f = spex.ValueFunction(spex.Text(TEXT), model, spex.LogOdds("good", "bad"))
    e = spex.explain(f, budget=400, limits=spex.Limits(**limits))
    bound = 1e6 * limits.get("cost", 0) or limits["tokens"]
    spent = model.spent @ ((1, 1) if "tokens" in limits else (1, 2))
    assert bound / 10 < spent <= bound and e.n_evaluations < 400
    assert "the server told no tokens of some replies" in e.stopped
    assert "cost" not in e.context.usage and e.context.usage["uncounted"] == model.usage.uncounted
    assert "the server told no tokens of" in render_html([e])


def test_what_fails_is_no_call(monkeypatch):
    monkeypatch.setattr("spex.values.source._LARGEST_BATCH", 16)
    f, rng = counted(), np.random.default_rng(3)

    def failing(masks):
        if rng.random() < 0.3:
            raise OSError("connection lost")
        return f(masks)

    failing.features = f.features
    faults = spex.Faults(retries=9)
    e = spex.explain(failing, budget=300, limits=spex.Limits(calls=300), faults=faults)
    assert e.stopped is None and f.asked == 300
    e = spex.explain(failing, budget=300, limits=spex.Limits(calls=100), faults=faults)
    assert f.asked - 300 == e.n_evaluations == 100


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize("limit", [2_000, 10_000, 30_000])
def test_tokens_and_cost_of_a_server(requests, limit):
    for limits in (spex.Limits(tokens=limit), spex.Limits(cost=limit * 1e-6)):
        model = Server(requests)
        f = spex.ValueFunction(spex.Text(TEXT), model, spex.LogProb())
        e = spex.explain(f, budget=400, limits=limits)
        spent = {
            "tokens": model.usage.prompt_tokens + model.usage.completion_tokens,
            "cost": model.usage.cost * 1e6,
        }["tokens" if limits.tokens else "cost"]
        assert spent <= limit
        # What is left would hardly have paid for another call, which is bounded by its bytes.
        assert e.n_evaluations == 400 or limit - spent < requests * 2 * 300
        assert e.n_evaluations == 400 or "Partial: the limit of" in e.notes[0]


def test_tokens_of_a_local_model():
    model = Local()
    f = spex.ValueFunction(spex.Text(TEXT), model, spex.LogOdds("good", "bad"))
    e = spex.explain(f, budget=400, limits=spex.Limits(tokens=3_000))
    assert 2_000 < model.read <= 3_000 and e.n_evaluations < 400


@pytest.mark.parametrize(("model", "limit"), [(Local(), 30_000), (Server(), 60_000)])
def test_prompts_are_rendered_no_further_than_a_limit(monkeypatch, model, limit):
    """Twice, to bound what they cost and to ask, and a few more for each portion."""
    f = spex.ValueFunction(spex.Text(TEXT * 3), model, spex.LogOdds("good", "bad"))
    masks = np.random.default_rng(0).random((20_000, f.n_features)) < 0.5
    rendered, render = 0, spex.Text.render

    def counting(self, mask):
        nonlocal rendered
        rendered += 1
        return render(self, mask)

    monkeypatch.setattr(spex.Text, "render", counting)
    done = 0
    with pytest.raises(LimitReached):
        for rows, _ in Limited(f, Ledger(spex.Limits(tokens=limit))).stream(masks):
            done += len(rows)
    assert 500 < done < 5_000 and rendered < 4 * done


def test_what_tells_no_tokens_or_cost_is_refused():
    for f, limits, what in (
        (counted(), spex.Limits(tokens=100), "needs a language model"),
        (
            spex.ValueFunction(spex.Text(TEXT), Local(), spex.LogProb("yes")),
            spex.Limits(cost=1.0),
            "needs the price",
        ),
        (
            spex.ValueFunction(spex.Text(TEXT), Server(price=None), spex.LogProb("yes")),
            spex.Limits(cost=1.0),
            "needs the price",
        ),
    ):
        with pytest.raises(spex.ArgumentError, match=what):
            spex.explain(f, budget=50, limits=limits)


def test_a_limit_that_leaves_no_whole_design(tmp_path):
    f = counted(14)
    with pytest.raises(spex.ArgumentError, match=r"limit of 50 calls is reached after 50 of 300"):
        spex.explain(
            f, budget=300, method="spex", store=tmp_path / "s", limits=spex.Limits(calls=50)
        )
    assert spex.explain(f, budget=300, method="spex", store=tmp_path / "s").n_evaluations == 300
    assert f.asked == 300
