"""The check at the start: three planted faults are caught, right models pass, calls are counted."""

import gc
import re

import numpy as np
import pytest
import torch

import spex
from models import served as stand_ins
from models.served import FAULTS, Refused
from spex import LogOdds, LogProb, Matches, Probability, Text, ValueFunction
from spex.cli import main
from spex.errors import BackendError, ScoringError
from spex.models import TableModel, load
from spex.models.servers import endpoint
from spex.values import scoring_check
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger, Limits

TEXT = "the ferry left late and no one on the quay was surprised"
WHOLE, LABELS = LogOdds("so it goes", "not again"), LogOdds("y", "n")


def value_on(served, score, **options):
    return ValueFunction(Text(TEXT, prompt="So: {input}"), load(served.name, **options), score)


def finding(value):
    """What the check of a value function's model found."""
    (found,) = scoring_check._FOUND[value.model].values()
    return found


def masks(n, count=9):
    return np.random.default_rng(2).random((count, n)) < 0.5


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["sglang", "vllm"])
@pytest.mark.parametrize("score", [WHOLE, LABELS, LogProb("so it goes")])
def test_planted_faults_stop_the_run_and_nothing_is_kept(server, tmp_path, kind, score, fault):
    value = value_on(server(kind, fault=fault), score)
    with spex.Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ScoringError) as caught:
            spex.explain(value, budget=40, store=store)
        assert len(store) == 0
        # And so the next time, with no further call.
        before = value.model.usage.requests
        with pytest.raises(ScoringError):
            spex.explain(value, budget=40, store=store)
        assert value.model.usage.requests == before
    said = str(caught.value)
    assert "written and read, log P(" in said and "scoring_check='note'" in said
    one, other = re.findall(r"is (-[\d.]+) and (-[\d.]+) nats", said)[0]
    assert abs(float(one) - float(other)) > 0.5
    assert finding(value).largest > 0.5


@pytest.mark.parametrize(
    ("fault", "said"), [("constant", "all have the same"), ("frozen", "is the same to the last")]
)
@pytest.mark.parametrize("kind", ["sglang", "vllm"])
@pytest.mark.parametrize("score", [WHOLE, LABELS])
def test_faults_that_are_in_writing_and_reading_alike(server, kind, score, fault, said):
    with pytest.raises(ScoringError, match=said):
        value_on(server(kind, fault=fault), score)(masks(12))


@pytest.mark.parametrize(
    ("values", "n_prompts", "said"),
    [
        ([{"y": -2.0, "n": -2.0}] * 3, 3, "all have the same, -2.000 nats"),
        ([{"y": 0.0, "n": 0.0}] * 2, 2, "all have the same"),  # two answers cannot both be sure
        ([{"y": -1.5, "n": -2.0}] * 3, 3, "after 3 different prompts"),
        ([{"y": -1.5, "n": -2.0}] * 2, 1, None),  # one prompt, asked twice
        ([{"y": -1e-7, "n": -1e-7}] + [{"y": -1e-7, "n": -20.0}] * 2, 3, None),
        ([{"y": 0.0}] * 3, 3, None),  # a sure answer
        ([{"y": -1.5, "n": -2.0}] * 2 + [{"y": -1.6, "n": -2.0}], 3, None),
    ],
)
def test_sameness(values, n_prompts, said):
    found = scoring_check._Comparisons(0.5)
    read = [{answer: np.array([value]) for answer, value in one.items()} for one in values]
    found.see_sameness(read, {answer: [ord(answer)] for answer in values[0]}, n_prompts)
    assert [said in one for one in found.finding.differences] == ([True] if said else [])


def refusing(status):
    def refuse(served, body):
        raise Refused("not here", status)

    return refuse


