"""A prompt over a data set: means over items, calls counted, none repeated, R2 of the mean."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import spex
from spex.fitting.item_means import fidelity_without_noise
from spex.values.dataset_run import Allocation, DatasetRun, allocation
from spex.values.item_calls import joined_calls, split_calls

N, ITEMS = 6, 20
PARTS = [f"part {i}" for i in range(N)]
MASKS = np.arange(1 << N)[:, None] >> np.arange(N) & 1 == 1


def random_table(seed=0, noise=0.5):
    """Values (2^N, ITEMS): two effects and a pair on all items, strong items, and noise of both."""
    rng = np.random.default_rng(seed)
    mean = 1.5 * MASKS[:, 0] - 1.0 * MASKS[:, 1] + 2.0 * (MASKS[:, 2] & MASKS[:, 3])
    items = 2 * rng.normal(size=ITEMS)
    return mean[:, None] + items + noise * rng.normal(size=(1 << N, ITEMS))


class Model:
    """Replies with the number that a table has for the parts and the item; keeps each prompt."""

    def __init__(self, table, fails_after=None):
        self.table, self.prompts, self.fails_after = table, [], fails_after
        self.identity = "table"

    def __call__(self, prompt):
        if len(self.prompts) == self.fails_after:
            raise spex.BackendError("the server is down")
        self.prompts.append(prompt)
        *parts, item = prompt.splitlines()
        mask = sum(1 << int(part.split()[1]) for part in parts)
        return repr(float(self.table[mask, int(item.split()[1])]))


NUMBER = spex.ReplyScore(lambda prompt, reply: float(reply), name="number")


def dataset(model, items=None, **options):
    items = [f"item {i}" for i in range(ITEMS)] if items is None else items
    return spex.DatasetValue([*PARTS, "{input}"], items, model, NUMBER, **options)


def true_r2(explanation, table):
    mean = table.mean(axis=1)
    return 1 - ((explanation.predict(MASKS) - mean) ** 2).mean() / mean.var()


def test_values_are_means_over_all_items():
    model = Model(random_table())
    value = dataset(model)
    assert value.features == tuple(PARTS)
    np.testing.assert_allclose(value(MASKS[:9]), model.table[:9].mean(axis=1), rtol=1e-15)
    assert max(Counter(model.prompts).values()) == 1 and len(model.prompts) == 9 * ITEMS


def test_all_masks_on_all_items_are_exact():
    model = Model(random_table())
    e = spex.explain(dataset(model), budget=(1 << N) * ITEMS)
    assert e.r2 == 1.0 and e.n_evaluations == 1 << N and len(model.prompts) == (1 << N) * ITEMS
    np.testing.assert_allclose(e.predict(MASKS), model.table.mean(axis=1), rtol=1e-12)
    assert "1,280 scores: 64 masks, each on all 20 items" in repr(e)


@pytest.mark.parametrize("budget", [100, 255, 640])
def test_the_budget_counts_calls_and_none_is_repeated(budget):
    model = Model(random_table())
    e = spex.explain(dataset(model), budget=budget, method="linear")
    assert budget - 10 <= len(model.prompts) <= budget and e.budget == budget
    assert max(Counter(model.prompts).values()) == 1
    per_mask = Counter(prompt.rpartition("\n")[0] for prompt in model.prompts)
    assert e.n_evaluations == len(per_mask) and set(per_mask.values()) <= {4, 10}


def test_r2_is_that_of_the_mean_and_its_interval_holds():
    held, errors, noisy = 0, [], []
    for seed in range(20):
        table = random_table(seed, noise=2.0)
        value = dataset(Model(table))
        run = value.begin(200, method="linear", seed=seed)
        calls = run.ask()
        masks, items = split_calls(calls, N)
        run.tell(calls, table[masks @ (1 << np.arange(N)), items])
        e, true = run.fit(), true_r2(run.fit(), table)
        held += e.r2_interval[0] <= true <= e.r2_interval[1]
        errors.append(e.r2 - true)
        noisy.append(run.fits()[0].explanation.r2 - true)
    assert held >= 16
    assert abs(np.mean(errors)) < 0.12 < abs(np.mean(noisy))


def test_all_masks_with_noise_are_not_called_exact():
    e = spex.explain(dataset(Model(random_table(noise=2.0))), budget=300)
    assert e.n_evaluations == 64 and e.r2 < 1 and e.r2_interval[0] < e.r2_interval[1]
    assert "not estimated" not in repr(e)
    main = e.interactions("BV")
    assert main.interval((0,))[0] < 1.5 < main.interval((0,))[1]


def test_the_same_seed_gives_the_same_result_in_any_order():
    table = random_table()
    settings = {"method": "linear", "seed": 3}
    runs = [dataset(Model(table)).begin(150, **settings) for _ in range(2)]
    calls = runs[0].ask()
    np.testing.assert_array_equal(calls, runs[1].ask())
    masks, items = split_calls(calls, N)
    np.testing.assert_array_equal(calls, joined_calls(masks, items, ITEMS))
    values = table[masks @ (1 << np.arange(N)), items]
    runs[0].tell(calls, values)
    for rows in np.array_split(np.random.default_rng(0).permutation(len(calls)), 7):
        runs[1].tell(calls[rows], values[rows])
    first, second = (run.fit() for run in runs)
    assert dict(first.spectrum.items()) == dict(second.spectrum.items())
    assert (first.r2, first.r2_interval) == (second.r2, second.r2_interval)
    other = dataset(Model(table)).begin(150, method="linear", seed=4)
    assert not np.array_equal(other.ask(), calls)


def test_what_is_finished_is_kept_when_the_model_fails(tmp_path):
    table, settings = random_table(), {"budget": 160, "method": "linear"}
    whole = spex.explain(dataset(Model(table)), **settings)
    broken, again = Model(table, fails_after=77), Model(table)
    with pytest.raises(spex.BackendError, match="down"):
        spex.explain(dataset(broken), store=tmp_path / "s", **settings)
    resumed = spex.explain(dataset(again), store=tmp_path / "s", **settings)
    assert len(broken.prompts) == 77 and len(again.prompts) == 160 - 77
    assert not set(broken.prompts) & set(again.prompts)
    assert dict(whole.spectrum.items()) == dict(resumed.spectrum.items())
    assert whole.r2 == resumed.r2


SCRIPT = """
import sys, time, spex
sys.path.insert(0, {folder!r})
from test_dataset_value import Model, dataset, random_table
table = random_table()

