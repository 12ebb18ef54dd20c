"""Many explanations in one run: the same as one by one, resumed, with failures recorded."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import spex
from spex.many.records import Journal, Record

WORDS = "never dull often funny and not too long at all".split()


def table(seed, n=8):
    """A random function of n features with an identity, which counts its masks."""
    values = np.random.default_rng(seed).normal(size=1 << n)

    def f(masks):
        f.asked += len(masks)
        return values[masks @ (1 << np.arange(n))]

    f.asked, f.identity, f.features = 0, f"table {seed}", [f"x{i}" for i in range(n)]
    return f


class Model:
    """A language model: log P of an answer is a sum over its prompt's words; it keeps each call."""

    name, identity = "words", "words 1"

    def __init__(self, broken=None):
        self.calls, self.broken = [], broken

    def check_prompts(self, prompts, answers):
        pass

    def log_probs(self, prompts, answers):
        self.calls.append((len(prompts), answers))
        for number, prompt in enumerate(prompts):
            words = prompt.text.split()
            if self.broken in words:
                raise spex.BackendError(f"cannot read {self.broken}")
            weight = sum(len(word) for word in words) + 3.0 * ("not" in words and "dull" in words)
            yield number, [np.array([-0.1 * weight / len(answer)]) for answer in answers]

    def answer_tokens(self, answer):
        return [(0, len(answer))]

    def replies(self, prompts, max_new_tokens=64):
        self.calls.append((len(prompts), max_new_tokens))
        return ((number, prompt.text.upper()) for number, prompt in enumerate(prompts))

    def generate(self, prompts, max_new_tokens=64):
        return ["yes" for _ in prompts]


def texts(count):
    rng = np.random.default_rng(0)
    return [" ".join(rng.permutation(WORDS)) for _ in range(count)]


def same(a, b):
    assert list(a.spectrum.items()) == list(b.spectrum.items())
    assert (a.r2, a.r2_interval, a.n_evaluations) == (b.r2, b.r2_interval, b.n_evaluations)
    assert a.forecast == b.forecast


def test_each_is_what_explain_gives():
    functions = {f"item {i}": table(i) for i in range(11)}
    many = spex.explain_many(functions, budget=60, seed=3)
    assert list(many) == list(functions) and not many.failures
    for name, f in functions.items():
        assert f.asked == 60
        same(many[name], spex.explain(f, budget=60, seed=3))


def test_items_of_one_model_share_its_batches():
    model = Model()
    sources = {
        str(i): spex.ValueFunction(spex.Text(text), model, spex.LogOdds("good", "bad"))
        for i, text in enumerate(texts(5))
    }
    many = spex.explain_many(sources, budget=40)
    assert [count for count, _ in model.calls] == [5 * 40]
    for name, source in sources.items():
        same(many[name], spex.explain(source, budget=40))


def test_other_answers_and_scores_go_alone_and_replies_together():
    model = Model()
    text, *others = texts(4)
    sources = {
        "a": spex.ValueFunction(spex.Text(text), model, spex.LogProb("yes")),
        "b": spex.ValueFunction(spex.Text(others[0]), model, spex.LogProb("no")),
        "c": spex.ValueFunction(spex.Text(others[1]), model, spex.Matches("NOT")),
        "d": spex.ValueFunction(spex.Text(others[2]), model, spex.Matches("DULL")),
        "e": table(0, n=5),
    }
    many = spex.explain_many(sources, budget=30)
    together = [count for count, what in model.calls if what == 64]
    assert together == [60] and len([1 for _, what in model.calls if what != 64]) == 2
    assert max(many["d"].interactions().items(), key=lambda pair: abs(pair[1]))[0] == (
        sources["d"].features.index("dull"),
    )
    for name, source in sources.items():
        same(many[name], spex.explain(source, budget=30))


def test_several_outputs():
    def f(masks):
        return np.stack([1.0 * masks[:, 0], masks[:, 1] * masks[:, 2]], axis=1)

    f.outputs, f.features = ("first", "pair"), list("abcd")
    many = spex.explain_many({"both": f}, budget=16)
    assert isinstance(many["both"], spex.Explanations)
    frame = many.to_frame()
    assert list(frame["output"]) == ["first", "pair"] and frame["strongest"][1] == "b + c"


