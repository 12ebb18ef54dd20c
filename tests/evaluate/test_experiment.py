"""Cells of an experiment: shared masks, counted calls, failures, resuming, processes."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import spex
from spex.evaluate import workers
from spex.evaluate.experiment import Experiment
from spex.evaluate.items import Item, as_items, length_group
from spex.evaluate.measures.faithfulness import Faithfulness
from spex.evaluate.measures.pairs import Pairs
from spex.evaluate.method import RefusedError
from spex.evaluate.methods import methods_named
from spex.evaluate.running import run
from spex.evaluate.tables.lock import locked
from spex.evaluate.tables.manifest import manifest_path
from spex.evaluate.tables.results import Results, bootstrap_interval
from spex.evaluate.tables.rows import Journal, Key, Row
from spex.evaluate.workers import measure_items
from spex.values.source import as_source

N = 9
MEASURE = Faithfulness(50)


class Game:
    """A function that keeps what it is asked."""

    features = tuple("abcdefghi")
    identity = "game of tests"

    def __init__(self):
        self.asked = []

    def __call__(self, masks):
        self.asked += [row.tobytes() for row in masks]
        return 2.0 * masks[:, 0] * masks[:, 1] - masks[:, 3] + masks.sum(axis=1) / 8


class Broken:
    name, package, order, takes_masks = "broken", "numpy", 1, False

    def attribute(self, function, n_features, budget, seed, prior=None):
        if seed == 1:
            raise RefusedError("too small a budget")
        function(np.ones((1, n_features), dtype=bool))
        raise ZeroDivisionError("no reason")


class Greedy(Broken):
    name = "greedy"

    def attribute(self, function, n_features, budget, seed, prior=None):
        function(np.eye(n_features, dtype=bool))


def experiment(game, methods="linear", budgets=(40,), seeds=(0,), **others):
    return Experiment(as_items(game), MEASURE, methods_named(methods), budgets, seeds, **others)


def values(results, metric="r2"):
    return {row.key: row.value for row in results.rows if row.metric == metric}


def test_methods_that_take_masks_get_the_same_ones():
    asked = {}
    for name in ("ridge", "contextcite", "linear"):
        game = Game()
        run(experiment(game, name))
        asked[name] = set(game.asked)
    assert asked["ridge"] == asked["contextcite"]
    # Methods of spex also look at the two ends.
    assert len(asked["linear"] - asked["ridge"]) <= 2


def test_every_mask_is_asked_once_and_counted():
    game = Game()
    found = run(experiment(game, "linear,lime,kernelshap", (20, 40), (0, 1)))
    assert len(game.asked) == len(set(game.asked))
    counts = values(found, "evaluations")
    assert len(counts) == 12
    assert all(0 < count <= key.budget for key, count in counts.items())
    assert counts[Key("0", "lime", 40, 0)] == 40


def test_a_failing_cell_is_a_row_and_the_others_go_on():
    game = Game()
    methods = [Broken(), Greedy(), *methods_named("linear")]
    found = run(Experiment(as_items(game), MEASURE, methods, (5,), (0, 1)))
    rows = {(row.method, row.seed): row for row in found.rows}
    assert rows["broken", 0].status == "failed"
    assert rows["broken", 0].reason == "ZeroDivisionError: no reason"
    assert (rows["broken", 1].status, rows["broken", 1].reason) == ("refused", "too small a budget")
    assert rows["greedy", 0].status == "failed" and "9 distinct masks" in rows["greedy", 0].reason
    assert rows["linear", 1].status == "ok"
    assert "2 x greedy failed: OverBudgetError" in found.to_markdown()


def test_an_item_that_cannot_be_made_fails_alone():
    def make(store):
        raise spex.BackendError("the server is gone")

    items = [Item("a", N, make), Item("b", N, lambda store: as_source(Game()))]
    found = run(Experiment(items, MEASURE, methods_named("linear"), (30,)))
    assert {row.item: row.status for row in found.rows} == {"a": "failed", "b": "ok"}
    assert found.rows[0].reason == "BackendError: the server is gone"


def test_results_are_gone_on_with(tmp_path):
    out, store = tmp_path / "r.csv", tmp_path / "s.sqlite"
    first = run(experiment(Game(), "ridge", store=store), out)
    again, more = Game(), Game()
    assert values(run(experiment(again, "ridge", store=store), out)) == values(first)
    assert again.asked == []
    found = run(experiment(more, "ridge,contextcite", store=store), out)
    assert more.asked == []  # it takes the masks that are in the store
    assert set(values(found)) == {Key("0", name, 40, 0) for name in ("ridge", "contextcite")}
    assert len(pd.read_csv(out)) == len(found.rows)


def test_what_a_crash_cut_off_is_measured_again(tmp_path):
    out = tmp_path / "r.csv"
    whole = run(experiment(Game(), "linear,lime"), out)
    text = out.read_text()
    lines = text.splitlines(keepends=True)
    assert values(Results(tuple(Journal(out).rows), ())) == values(whole)
    for cut in ("".join(lines[:-1]), text[:-5], "".join(lines[:-1]) + lines[-1][:10]):
        out.write_text(cut)
        assert {row.method for row in Journal(out).rows} == {"linear"}
        assert out.read_text() == "".join(line for line in lines if ",lime," not in line)
        found = run(experiment(Game(), "linear,lime"), out)
        assert values(found) == values(whole)


def test_failed_cells_are_measured_again_and_refused_ones_are_not(tmp_path):
    rows = [
        Row("0", "8-15", N, "a", "p", 5, 0, "failed", "x"),
        Row("0", "8-15", N, "b", "p", 5, 0, "refused", "y"),
    ]
    journal = Journal(tmp_path / "r.csv")
    journal.add(rows[:1])
    journal.add(rows[1:])
    assert [row.key for row in Journal(tmp_path / "r.csv").rows] == [rows[1].key]


def test_results_of_something_else_are_not_added_to(tmp_path):
    out = tmp_path / "r.csv"
    run(experiment(Game()), out, determines={"data": "a"})
    with pytest.raises(spex.ArgumentError, match="was measured on other data"):
        run(experiment(Game()), out, determines={"data": "b"})
    other = Experiment(as_items(Game()), Faithfulness(60), methods_named("linear"), (40,))
    with pytest.raises(spex.ArgumentError, match="another test_masks: 50, not 60"):
        run(other, out, determines={"data": "a"})
    pairs = Experiment(as_items(Game()), Pairs(), methods_named("linear"), (40,))
    with pytest.raises(spex.ArgumentError, match="the measure faithfulness, not of pairs"):
        run(pairs, out, determines={"data": "a"})
    changed = Game()
    changed.identity = "another game"
    with pytest.raises(spex.ArgumentError, match="another model or input"):
        run(experiment(changed, "lime"), out, determines={"data": "a"})
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(spex.ArgumentError, match="has no manifest"):
        run(experiment(Game()), tmp_path / "x.csv")
    manifest_path(out).unlink()
    out.write_text("a,b\n1,2\n")
    with pytest.raises(spex.SpexError, match="no results"):
        Journal(out)


def test_what_an_older_manifest_does_not_name_was_not_given(tmp_path):
    out = tmp_path / "r.csv"
    reading = {"unit": None, "score": "logprob"}
    run(experiment(Game()), out, determines={"reading": reading})
    run(experiment(Game()), out, determines={"reading": reading | {"max_new_tokens": None}})
    with pytest.raises(spex.ArgumentError, match="another reading max_new_tokens: None, not 5"):
        run(experiment(Game()), out, determines={"reading": reading | {"max_new_tokens": 5}})


def test_an_interrupt_while_a_cell_is_kept_counts_what_the_file_holds(tmp_path, monkeypatch):
    def interrupted(number):
        raise KeyboardInterrupt  # the row is in the file; the loop has not come to count it

    monkeypatch.setattr("spex.evaluate.tables.rows.os.fsync", interrupted)
    states = []
    with pytest.raises(KeyboardInterrupt):
        run(experiment(Game()), tmp_path / "r.csv", progress=states.append)
    assert states[-1].done == len(Journal(tmp_path / "r.csv").done) == 1


def test_one_run_at_a_time_writes_to_a_file(tmp_path):
    out = tmp_path / "r.csv"
    run(experiment(Game()), out)
    before = out.read_bytes()
    for second in (out, tmp_path / "r.parquet"):  # both have r.manifest.json
        with locked(out), pytest.raises(spex.ArgumentError, match="another run is writing to"):
            run(experiment(Game(), "linear,lime"), second)
    assert out.read_bytes() == before and {path.name for path in tmp_path.iterdir()} == {
        "r.csv", "r.manifest.json",
    }  # fmt: skip
    assert len(run(experiment(Game(), "linear,lime"), out).rows) > 0


def test_a_killed_run_leaves_no_lock(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from spex.evaluate.tables.lock import locked\n"
    )
    code += "with locked(Path(sys.argv[1])): os._exit(9)"
    out = tmp_path / "r.csv"
    assert subprocess.run([sys.executable, "-c", code, str(out)], check=False).returncode == 9
    assert (tmp_path / "r.lock").exists()
    with locked(out):
        assert (tmp_path / "r.lock").exists()
    assert not (tmp_path / "r.lock").exists()


def test_a_file_that_cannot_be_locked(tmp_path):
    (tmp_path / "r.lock").mkdir()
    with pytest.raises(spex.ArgumentError, match="cannot be locked"):
        run(experiment(Game()), tmp_path / "r.csv")


def test_what_is_wrong_with_every_item_ends_the_run_before_it_writes(tmp_path):
    def wrong(store):
        raise spex.ArgumentError("no such output")

    def right(store):
        return as_source(Game())

    def of(*makes):
        items = [Item(str(number), N, make) for number, make in enumerate(makes)]
        return Experiment(items, MEASURE, methods_named("linear"), (30,))

    with pytest.raises(spex.ArgumentError, match="no such output"):
        run(of(wrong, wrong), tmp_path / "r.csv", tries=True)
    assert not list(tmp_path.iterdir())
    found = run(of(wrong, right), tmp_path / "r.csv", tries=True)
    assert {row.item: row.status for row in found.rows} == {"0": "failed", "1": "ok"}


def test_parquet(tmp_path):
    found = run(experiment(Game()), tmp_path / "r.parquet")
    frame = pd.read_parquet(tmp_path / "r.parquet")
    pd.testing.assert_frame_equal(frame, found.to_frame())
    with pytest.raises(spex.ArgumentError, match=r"\.csv or \.parquet"):
        run(experiment(Game()), tmp_path / "r.xls")
    game = Game()
    for methods in ("ridge", "leave-one-out"):
        run(experiment(game, methods), tmp_path / "more.parquet")
    assert set(pd.read_parquet(tmp_path / "more.parquet")["method"]) == {"ridge", "leave-one-out"}
    (tmp_path / "more.rows.csv").unlink()
    before = (tmp_path / "more.parquet").read_bytes()
    with pytest.raises(spex.ArgumentError, match=r"more\.rows\.csv with its rows is missing"):
        run(experiment(game, "ridge"), tmp_path / "more.parquet")
    assert (tmp_path / "more.parquet").read_bytes() == before


def test_summary_is_the_mean_over_items_of_means_over_seeds():
    rows = [
        Row(item, "8-15", N, "a", "p", 5, seed, metric="r2", value=value)
        for item, seed, value in [("x", 0, 0.0), ("x", 1, 1.0), ("y", 0, 1.0), ("y", 1, 1.0)]
    ]
    found = Results(tuple(rows), ("r2",)).summary()
    assert found["mean"].tolist() == [0.75] and found["items"].tolist() == [2]
    assert found["low"][0] == 0.5 and found["high"][0] == 1.0


def table(metric, cells):
    """Results of items by methods at budget 5: {(item, method, at): value}."""
    return [
        Row(item, "8-15", N, method, "p", 5, 0, metric=metric, at=at, value=value)
        for (item, method, at), value in cells.items()
    ]


def test_undefined_is_said():
    nan = float("nan")
    both = {(item, method, nan): nan for item in "xy" for method in "ab"}
    found = Results(tuple(table("r2", both)), ("r2", "lds"))
    text = "0 of 2 items; undefined: the function gives one value for all masks"
    assert found.to_markdown() == f"**r2**: {text}\n"
    with pytest.raises(spex.ArgumentError, match=f"cannot be drawn: {text}"):
        found.plot()
    some = Results(tuple(table("r2", both | {("x", "a", nan): 0.5})), ("r2",))
    assert "| a | 0.500, 1 of 2 |\n| b | undefined |" in some.to_markdown()
    assert some.plot().axes[0].get_ylabel() == "R2 on fresh masks\n(1 of 2 items)"
    assert Results((), ("r2",)).to_markdown() == "\n"


def test_reasons_that_differ_by_numbers_alone_are_one_line():
    rows = [
        Row("x", "8-15", N, method, "p", budget, 0, status="refused", reason=reason)
        for method, budget, reason in [
            ("a", 5, "budget=5 is below 1,000"),
            ("a", 6, "budget=6 is below 999"),
            ("a", 7, "no"),
            ("b", 5, "budget=5 is below 1,000"),
        ]
    ]
    assert Results(tuple(rows), ("r2",)).to_markdown() == (
        "Not measured:\n\n- 2 x a refused: budget=5 is below 1,000 (the first of 2 alike)\n"
        "- 1 x a refused: no\n- 1 x b refused: budget=5 is below 1,000\n"
    )


def test_tables_say_what_they_are_by_and_what_chance_is():
    rows = table("recovery", {("x", "a", 1.0): 0.5, ("x", "a", 2.0): 0.25})
    rows += table("chance", {(item, m, float("nan")): 0.2 for item in "x" for m in "ab"})
    shown = Results(tuple(rows), ("recovery",)).to_markdown()
    assert shown.startswith("**recovery** by r: mean of 1 item")
    assert "Recovery by chance, the share of marked features: 0.200" in shown
    pairs = Results(tuple(table("pair_ndcg", {("x", "a", 0.0): 1.0})), ("pair_ndcg",))
    assert pairs.to_markdown().startswith("**pair_ndcg** by base: mean")


def test_what_methods_say_of_their_r2_is_shown():
    nan = float("nan")
    rows = table("r2", {("x", "a", nan): 0.9, ("y", "a", nan): 0.8})
    rows += table("r2_reported", {("x", "a", nan): 0.96, ("y", "a", nan): 0.9})
    held = table("r2_covered", {("x", "a", nan): 1.0, ("y", "a", nan): 0.0})
    shown = Results((*rows, *held), ("r2",)).to_markdown()
    assert "a, 5 evaluations: says R2 0.930, agrees with the measured one in 1 of 2" in shown
    other = Results(tuple(rows), ("r2",)).to_markdown()
    assert "says R2 0.930, over masks of another distribution" in other


def test_figures_have_whole_ticks_and_tell_equal_methods():
    for metric, is_line in (("recovery", True), ("pair_ndcg", False)):
        cells = {("x", m, at): 0.5 for m in "ab" for at in (0.0, 1.0, 2.0)}
        figure = Results(tuple(table(metric, cells)), (metric,)).plot()
        (panel,) = figure.axes
        figure.canvas.draw()
        ticks = panel.get_xticks()
        assert len(ticks) >= 3 and (ticks == np.round(ticks)).all()
        markers = [line for line in panel.lines if line.get_marker() in ("o", "s")]
        assert [line.get_markerfacecolor() for line in markers] == ["none"] * 2
        assert markers[0].get_markersize() > markers[1].get_markersize()
        assert {line.get_linestyle() == "-" for line in markers} == {is_line}
        assert (markers[0].get_xdata() == markers[1].get_xdata()).all() == is_line


def test_one_bad_r2_does_not_flatten_the_others():
    nan = float("nan")
    shown = table("r2", {("x", "a", nan): 0.9, ("x", "b", nan): -47.0})
    figure = Results(tuple(shown), ("r2",)).plot()
    low, high = figure.axes[0].get_ylim()
    assert low == -1 and 0.9 < high < 1.1
    assert figure.get_supxlabel() == "the axis ends at R2 -1; below it: b -47 at 5"
    for metric, cells in (("r2", shown[1:]), ("drop", table("drop", {("x", "b", nan): -47.0}))):
        figure = Results(tuple(cells), (metric,)).plot()
        low, high = figure.axes[0].get_ylim()
        assert low < -47 < high and not figure.get_supxlabel()


def test_bootstrap_interval_is_that_of_scipy():
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).exponential(size=30)
    theirs = bootstrap(
        (values,), np.mean, confidence_level=0.9, method="percentile", n_resamples=20_000,
        random_state=0,
    ).confidence_interval  # fmt: skip
    assert bootstrap_interval(values) == pytest.approx((theirs.low, theirs.high), rel=0.02)
    assert np.isnan(bootstrap_interval(values[:1])).all()


def test_length_groups_are_those_of_the_paper():
    assert [length_group(n) for n in (2, 7, 8, 15, 16, 31, 32, 127, 1024)] == [
        "1-7", "1-7", "8-15", "8-15", "16-31", "16-31", "32-63", "64-127", "1024-2047",
    ]  # fmt: skip


def test_bad_arguments():
    for change, message in [
        ({"budgets": ()}, "budgets is empty"),
        ({"budgets": (0,)}, "budget=0"),
        ({"seeds": (-1,)}, "seed=-1"),
        ({"methods": "nothing"}, "no method 'nothing'"),
        ({"methods": "integrated-gradients,integrated-gradients"}, "named twice"),
    ]:
        with pytest.raises(spex.ArgumentError, match=message):
            experiment(Game(), **change)
    twice = as_items(Game()) * 2
    with pytest.raises(spex.ArgumentError, match="two items are called '0'"):
        Experiment(twice, MEASURE, methods_named("linear"), (5,))
    found = spex.evaluate.faithfulness(lambda m: 1.0 * m[:, :2], 5, "linear")
    assert "one output" in found.rows[0].reason


def test_functions_of_the_module_measure_ones_own_callable(tmp_path):
    found = spex.evaluate.faithfulness(
        {"one": Game(), "two": Game()}, None, "linear,lime", [30], out=tmp_path / "r.csv"
    )
    assert {row.item for row in found.rows} == {"one", "two"}
    found.save_plot(tmp_path / "r.svg")
    assert "<svg" in (tmp_path / "r.svg").read_text()
    with pytest.raises(spex.ArgumentError, match="metrics that can: lds, r2"):
        found.plot("accuracy")
    with pytest.raises(spex.ArgumentError, match="identity"):
        spex.evaluate.faithfulness(lambda m: m[:, 0] * 1.0, 4, store=tmp_path / "s.sqlite")


def test_one_number_is_a_number_of_budgets_and_seeds():
    found = spex.evaluate.faithfulness(Game(), None, "linear", 30, 3, test_masks=20)
    assert {(row.budget, row.seed) for row in found.rows} == {(30, 3)}
    several = spex.evaluate.faithfulness(Game(), None, "linear", np.array([20, 30]), test_masks=20)
    assert {row.budget for row in several.rows} == {20, 30}
    for wrong, message in [
        ({"budgets": [30, 30]}, "budgets names 30 twice"),
        ({"seeds": (1, 0, 1)}, "seeds names 1 twice"),
        ({"budgets": "300"}, "budgets='300' is a text"),
        ({"budgets": 2.5}, "budget=2.5"),
        ({"budgets": None}, "budget=None"),
        ({"seeds": []}, "seeds is empty"),
        ({"methods": "linear,linear"}, "'linear' is named twice"),
        ({"methods": [5]}, "no method 5"),
        ({"methods": 5}, "methods=5; give names"),
    ]:
        with pytest.raises(spex.ArgumentError, match=message):
            spex.evaluate.faithfulness(Game(), **wrong)


@pytest.mark.parametrize("name", ["faithfulness", "removal", "recovery", "pairs", "curves"])
def test_a_misspelt_keyword_names_the_function(name):
    with pytest.raises(TypeError, match=rf"{name}\(\) .*'budgest'"):
        getattr(spex.evaluate, name)(Game(), budgest=3)
    with pytest.raises(spex.ArgumentError, match="jobs=0"):
        getattr(spex.evaluate, name)([Item("a", N, Made(), (0,))], jobs=0)


@dataclass(frozen=True)
class Made:
    """Makes a game; one that ends its process for the item that says so."""

    dies: bool = False

    def __call__(self, store):
        if self.dies:
            import os

            os._exit(7)
        return as_source(Game())


@pytest.mark.slow
def test_processes_give_what_one_gives_and_a_dead_one_costs_its_item(monkeypatch):
    start = workers._Worker.__init__

    def start_and_interrupt(worker, packed):
        """Ctrl-C reaches all processes, also while they start; it is the parent's business."""
        start(worker, packed)
        os.kill(worker.process.pid, signal.SIGINT)

    monkeypatch.setattr(workers._Worker, "__init__", start_and_interrupt)
    items = [Item("a", N, Made()), Item("dead", N, Made(True)), Item("b", N, Made())]
    several = Experiment(items, MEASURE, methods_named("linear"), (30,), (0, 1))
    rows = [row for one in measure_items(several, set(), 2) for row in one.rows]
    assert {row.item for row in rows if row.status == "ok"} == {"a", "b"}
    dead = [row for row in rows if row.item == "dead"]
    assert [row.reason for row in dead] == ["the process ended with code 7"] * 2
    alone = Experiment([items[0]], MEASURE, methods_named("linear"), (30,), (0, 1))
    expected = [row for one in measure_items(alone, set(), 1) for row in one.rows]
    assert values(Results(tuple(expected), ())) == {
        key: value for key, value in values(Results(tuple(rows), ())).items() if key.item == "a"
    }


def test_a_process_that_nobody_listens_to_ends_in_silence(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # it would ignore Ctrl-C in this process
    experiment = Experiment([Item("a", N, Made())], MEASURE, methods_named("ridge"), (30,))
    packed = pickle.dumps((experiment.packed(), set()))
    for work in ([0], []):  # the parent goes while an item is measured, and before
        ours, theirs = multiprocessing.Pipe()
        for number in work:
            ours.send(number)
        ours.close()
        workers._serve(packed, theirs)


def test_processes_refuse_what_cannot_be_sent():
    items = as_items({"a": lambda m: m[:, 0] * 1.0, "b": lambda m: m[:, 0] * 1.0}, 4)
    with pytest.raises(spex.ArgumentError, match="use jobs=1"):
        run(Experiment(items, MEASURE, methods_named("linear"), (8,)), jobs=2)
