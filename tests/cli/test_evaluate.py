"""`spex evaluate` as a user meets it."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import spex
from spex.cli import main
from spex.evaluate.methods import methods_named
from spex.models import TableModel
from spex.models.servers.usage import Usage
from spex.values import retrying, source

REVIEWS = [
    {"text": "not a bad film at all and fun", "label": "positive"},
    {"text": "the plot is bad but her acting never fails", "label": "negative"},
    {"text": "good good film with not a bad scene in it", "label": "positive"},
]
# Notes each text that it was given, once it has answered.
MODULE = """
import time

def score(texts):
    time.sleep(0.003 * len(texts))
    with open("log", "a") as file:
        file.writelines(text + "\\n" for text in texts)
    return [("bad" in t.split()) * (1.0 if "not" in t.split() else -1.0) + len(t) / 50
            for t in texts]

score.identity = "score of tests"

def nameless(texts):
    return [float(len(text)) for text in texts]

def broken(texts):
    raise ValueError("no weights")

broken.identity = "broken"
"""
FAILS_ONCE = """
failed = []

def shaky(texts):
    if len(texts) > 1 and not failed:
        failed.append(True)
        raise OSError("too busy")
    return [float(len(text)) for text in texts]

shaky.identity = "shaky"
"""
CALL = ["evaluate", "faithfulness", "--data", "reviews.jsonl", "--model", "predict:mine:score"]
QUICK = ["--methods", "ridge,contextcite", "--budgets", "30", "--test-masks", "60"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("SPEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "work"), *sys.path])
    sys.modules.pop("mine", None)
    Path("mine.py").write_text(MODULE)
    Path("reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in REVIEWS))
    yield
    sys.modules.pop("mine", None)


def log():
    return Path("log").read_text().splitlines() if Path("log").exists() else []


def test_everything_is_written(capsys):
    files = ["--out", "r.csv", "--plot", "r.png", "--markdown", "r.md"]
    assert main([*CALL, *QUICK, *files]) == 0
    printed = capsys.readouterr()
    assert "| ridge |" in printed.out and printed.out.strip() == Path("r.md").read_text().strip()
    frame = pd.read_csv("r.csv")
    assert set(frame["item"]) == {0, 1, 2} and set(frame["status"]) == {"ok"}
    assert frame[frame["metric"] == "r2"]["value"].between(0, 1).all()
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")
    manifest = json.loads(Path("r.manifest.json").read_text())
    assert manifest["experiment"]["data"]["sha256"].startswith("sha256:")
    (run,) = manifest["runs"]
    assert run["command"].startswith("spex evaluate faithfulness --data reviews.jsonl")
    assert run["versions"]["spex-explain"] == spex.__version__ and run["date"].startswith("20")
    before = len(log())
    assert main([*CALL, *QUICK, *files[:2], "-q"]) == 0
    assert len(log()) <= before + 3  # each whole text, to learn how many numbers come
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("measure", ["removal", "pairs", "curves"])
def test_every_measure_runs(measure, capsys):
    call = ["evaluate", measure, *CALL[2:], "--items", "1", *QUICK[:4], "--seeds", "0,1"]
    assert main(call) == 0
    shown = {"removal": "relative", "pairs": "single_ndcg", "curves": "stability"}[measure]
    assert f"**{shown}**" in capsys.readouterr().out


def test_recovery_with_a_language_model(capsys):
    def log_prob(prompt, answer):
        return -1.0 * ("Ann was born in Paris" not in prompt) - ("by Ann" not in prompt)

    row = {
        "id": "q", "question": "Where?", "answer": "Paris",
        "context": [["X", ["X is by Ann.", " It is long."]], ["Ann", ["Ann was born in Paris."]]],
        "supporting_facts": [["X", 0], ["Ann", 0]],
    }  # fmt: skip
    Path("h.json").write_text(json.dumps([row]))
    model = TableModel(log_prob, answer="Paris", name="table")
    call = ["evaluate", "recovery", "--data", "h.json", "--budgets", "8", "--r", "2", "--out"]
    assert main([*call, "r.csv"], load=lambda name, notice=None: model) == 0
    frame = pd.read_csv("r.csv").set_index(["metric", "at"])["value"]
    assert frame["recovery", 2] == frame["precision", 2] == frame["recall", 2] == 1


def test_a_function_that_fails(capsys):
    call = [*CALL[:-1], "predict:mine:broken", *QUICK, "--retries", "0", "--out", "r.csv"]
    assert main(call) == 1
    assert "the function raised ValueError: no weights (mine.py:17)" in capsys.readouterr().err
    assert not Path("r.csv").exists() and not Path("r.manifest.json").exists()


def test_a_function_that_fails_once_is_asked_again(capsys, monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_PAUSE", 0.01)
    Path("mine.py").write_text(MODULE + FAILS_ONCE)
    call = [*CALL[:-1], "predict:mine:shaky", *QUICK, "--items", "0,"]
    assert main([*call, "--out", "r.csv"]) == 0
    assert "the function raised OSError: too busy (mine.py:" in capsys.readouterr().err
    assert set(pd.read_csv("r.csv")["status"]) == {"ok"}


def test_pictures_of_a_file_by_a_function(capsys):
    Path("pictures").mkdir()
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:4, :4] = 255
    Image.fromarray(pixels).save("pictures/corner.png")
    Path("mine.py").write_text(
        "import numpy as np\n"
        "def light(images):\n"
        "    return [float(np.asarray(image)[:4, :4].mean()) for image in images]\n"
        "light.identity = 'light'\n"
    )
    rows = [
        {"image": "corner.png", "unit": "grid:2x2", "mask": "grey", "annotated": [0], "id": "a"},
        {"image": "none.png", "annotated": [0]},
    ]
    Path("pictures/p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    call = ["evaluate", "recovery", "--data", "pictures/p.jsonl", "--model", "predict:mine:light"]
    files = ["--out", "r.csv", "--markdown", "r.md", "--plot", "r.svg"]
    assert main([*call, "--budgets", "16", "--r", "1", "--methods", "auto,spex", *files]) == 0
    frame = pd.read_csv("r.csv")
    of_auto = frame[frame["method"] == "auto"].set_index("metric")["value"]
    assert of_auto["recovery"] == 1 and set(frame["item"]) == {"a"}
    # What is not there is said beside what is.
    assert "1 of 2 rows left out: 1 cannot be used" in Path("r.md").read_text()
    assert "none.png" in Path("r.md").read_text()
    figure = "".join(re.findall(r"<!-- (.*?) -->", Path("r.svg").read_text()))
    assert "1 of 2 rows left out" in figure
    assert "p.jsonl" in capsys.readouterr().err


def test_what_a_server_costs_is_told(capsys):
    class Priced(TableModel):
        def __init__(self, price):
            super().__init__(lambda prompt, answer: float(len(prompt)), name="served")
            self.usage = Usage(price=price)

        def log_probs(self, prompts, answers):
            self.usage.requests += len(prompts)
            self.usage.prompt_tokens += 1_000_000
            return super().log_probs(prompts, answers)

    given = []

    def load(name, notice=None, **options):
        given.append((name, options))
        return Priced(options["price"])

    call = ["evaluate", "removal", "--data", "reviews.jsonl", "--model", "openai:m@http://x/v1"]
    options = ["--price", "2,10", "--items", "0,", "--budgets", "20", "--no-store"]
    assert main([*call, *options], load=load) == 0
    assert given == [("openai:m@http://x/v1", {"price": (2.0, 10.0)})]
    assert re.search(r"read and 0 written, \$[0-9.]+ at the price given", capsys.readouterr().err)


def test_a_function_without_identity(capsys):
    assert main([*CALL[:-1], "predict:mine:nameless", *QUICK]) == 0
    assert "evaluations are not kept" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_output_that_is_not_there_is_refused_before_anything_is_written(jobs, capsys):
    call = [*CALL, *QUICK, "--out", "r.csv", "--jobs", jobs]
    assert main([*call, "--answer", "5"]) == 2
    assert "--answer 5, but the function returns one number" in capsys.readouterr().err
    assert not Path("r.csv").exists() and not Path("r.manifest.json").exists()
    assert len(log()) == len(REVIEWS)  # each whole text, to learn how many numbers come


def test_a_score_that_the_model_cannot_give_is_refused_before_anything_is_written(capsys):
    call = ["evaluate", "faithfulness", "--data", "reviews.jsonl", "--model", "reply:mine:reply"]
    Path("mine.py").write_text("def reply(prompt):\n    return 'yes'\n")
    assert main([*call, *QUICK, "--out", "r.csv"]) == 2
    assert "log-probabilities" in capsys.readouterr().err
    assert not Path("r.csv").exists() and not Path("r.manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "magic"], "no method 'magic'"),
        (["--methods", "magic"], "gradient-times-input"),
        (["--budgets", "10,x"], "whole numbers"),
        (["--budgets", "10,10"], "names a number twice"),
        (["--items", "9,"], "rows 0 to 2"),
        (["--lengths", "9"], "such as 8-127"),
        (["--lengths", "500-600"], "widen"),
        (["--out", "r.txt"], ".csv or .parquet"),
        (["--out", "none/r.csv"], "does not exist"),
        (["--out", "r.csv", "--markdown", "r.csv"], "same file"),
        (["--plot", "r.jpeg"], ".png, .svg, .pdf"),
        (["--out", "reviews.jsonl"], "the data are the same file"),
        (["--test-masks", "1"], "test_masks=1"),
        (["--distribution", "full"], "near-full"),
        (["--score", "logprob"], "predicts numbers"),
        (["--device", "cpu"], "predicts numbers"),
        (["--jobs", "0"], "jobs=0"),
        (["--retries", "-1"], "--retries -1 is negative"),
        (["--price", "1,2"], "is not on a server"),
        (["--price", "1,2", "--model", "openai:m@http://x/v1", "--jobs", "2"], "leave --jobs out"),
        (["--format", "squad"], "'squad' is unknown"),
        (["--data", "none.jsonl"], "cannot be read"),
        (["--store", "s", "--no-store"], "contradict"),
        (["--model", "predict:mine:nameless", "--store", "s"], "identity"),
        (["--model", "predict:mine:none"], "holds no 'none'"),
    ],
)
def test_wrong_calls(options, message, capsys):
    assert main([*CALL, *QUICK, *options]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not log()


@pytest.mark.parametrize("measure", ["faithfulness", "removal", "pairs", "curves"])
def test_a_constant_function_is_said_to_be_one(measure, capsys):
    Path("mine.py").write_text("def flat(texts):\n    return [0.0] * len(texts)\n")
    call = ["evaluate", measure, *CALL[2:-1], "predict:mine:flat", *QUICK[:4], "--items", "2"]
    assert main([*call, "--plot", "p.png", "--markdown", "m.md", "--out", "r.csv"]) == 0
    printed = capsys.readouterr()
    assert "p.png is not drawn" in printed.err and not Path("p.png").exists()
    assert "wrote m.md" in printed.err and "0 of 2 items; undefined: " in Path("m.md").read_text()
    assert "wrote p.png" not in printed.err


def test_items_that_cannot_be_used_do_not_end_the_command(capsys):
    rows = [*REVIEWS, {"text": "one", "label": "positive"}, {"text": "", "label": "positive"}]
    Path("reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main([*CALL, *QUICK, "--lengths", "2-8", "--out", "r.csv"]) == 0
    error = capsys.readouterr().err
    (line,) = [line for line in error.splitlines() if "left out" in line]
    assert "4 of 5 rows left out: 2 not of 2 to 8 units, 2 cannot be used" in line
    assert set(pd.read_csv("r.csv")["item"]) == {0}


def test_recovery_leaves_out_what_nobody_marked(capsys):
    rows = [
        {"id": "a", "text": "one two three", "annotated": [1]},
        {"id": "b", "text": "one two three four"},
    ]
    Path("marked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    call = ["evaluate", "recovery", "--data", "marked.jsonl", "--model", "predict:mine:score"]
    assert main([*call, "--budgets", "8", "--r", "2", "--out", "r.csv"]) == 0
    assert "1 of 2 rows left out" in capsys.readouterr().err
    assert set(pd.read_csv("r.csv")["item"]) == {"a"}


def test_recovery_needs_annotations(capsys):
    assert main(["evaluate", "recovery", *CALL[2:]]) == 2
    assert "no annotated features" in capsys.readouterr().err


def test_help_names_every_measure(capsys):
    assert main(["evaluate", "--help"]) == 0
    shown = capsys.readouterr().out
    for measure in ("faithfulness", "removal", "recovery", "pairs", "curves"):
        assert measure in shown
        assert main(["evaluate", measure, "--help"]) == 0


def test_methods_in_the_help_and_the_docs_exist(capsys):
    assert main(["evaluate", "--help"]) == 0
    page = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()
    named = re.findall(r"--methods (\S+)", capsys.readouterr().out + page)
    assert len(named) > 5
    for names in named:
        methods_named(names)


def run_whole():
    main([*CALL, *QUICK, "--store", "s.sqlite", "--out", "r.csv", "-q"])


def test_kill_minus_nine_repeats_no_finished_call(monkeypatch):
    monkeypatch.setattr(source, "_SECONDS", 0.05)  # batches of 16 masks or so
    context = multiprocessing.get_context("fork")
    run_whole()  # undisturbed
    frame = pd.read_csv("r.csv")
    distinct = len(set(log()))
    for name in ("r.csv", "r.manifest.json", "s.sqlite", "log"):
        Path(name).unlink()
    for wanted in (30, 110):
        process = context.Process(target=run_whole)
        process.start()
        while len(log()) < wanted:
            assert process.is_alive()
            time.sleep(0.002)
        process.kill()
        process.join()
    run_whole()
    again = pd.read_csv("r.csv")
    timeless = frame["metric"] != "seconds"
    pd.testing.assert_frame_equal(frame[timeless], again[again["metric"] != "seconds"])
    calls = Counter(log())
    for row in REVIEWS:  # asked for at every start, to learn how many numbers come
        calls.pop(row["text"], None)
    # Only the batch that was under way at each of the two kills may be asked again.
    assert calls.total() - len(calls) <= 2 * 20
    assert len(calls) > 200
    assert len(set(log())) == distinct


@pytest.mark.slow
def test_ctrl_c_keeps_finished_rows():
    process = subprocess.Popen(
        [sys.executable, "-m", "spex", *CALL, "--methods", "ridge,contextcite", "--budgets",
         "200,400", "--out", "r.csv", "--store", "s.sqlite"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    while not (Path("r.csv").exists() and Path("r.csv").read_text().count("seconds") >= 1):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "finished and kept in r.csv; the same command goes on from there" in error
    assert set(pd.read_csv("r.csv")["status"]) == {"ok"}