def test_a_failure_costs_one_item():
    model = Model(broken="dull")

    def wrong(masks):
        raise RuntimeError("the weather\nis bad")

    wrong.features = list("abcd")
    score = spex.LogOdds("good", "bad")
    sources = {
        "good": spex.ValueFunction(spex.Text("a fine film it was"), model, score),
        "broken": spex.ValueFunction(spex.Text("a dull film it was"), model, score),
        "wrong": wrong,
        "no features": lambda masks: masks[:, 0],
        "fine": spex.ValueFunction(spex.Text("quite a nice one"), model, score),
        "nan": lambda masks: np.full(len(masks), np.nan),
    }
    sources["nan"].features = list("abc")
    many = spex.explain_many(sources, budget=32)
    assert list(many) == ["good", "fine"]
    assert many.failures["wrong"] == "RuntimeError: the weather is bad"
    assert "cannot read dull" in many.failures["broken"]
    assert "features is missing" in many.failures["no features"]
    assert set(many.failures) == {"broken", "wrong", "no features", "nan"}
    same(many["good"], spex.explain(sources["good"], budget=32))
    with pytest.raises(KeyError, match="failed: RuntimeError"):
        many["wrong"]
    frame = many.to_frame().set_index("item")
    assert frame.loc["wrong", "status"] == "failed" and frame.loc["good", "status"] == "ok"


def test_what_is_wrong_with_all_is_an_error():
    f = table(0)
    for wrong in ({"method": "best"}, {"budget": 0}, {"weighting": "none"}, {"seed": -1}):
        with pytest.raises(spex.ArgumentError):
            spex.explain_many({"a": f}, **wrong)
    with pytest.raises(spex.ArgumentError, match="two items have the name 'a'"):
        spex.explain_many([("a", f), ("a", f)], budget=20)
    for sources in ("abc", 3, [f], [("a", f, 1)]):
        with pytest.raises(spex.ArgumentError, match="give"):
            spex.explain_many(sources, budget=20)
    assert f.asked <= 20


def test_a_folder_is_gone_on_with(tmp_path):
    functions = {f"item/{i}": table(i) for i in range(5)}
    first = spex.explain_many(dict(list(functions.items())[:3]), budget=40, out=tmp_path)
    again = spex.explain_many(functions, budget=40, out=tmp_path)
    assert [f.asked for f in functions.values()] == [40] * 5
    assert list(again) == list(functions) and len(first) == 3
    loaded = spex.ManyExplanations.load(tmp_path)
    for name, f in functions.items():
        same(loaded[name], spex.explain(f, budget=40))
    # A larger budget explains again, and pays for what is new.
    more = spex.explain_many(functions, budget=60, out=tmp_path)
    assert [f.asked for f in functions.values()] == [40 + 40 + 20] * 5
    assert {one.n_evaluations for one in more.values()} == {60}
    # Another function under a known name is not taken for the old one.
    other = table(99)
    changed = spex.explain_many({"item/0": other}, budget=60, out=tmp_path)
    same(changed["item/0"], spex.explain(other, budget=60))
    with pytest.raises(spex.ArgumentError, match=r"has no items\.jsonl"):
        spex.ManyExplanations.load(tmp_path / "nothing")


def test_without_an_identity_nothing_is_taken_for_done(tmp_path):
    f = table(1)
    del f.identity
    for _ in range(2):
        spex.explain_many({"a": f}, budget=30, out=tmp_path)
    assert f.asked == 60


def test_few_sources_exist_at_once():
    made = []

    def sources():
        for i in range(40):
            made.append(i)
            yield str(i), table(i, n=4)

    counts = []
    spex.explain_many(
        sources(), budget=16, progress=lambda state: counts.append((len(made), state.done))
    )
    assert max(begun - done for begun, done in counts) <= 8 + 16 + 2
    assert counts[-1] == (40, 40)


def test_a_torn_line_of_the_journal_is_no_record(tmp_path):
    journal = Journal(tmp_path / "items.jsonl")
    journal.add(Record("a", "failed", None, "x"))
    with (tmp_path / "items.jsonl").open("a") as file:
        file.write('{"name": "b", "stat')
    Journal(tmp_path / "items.jsonl").add(Record("c", "failed", None, "y"))
    assert list(Journal(tmp_path / "items.jsonl").records) == ["a", "c"]