@pytest.mark.parametrize("status", [400, 404])
def test_a_server_that_refuses_its_replies_is_checked_in_part(server, monkeypatch, status):
    served = server("sglang")
    right = value_on(served, LABELS)(masks(12))
    monkeypatch.setitem(stand_ins.ROUTES, "/v1/chat/completions", refusing(status))
    value = value_on(served, LABELS)
    np.testing.assert_allclose(value(masks(12)), right, atol=1e-9)
    assert finding(value).compared == ("alone and in a batch",)
    e = spex.explain(value, budget=8)
    assert any("were checked in part" in note for note in e.notes)


def test_a_reply_that_is_no_reply_of_generate(server, monkeypatch):
    def empty(served, body):
        return {"text": "", "meta_info": {"output_token_ids_logprobs": [], "prompt_tokens": 3}}

    monkeypatch.setitem(stand_ins.ROUTES, "/generate", empty)
    with pytest.raises(BackendError, match="lacks log-probabilities that were asked for"):
        value_on(server("sglang"), LABELS)(masks(12))


def test_a_limit_of_the_rate_is_told_once(server, monkeypatch):
    right, asked = stand_ins.ROUTES["/generate"], []

    def limited(served, body):
        asked.append(body)
        stand_ins.check(len(asked) % 2, "slow down", 429)
        return right(served, body)

    monkeypatch.setitem(stand_ins.ROUTES, "/generate", limited)
    monkeypatch.setattr(endpoint, "_pause", lambda first, attempt: 0.0)
    told = []
    value = value_on(server("sglang"), LABELS, notice=told.append)
    assert np.isfinite(value(masks(12))).all()
    (message,) = told
    assert "slow down" in message and message.endswith("requests wait for it")


@pytest.mark.parametrize("fault", ["shifted", "chance"])
def test_faults_of_top_logprobs(server, fault):
    served = server("openai")
    value = value_on(served, LogProb("x"))
    text, _ = value.model.written(value._full_prompt, 1)
    whole = np.ones((1, 12), dtype=bool)
    assert value_on(served, LogProb(text))(whole).shape == (1,)
    with pytest.raises((ScoringError, BackendError)) as caught:
        value_on(server("openai", fault=fault), LogProb(text))(whole)
    # Or else the label is not even among those that the server tells.
    assert "written and read" in str(caught.value) or "is not one of the" in str(caught.value)


@pytest.mark.parametrize("kind", ["sglang", "vllm", "old vllm"])
@pytest.mark.parametrize(
    ("score", "compared"),
    [
        (LABELS, {"alone and in a batch", "written and read"}),
        (Probability("so it goes"), {"alone and in a batch", "written and read", "by itself and"}),
    ],
)
def test_right_servers_pass(server, kind, score, compared):
    value = value_on(server(kind), score)
    assert value.n_calls_of_check == scoring_check.N_CALLS
    value(masks(12))
    found = finding(value)
    assert found.differences == () and found.largest < 1e-4
    assert {ways for ways in found.compared for one in compared if ways.startswith(one)} == set(
        found.compared
    )
    assert len(found.compared) == len(compared)
    assert value.n_calls_of_check == 0


def test_values_of_a_model_that_was_let_pass_are_kept_apart(server, tmp_path):
    served = server("sglang", fault="chance")
    value = value_on(served, LABELS, scoring_check="note")
    with spex.Store(tmp_path / "s.sqlite") as store:
        spex.explain(value, budget=8, store=store)
        kept = len(store)
        assert kept > 0
        # Neither does a run that would stop take them for right, nor is a repeated one silent.
        with pytest.raises(ScoringError):
            spex.explain(value_on(served, LABELS), budget=8, store=store)
        again = spex.explain(value_on(served, LABELS, scoring_check="note"), budget=8, store=store)
        assert len(store) == kept and any("was not checked" in note for note in again.notes)