class Slow(Model):
    def __call__(self, prompt):
        time.sleep(0.01)
        with open("log", "a") as log:
            log.write(prompt.replace("\\n", "|") + "\\n")
        return super().__call__(prompt)

spex.explain(dataset(Slow(table)), budget=200, method="linear", store="s").save("e.json")
"""


def test_killed_and_run_again(tmp_path):
    script = [sys.executable, "-c", SCRIPT.format(folder=str(Path(__file__).parent))]
    log = tmp_path / "log"
    process = subprocess.Popen(script, cwd=tmp_path)
    while not log.exists() or len(log.read_text().splitlines()) < 60:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(log.read_text().splitlines())
    subprocess.run(script, cwd=tmp_path, check=True)
    calls = Counter(log.read_text().splitlines())
    # The call that was under way is asked again; those that were finished are not.
    assert len(calls) == 200 and sum(calls.values()) - len(calls) <= 1 and before < 190
    whole = spex.explain(dataset(Model(random_table())), budget=200, method="linear")
    again = spex.Explanation.load(tmp_path / "e.json")
    assert dict(again.spectrum.items()) == dict(whole.spectrum.items())


def test_a_store_knows_items_by_content(tmp_path):
    """Another order, or more items, and the calls of before are not made again."""
    table, everything = random_table(), (1 << N) * ITEMS
    names = [f"item {i}" for i in range(ITEMS)]
    fewer, all_items = Model(table), Model(table)
    with spex.Store(tmp_path / "s") as store:
        spex.explain(dataset(fewer, names[5:]), budget=everything, store=store)
        spex.explain(dataset(all_items, names[::-1]), budget=everything, store=store)
    assert len(fewer.prompts) == 64 * 15 and len(all_items.prompts) == 64 * 5
    other = spex.DatasetValue([*PARTS[:-1], "other 5", "{input}"], names, all_items, NUMBER)
    assert other.identities != dataset(all_items).identities


def test_items_that_repeat_count_twice(tmp_path):
    model = Model(random_table())
    value = dataset(model, ["item 3", "item 3", "item 9"])
    e = spex.explain(value, budget=64 * 3, store=tmp_path / "s")
    expected = model.table[:, [3, 3, 9]].mean(axis=1)
    np.testing.assert_allclose(e.predict(MASKS), expected, rtol=1e-12)


def test_a_limit_stops_it_and_what_is_there_is_explained():
    model = Model(random_table())
    e = spex.explain(
        dataset(model), budget=240, method="linear", limits=spex.Limits(calls=150)
    )  # fmt: skip
    assert len(model.prompts) == 150
    assert "Partial: the limit of 150 calls is reached after 150 of 240 evaluations" in repr(e)
    assert abs(e.r2 - true_r2(e, model.table)) < 0.25


def test_r2_is_not_said_to_be_1_where_its_interval_is_wide():
    rng = np.random.default_rng(0)
    means = rng.normal(size=100)
    noise = rng.normal(size=100)
    noise *= 0.69 / noise.std()
    variances = np.full(100, 0.5)  # a little more than there is
    found, _ = fidelity_without_noise(means + noise, variances, means, 0.2, 100)
    low, high = found.interval
    assert low < 0.95 and high == 1
    assert found.r2 == pytest.approx((low + high) / 2)


def test_the_note_says_on_how_many_items_each_mask_was_asked():
    table = random_table(noise=0.0)
    table -= table.mean(axis=0) - table.mean()  # items that do not differ
    e = spex.explain(dataset(Model(table)), budget=240)
    assert "240 scores: 60 masks, each on 4 of 20 items." in e.notes[0]
    assert e.observed == (None, None)
    e = spex.explain(dataset(Model(np.full((64, ITEMS), 2.0))), budget=240)
    assert "each on 4 of 20 items." in e.notes[0]


class FailsOn(Model):
    """Fails with the prompts of one item."""

    def __init__(self, table, item):
        super().__init__(table)
        self.item = item

    def __call__(self, prompt):
        if prompt.endswith(f"\nitem {self.item}") or prompt == f"item {self.item}":
            raise spex.BackendError("too long")
        return super().__call__(prompt)


@pytest.mark.parametrize("budget", [10**6, 200])
def test_an_item_that_always_fails_is_named(budget):
    table = random_table()
    faults = spex.Faults(retries=0, gaps=0.3)
    method = "auto" if budget > 200 else "linear"
    e = spex.explain(dataset(FailsOn(table, 7)), budget=budget, method=method, faults=faults)
    named = "The means are without items[7], which failed with every mask."
    (note,) = [one for one in e.notes if named in one]
    if budget > 200:
        assert "each on all 19 items." in note
        rest = np.delete(table, 7, axis=1).mean(axis=1)
        np.testing.assert_allclose(e.predict(MASKS), rest, rtol=1e-9)
    else:
        assert "of 19 items. The means" in note


def test_sets_are_verified_on_all_items():
    table = random_table(noise=0.1)
    value = dataset(Model(table))
    e = spex.explain(value, budget=256)
    found = e.smallest_sufficient(value, keep=2.0, max_calls=20)
    assert found.is_verified and found.labels == ("part 0", "part 2", "part 3")
    assert found.value == pytest.approx(table[0b1101].mean())


def test_calls_are_spread():
    assert allocation(12, 200, 2000, None) == Allocation(500, 4)
    assert allocation(12, 200, 4096 * 9 + 5, None) == Allocation(4096, 9)
    assert allocation(3, 200, 10**6, None) == Allocation(8, 200)
    assert allocation(12, 3, 3000, None) == Allocation(1000, 3)
    assert allocation(12, 200, 2000, 20) == Allocation(100, 20)
    with pytest.raises(spex.ArgumentError, match="pays for 3 masks on 4 items each; give at least"):
        allocation(12, 200, 15, None)


class Words:
    """A language model: log P of an answer is its length, less what the prompt says; counts."""

    name, identity = "words", "words 1"

    def __init__(self):
        self.calls = []

    def check_prompts(self, prompts, answers):
        pass

    def log_probs(self, prompts, answers):
        self.calls.append((len(prompts), answers))
        for number, prompt in enumerate(prompts):
            hint = "be careful" in prompt.text
            yield number, [np.array([-1.0 * len(one) - hint]) for one in answers]


ROWS = [
    {"text": "good film", "label": "positive"},
    {"text": "bad film", "label": "negative"},
    {"text": "fine", "label": "positive"},
]


def test_scores_are_of_the_items_own_answers():
    model = Words()
    template = ["be careful", "think", "Review: {input}"]
    value = spex.DatasetValue(template, ROWS, model, spex.LogOdds("positive", "negative"))
    assert value(np.array([[1, 1]])) == [0.0]  # both have eight letters
    # Items of one answer share a call.
    assert sorted(count for count, _ in model.calls) == [1, 2]
    assert {answers for _, answers in model.calls} == {
        ("positive", "negative"), ("negative", "positive")
    }  # fmt: skip
    value = spex.DatasetValue(template, [{**ROWS[0], "label": "no"}, ROWS[1]], model)
    assert value(np.array([[0, 0], [1, 0]])).tolist() == [-5.0, -6.0]
    of_item = spex.DatasetValue(template, ROWS, model, lambda item: spex.LogProb(item["text"]))
    assert of_item(np.array([[0, 0]])) == [-(9 + 8 + 4) / 3]
    assert "mean over 3 items of log P" in of_item.contexts()[0].score


@pytest.mark.parametrize(
    ("items", "options", "message"),
    [
        ("a text", {}, "items is a str"),
        (["one"], {}, "1 item; give at least two"),
        (["one", {"answer": "x"}], {}, "items\\[1\\]: its 'input' \\(or 'text'\\) is None"),
        (["one", 2], {}, "items\\[1\\] is a int"),
        (["one", "two"], {}, "items\\[0\\] has no 'answer' \\(or 'label'\\)"),
        (
            ROWS,
            {"score": spex.LogOdds("yes", "no")},
            "answer 'positive', which is neither",
        ),
        (ROWS, {"score": lambda item: 3}, "score gives 3 for items\\[0\\]"),
        (ROWS, {"items_per_mask": 4}, "items_per_mask=4, and there are 3 items"),
        (ROWS, {"items_per_mask": 1}, "items_per_mask=1"),
        ([{"text": "a", "label": ["x"]}, "b"], {}, "its 'answer' \\(or 'label'\\) is"),
    ],
)
def test_wrong_items_are_refused_before_any_call(items, options, message):
    model = Words()
    with pytest.raises(spex.ArgumentError, match=message):
        spex.DatasetValue(["be careful", "think", "{input}"], items, model, **options)
    assert not model.calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_r2": 0.9}, "target_r2 does not go"),
        ({"weighting": "shapley"}, "weighting='shapley' does not go"),
        ({"method": "exact"}, "asks all 2\\^6 masks on all 20 items"),
        ({"budget": 10}, "pays for 2 masks"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(spex.ArgumentError, match=message):
        spex.explain(dataset(Model(random_table())), **{"budget": 200, **options})


def test_a_run_refuses_what_it_did_not_ask_for():
    run = DatasetRun(PARTS, ITEMS, 100)
    with pytest.raises(spex.ArgumentError, match="never asked for"):
        run.tell(joined_calls(MASKS[:1], np.array([0]), ITEMS) ^ True, [1.0])


def test_the_explanation_is_saved_and_shown(tmp_path):
    e = spex.explain(dataset(Model(random_table())), budget=100, method="linear")
    e.save(tmp_path / "e.json")
    again = spex.Explanation.load(tmp_path / "e.json")
    assert again.r2 == e.r2 and again.notes == e.notes
    e.to_html(tmp_path / "e.html")
    assert "part 3" in (tmp_path / "e.html").read_text()
    assert json.loads((tmp_path / "e.json").read_text())["n_evaluations"] == 25