def test_table_orders_and_recurring(tmp_path):
    def f(text, values):
        words = text.split()

        def g(masks):
            return sum(
                value * masks[:, [words.index(word) for word in key.split()]].all(axis=1)
                for key, value in values.items()
            )

        g.features, g.identity = words, text
        return g

    sources = {
        "1": f("Never, it fails here", {"Never, fails": 2.0, "it": 0.5}),
        "2": f("it fails , never", {"fails never": 1.0}),
        "3": f("some other text", {"some": -1.0}),
    }
    many = spex.explain_many(sources, budget=16, out=tmp_path)
    pairs = many.recurring(order=2)
    assert list(pairs["units"]) == ["fails + never"] and list(pairs["items"]) == [2]
    assert pairs["value"][0] == pytest.approx(1.5) and pairs["same_sign"][0] == 1
    orders = many.orders()
    # (-1)^m of x1 x2: coefficients 1/4 each, so that a third of the variance is the pair's.
    assert orders["share"][0] + orders["share"][1] == pytest.approx(1)
    assert list(orders["items"]) == [3, 2]
    for name in ("table.csv", "table.parquet"):
        many.save_table(tmp_path / name)
    csv, parquet = pd.read_csv(tmp_path / "table.csv"), pd.read_parquet(tmp_path / "table.parquet")
    assert (
        list(csv["strongest"]) == list(parquet["strongest"]) == list(many.to_frame()["strongest"])
    )
    with pytest.raises(spex.ArgumentError, match=r"\.csv or \.parquet"):
        many.save_table(tmp_path / "table.xlsx")


def test_what_explains_nothing_is_left_out_of_what_holds_over_all(tmp_path):
    def linear(masks):
        return masks[:, 0] - 2.0 * masks[:, 1]

    linear.features = [f"x{i}" for i in range(12)]
    sources = {"a": linear, "b": linear, "noisy": table(0, n=12)}
    many = spex.explain_many(sources, budget=60, method="linear")
    assert many["noisy"].r2 <= 0 and many.unfit == 1 and many.records["noisy"].outputs[0].top
    assert many.orders()["items"].tolist() == [2]
    assert set(many.recurring()["units"]) == {"x0", "x1"}
    page = many.to_html(tmp_path).read_text()
    assert "1 explanation with an R2 of 0 or less left out here." in page


def test_index_page(tmp_path):
    def f(masks):
        return 1.0 * masks[:, 0] * masks[:, 1]

    f.features = ["<script>alert(1)</script>", "b&b", "c"]

    def wrong(masks):
        raise ValueError("<b>no</b>")

    wrong.features = ["a", "b"]
    many = spex.explain_many({"<i>one</i>": f, "two": wrong, "Ünï/..": f}, budget=8)
    with pytest.raises(spex.ArgumentError, match="in no folder"):
        many.to_html()
    index = many.to_html(tmp_path / "pages")
    page = index.read_text()
    assert "<script>" not in page and "<b>no" not in page and "<i>one" not in page
    assert "&lt;i&gt;one&lt;/i&gt;" in page and "failed: ValueError: &lt;b&gt;no" in page
    links = [part.split('"')[0] for part in page.split('<a href="')[1:]]
    assert len(links) == 2 and all((tmp_path / "pages" / link).is_file() for link in links)
    assert "2 explanations, 1 failed" in page
    assert "built-in" not in page and "<td>2</td>" in page


def test_limits_hold_for_all_items_together(tmp_path):
    functions = {str(i): table(i) for i in range(6)}
    limits = spex.Limits(calls=100)
    many = spex.explain_many(functions, budget=40, out=tmp_path, limits=limits)
    assert sum(f.asked for f in functions.values()) == 100
    statuses = [record.status for record in many.records.values()]
    assert statuses == ["ok", "ok", "partial", *["not explained"] * 3]
    assert many.stopped == "the limit of 100 calls is reached" and not many.failures
    assert many["2"].notes[0].startswith("Partial: the limit of 100 calls is reached after 20 of")
    assert many["2"].stopped == many.stopped and many["1"].stopped is None
    with pytest.raises(KeyError, match="not explained: the limit of 100 calls is reached"):
        many["3"]
    frame = many.to_frame()
    assert list(frame["item"]) == list(functions) and frame["reason"][5] == many.stopped
    page = many.to_html().read_text()
    assert "3 explanations, 3 not explained" in page and "not explained: the limit of" in page
    again = spex.explain_many(functions, budget=40, out=tmp_path)
    assert [f.asked for f in functions.values()] == [40] * 6 and again.stopped is None
    same(again["2"], spex.explain(table(2), budget=40))