def test_the_user_may_go_on_and_the_report_says_so(server, tmp_path, monkeypatch, capsys):
    served = server("sglang", fault="chance")
    e = spex.explain(value_on(served, LABELS, scoring_check="note"), budget=8)
    (note,) = [one for one in e.notes if "log-probabilities may be wrong" in one]
    assert "written and read" in note and "nats" in note
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("no one on the quay")
    call = ["explain", "--text", "a.txt", "--model", served.name, "--score", "logodds:y,n"]
    assert main([*call, "--budget", "8", "--no-store"]) == 1
    assert "--scoring-check note" in capsys.readouterr().err
    assert main([*call, "--budget", "8", "--no-store", "--scoring-check", "note"]) == 0
    assert "log-probabilities may be wrong" in capsys.readouterr().out
    assert main([*call, "--scoring-check", "notes"]) == 2
    with pytest.raises(spex.ArgumentError, match=r"'nots' is unknown.*use 'stop' or 'note'"):
        load(served.name, scoring_check="nots")


def test_a_model_is_checked_once_for_each_kind_of_answer(server):
    served = server("sglang")
    model = load(served.name)
    first = ValueFunction(Text(TEXT), model, LABELS)
    first(masks(12))
    n_requests = len(served.log)
    ValueFunction(Text("six pears, no plums"), model, LogProb("n"))(masks(4, 1))
    # Tokens of one answer, and two requests for the mask.
    assert len(served.log) == n_requests + 2
    other = ValueFunction(Text(TEXT), model, WHOLE)
    assert other.n_calls_of_check == scoring_check.N_CALLS


def test_stored_values_cost_no_check(server, tmp_path):
    served = server("sglang")
    value = value_on(served, LABELS)
    first = spex.explain(value, budget=20, store=tmp_path / "s.sqlite")
    again = value_on(served, LABELS)
    before = len(served.log)
    second = spex.explain(again, budget=20, store=tmp_path / "s.sqlite")
    assert second.to_dict()["spectrum"] == first.to_dict()["spectrum"]
    assert len(served.log) == before and again.n_calls_of_check == scoring_check.N_CALLS


def test_values_are_the_same_with_a_check_and_without(server):
    served = server("sglang")
    value = value_on(served, WHOLE)
    some = masks(12)
    first = value(some)
    np.testing.assert_allclose(value(some), first, atol=1e-9)


def test_tables_functions_and_replies_are_not_checked(server):
    table = TableModel(lambda prompt, answer: -float(len(prompt)))
    value = ValueFunction(Text(TEXT), table, LogProb("yes"))
    assert value.n_calls_of_check == 0
    value(masks(12))
    assert table.n_scored == 9
    reply = ValueFunction(Text(TEXT), lambda prompt: "yes", Matches("yes"))
    assert reply.n_calls_of_check == 0
    assert value_on(server("sglang"), Matches("a")).n_calls_of_check == 0


def test_a_check_counts_towards_limits(server):
    served = server("vllm")
    value = value_on(served, LABELS)
    ledger = Ledger(Limits(calls=12))
    asked = sum(len(rows) for rows, _ in _until_limit(Limited(value, ledger), masks(12, 40)))
    assert ledger.calls == 12 and asked == 12 - scoring_check.N_CALLS
    few = Ledger(Limits(calls=scoring_check.N_CALLS))
    assert not list(_until_limit(Limited(value_on(served, LABELS), few), masks(12)))
    assert few.calls == 0
    with pytest.raises(spex.ArgumentError, match="before the first value takes 5 calls"):
        spex.explain(value_on(served, LABELS), budget=40, limits=Limits(calls=5))
    e = spex.explain(value_on(served, LABELS), budget=40, limits=Limits(calls=20))
    assert e.stopped == "the limit of 20 calls is reached (5 of them checked the log-probabilities)"


@pytest.mark.parametrize("score", [LABELS, WHOLE])
def test_no_limit_of_tokens_is_exceeded_by_a_check(server, score):
    served = server("sglang")
    for limit in (100, 500, 2000, 10_000):
        value = value_on(served, score)
        used = value.model.usage
        before = used.prompt_tokens + used.completion_tokens
        list(_until_limit(Limited(value, Ledger(Limits(tokens=limit))), masks(12, 40)))
        assert used.prompt_tokens + used.completion_tokens - before <= limit


def _until_limit(source, some):
    try:
        yield from source.stream(some)
    except spex.SpexError as error:
        assert "limit" in str(error)


def test_faults_are_not_borne(server):
    value = value_on(server("vllm", fault="shifted"), LABELS)
    with pytest.raises(ScoringError):
        spex.explain(value, budget=40, faults=spex.Faults(retries=5, gaps=0.5))


# --- models on this machine ----------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mamba", "t5", "mistral-window"])
@pytest.mark.parametrize("answer", ["no", " n"])
def test_models_of_transformers_pass(save_tiny_model, tmp_path, architecture, answer):
    kind = "AutoModelForSeq2SeqLM" if architecture == "t5" else "AutoModelForCausalLM"
    folder = save_tiny_model(tmp_path, architecture, auto_class=kind)
    value = ValueFunction(Text("a b c d"), f"hf:{folder}", LogProb(answer))
    value(masks(4))
    assert finding(value).differences == () and finding(value).largest < 1e-3
    # What is known of a model ends with it.
    count = len(scoring_check._FOUND)
    del value
    gc.collect()
    assert len(scoring_check._FOUND) < count


@pytest.mark.parametrize("labels", [1, 3])
def test_classifiers_pass(save_tiny_model, tmp_path, labels):
    folder = save_tiny_model(
        tmp_path,
        "bert",
        special="<s> $A </s>",
        auto_class="AutoModelForSequenceClassification",
        num_labels=labels,
    )
    value = ValueFunction(Text("a b c d"), f"hf:{folder}", LogProb("LABEL_0"))
    value(masks(4))
    assert finding(value).differences == () and "alone and in a batch" in finding(value).compared


def test_half_precision_is_rounding(tiny_folder):
    model = load(f"hf:{tiny_folder}", dtype="bfloat16")
    value = ValueFunction(Text("a b c d"), model, LogOdds("no", "n"))
    value(masks(4))
    assert model.rounding > 0.1 and finding(value).differences == ()


def test_a_reply_with_other_tokens_when_it_is_read_is_not_compared(tiny_folder, monkeypatch):
    # As where a tokenizer puts a space before an answer, but the model writes none.
    model = load(f"hf:{tiny_folder}")
    right = model._tokenize
    monkeypatch.setattr(
        model, "_tokenize", lambda text, special: [(one + 1) % 200 for one in right(text, special)]
    )
    value = ValueFunction(Text("a b c d"), model, LogOdds("no", "n"))
    value(masks(4))
    assert "written and read" not in finding(value).compared
    assert finding(value).differences == ()


@pytest.mark.parametrize("fault", ["shifted", "batch"])
def test_faults_on_this_machine(tiny_folder, monkeypatch, fault):
    model = load(f"hf:{tiny_folder}")
    # So that it writes letters.
    plain = [model._tokenizer.decode([one]).isascii() and one > 1 for one in range(260)]
    model._model.lm_head.weight.data[~torch.tensor(plain)] = 0
    right = model._score

    def wrong(prompts, answers, share):
        for number, values in right(prompts, answers, share):
            if fault == "shifted":
                values = [np.array([-1.0, *of_answer[:-1]]) for of_answer in values]
            elif len(prompts) > 1:  # as if padding were read
                values = [of_answer - 0.1 for of_answer in values]
            yield number, values

    monkeypatch.setattr(model, "_score", wrong)
    ways = "written and read" if fault == "shifted" else "alone and in a batch"
    with pytest.raises(ScoringError, match=ways):
        ValueFunction(Text("a b c d"), model, LogProb("no so"))(masks(4))


def test_zoom_and_many_check_once(server):
    served = server("sglang")
    model = load(served.name)
    texts = [Text(f"{word} pears, no plums") for word in ("six", "ten")]
    functions = [(text.text, ValueFunction(text, model, LABELS)) for text in texts]
    spex.explain_many(functions, budget=16)
    written = [body for body in served.bodies("/v1/chat/completions") if body.get("logprobs")]
    assert len(written) == 1