def test_a_stopped_run_lists_items_that_were_not_begun():
    functions = {str(i): table(i) for i in range(20)}
    for sources in (functions, list(functions.items())):
        many = spex.explain_many(sources, budget=40, limits=spex.Limits(calls=42))
        assert list(many.records) == list(functions) and list(many) == ["0"]
        assert set(many.to_frame()["status"][1:]) == {"not explained"}
    # A generator may never end: only those taken from it are known.
    many = spex.explain_many(iter(functions.items()), budget=40, limits=spex.Limits(calls=42))
    assert list(many.records) == list(functions)[:8]


@pytest.mark.parametrize("has_folder", [True, False])
def test_an_interrupt_keeps_what_was_finished(tmp_path, has_folder):
    """Without an identity no store has the values: they are explained as far as they have come."""
    functions = {str(i): table(i) for i in range(10)}
    for f in functions.values():
        del f.identity
    whole = functions["3"]

    def interrupted(masks):
        if whole.asked + len(masks) > 30:
            raise KeyboardInterrupt
        return whole(masks)

    interrupted.features = whole.features
    out = tmp_path / "out" if has_folder else None
    with pytest.raises(KeyboardInterrupt) as raised:
        spex.explain_many({**functions, "3": interrupted}, budget=40, out=out)
    many = raised.value.many
    assert list(many) == ["0", "1", "2", "3"]
    for name in ("0", "1", "2"):
        same(many[name], spex.explain(functions[name], budget=40))
    assert many["3"].stopped == "it was interrupted"
    assert many["3"].n_evaluations == whole.asked > 10
    statuses = [record.status for record in many.records.values()]
    assert statuses == ["ok"] * 3 + ["partial"] + ["not explained"] * 6
    if has_folder:
        assert list(spex.ManyExplanations.load(out)) == list(many)


def test_an_interrupt_with_a_store_leaves_the_values_there(tmp_path):
    model = Model()
    score = spex.LogOdds("good", "bad")
    functions = {
        str(i): spex.ValueFunction(spex.Text(text), model, score) for i, text in enumerate(texts(3))
    }
    asked, log_probs = 0, model.log_probs

    def interrupting(prompts, answers):
        nonlocal asked
        for one in log_probs(prompts, answers):
            asked += 1
            if asked == 50:
                raise KeyboardInterrupt
            yield one

    model.log_probs = interrupting
    with pytest.raises(spex.ManyInterrupted) as raised:
        spex.explain_many(functions, budget=30, out=tmp_path)
    assert {one.status for one in raised.value.many.records.values()} == {"not explained"}
    many = spex.explain_many(functions, budget=30, out=tmp_path)
    assert len(many) == 3 and asked == 3 * 30 + 1  # the one under way


SCRIPT = """
import sys, time
import numpy as np
import spex

def table(seed, n=7):
    values = np.random.default_rng(seed).normal(size=1 << n)
    def f(masks):
        with open(sys.argv[2], "a") as log:
            log.writelines(f"{seed} {row.tobytes().hex()}\\n" for row in masks)
        return values[masks @ (1 << np.arange(n))]
    f.identity, f.features = f"table {seed}", [f"x{i}" for i in range(n)]
    return f

many = spex.explain_many(((str(i), table(i)) for i in range(12)), budget=30, out=sys.argv[1])
print(len(many))
"""


def test_a_killed_run_repeats_no_finished_call(tmp_path):
    script, log, out = tmp_path / "run.py", tmp_path / "asked", tmp_path / "out"
    script.write_text(SCRIPT)
    command = [sys.executable, script, out, log]
    environment = os.environ | {"PYTHONPATH": str(Path(spex.__file__).parents[1])}
    process = subprocess.Popen(command, env=environment)
    journal = out / "items.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and len(Journal(journal).records) >= 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = set(Journal(journal).records)
    before = log.read_text().splitlines()
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "12"
    asked = log.read_text().splitlines()
    # One batch may have been under way when the process died.
    assert len(asked) - len(set(asked)) <= 30 and len(set(asked)) == 12 * 30
    assert not {line.split()[0] for line in asked[len(before) :]} & done
    lines = [json.loads(line) for line in journal.read_text().splitlines() if line]
    assert {one["name"] for one in lines} == {str(i) for i in range(12)}
