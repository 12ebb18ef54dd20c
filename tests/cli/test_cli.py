import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import spex
from spex.cli import main
from spex.models import TableModel

TEXT = "Her acting never fails to impress"
ODDS = ["--score", "logodds:positive,negative"]


def log_prob(prompt, answer):
    words = prompt.split()
    sign = -1.0 if answer == "negative" else 1.0
    return -5 + sign * (("never" in words) == ("fails" in words)) + sign * 0.1 * ("acting" in words)


class Loader:
    """Loads a table as any model, and counts."""

    def __init__(self):
        self.names = []
        self.model = TableModel(log_prob, answer="fine, thanks", name="table")

    def __call__(self, name, notice=None):
        self.names.append(name)
        if name == "missing":
            raise spex.MissingExtraError("no torch; install it: pip install 'spex-explain[hf]'")
        if name == "broken":
            raise spex.BackendError("the weights\nare damaged")
        if notice is not None:
            notice("loading takes long")
        return self.model


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Run in an empty folder, with a cache of its own."""
    monkeypatch.setenv("SPEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("review.txt").write_text(TEXT + "\n", encoding="utf-8")
    return tmp_path / "work"


@pytest.fixture
def run(loader, capsys):
    """Run the command line; returns status, standard output and standard error."""

    def call(*arguments):
        status = main([str(argument) for argument in arguments], load=loader)
        return status, *capsys.readouterr()

    return call


def explain(*arguments):
    return ["explain", "--text", "review.txt", *ODDS, *arguments]


# --- what it does --------------------------------------------------------------------------------


def test_options_of_the_model_reach_it(capsys):
    given = {}

    def load(name, notice=None, **options):
        given.update(options)
        return TableModel(log_prob, name="table")

    options = ["--device-map", "auto", "--dtype", "bfloat16", "--attn-implementation", "sdpa"]
    arguments = map(str, explain("--budget", 64, *options))
    assert main(list(arguments), load=load) == 0, capsys.readouterr()
    assert given == {"device_map": "auto", "dtype": "bfloat16", "attn_implementation": "sdpa"}


def test_explain_prints_what_it_found(run):
    status, out, err = run(*explain("--index", "Fourier"))
    assert status == 0
    row = next(line for line in out.splitlines() if "never + fails" in line)
    assert row.split()[0] == "+1.00"
    assert "never" in out.splitlines()[0]
    assert "Explains all of the variation: exact, from all 64 masks." in out
    assert err.splitlines() == ["spex: loading the model smollm2", "spex: loading takes long"]


@pytest.mark.parametrize(
    ("score", "answer"), [("probability", None), ("logprob:mean", "so"), ("matches:^P", None)]
)
def test_other_scores(run, loader, score, answer):
    loader.model = TableModel(
        lambda prompt, answer: -1.0 - ("never" in prompt),
        answer=lambda prompt: "Positive" if "never" in prompt else "Negative",
    )
    extra = [] if answer is None else ["--answer", answer]
    status, out, _ = run("explain", "--text", "review.txt", "--score", score, *extra)
    assert status == 0
    assert "Explains all of the variation" in out


def test_json_scores(run, loader):
    replies = {True: '{"label": 1, "sure": true}', False: '{"label": "1"}'}
    loader.model = TableModel(
        lambda prompt, answer: -1.0, lambda prompt: replies["never" in prompt]
    )
    for score, expected in (("json:label=1", 1), ("json:label=one", 0), ("json:sure=true", 1)):
        run("explain", "--text", "review.txt", "--score", score, "-q", "--out", "e.json")
        top = spex.Explanation.load("e.json").interactions("Moebius").top(1, order=1)
        assert top == ([((2,), 1.0)] if expected else [])


def test_the_models_own_answer_is_kept(run, loader):
    asked = []
    loader.model = TableModel(log_prob, lambda prompt: asked.append(prompt) or f"so {len(asked)}")
    for _ in range(2):
        run("explain", "--text", "review.txt", "--out", "e.json", "-q")
        assert spex.Explanation.load("e.json").context["answer"] == "so 1"
    assert len(asked) == 1


def test_explain_writes_files(run, folder):
    status, out, _ = run(*explain("--out", "it's.json", "--html", "page.html", "--quiet"))
    assert (status, out) == (0, "")
    explanation = spex.Explanation.load("it's.json")
    assert explanation.interactions("Fourier").top(1)[0][0] == (2, 3)
    assert explanation.context["text"] == TEXT
    assert explanation.context["command"] == (
        "spex explain --text review.txt --score logodds:positive,negative "
        "--out 'it'\"'\"'s.json' --html page.html --quiet"
    )
    page = Path("page.html").read_text(encoding="utf-8")
    assert "never" in page and "it&#39;" in page
    assert sorted(path.name for path in folder.iterdir()) == [
        "it's.json",
        "page.html",
        "review.txt",
    ]


def test_quiet_prints_nothing(run):
    assert run(*explain("-q")) == (0, "", "")


def test_standard_input(run, monkeypatch):
    import io

    stdin = io.TextIOWrapper(io.BytesIO("\ufeffnever fails, naïve\r\n".encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    status, out, _ = run("explain", "--text", "-", *ODDS, "--dry-run")
    assert status == 0
    assert out.splitlines()[0] == "3 words (mask: delete)"
    assert "[user]\nnever fails, naïve\n" in out


@pytest.mark.parametrize(
    "call",
    [
        ("explain", "--text", "FILE", "--dry-run"),
        ("explain", "--documents", "FILE", "--answer", "x", "--dry-run"),
        ("explain", "--messages", "FILE", "--dry-run"),
        ("explain", "--table", "FILE", "--model", "predict:os:getcwd", "--dry-run"),
        ("fit", "FILE"),
    ],
)
def test_input_without_an_end_is_refused(run, monkeypatch, call):
    monkeypatch.setattr("spex.cli.explaining.inputs._MOST_BYTES", 2 * 10**6)
    status, _, err = run(*(word.replace("FILE", "/dev/zero") for word in call))
    assert status == 2
    assert "/dev/zero: is larger than 2 MB, the limit; is it the right file?" in err


def test_only_the_final_line_break_is_taken_off(run):
    Path("lines.txt").write_bytes(b"  one\r\n\r\ntwo\n\n")
    status, _, _ = run("explain", "--text", "lines.txt", *ODDS, "-q", "--out", "e.json")
    assert status == 0
    assert spex.Explanation.load("e.json").context["text"] == "  one\r\n\r\ntwo\n"


def test_options_reach_the_library(run):
    status, _, _ = run(
        "explain", "--text", "review.txt", "--prompt", "Say: {input}!", "--system", "Be kind.",
        "--unit", "regex:[a-z]+", "--mask", "mask:_", "--score", "logprob:mean",
        "--answer", "oh yes", "--budget", 40, "--method", "linear", "--max-degree", 3,
        "--seed", 7, "--model", "any", "--out", "e.json", "-q",
    )  # fmt: skip
    assert status == 0
    explanation = spex.Explanation.load("e.json")
    assert explanation.features == ("er", "acting", "never", "fails", "to", "impress")
    assert (explanation.method, explanation.budget, explanation.seed) == ("linear", 40, 7)
    assert explanation.n_evaluations == 40
    context = explanation.context
    assert context["prompt"] == f"Say: {TEXT}!"
    assert context["system"] == "Be kind."
    assert context["operator"] == "mask:_"
    assert context["answer"] == "oh yes"
    assert context["score"] == 'mean log P("oh yes") per token'


def test_own_answer_of_the_model(run):
    assert run("explain", "--text", "review.txt", "-q", "--out", "e.json")[0] == 0
    assert spex.Explanation.load("e.json").context["answer"] == "fine, thanks"


def test_target_r2_stops_early(run):
    words = " ".join(["acting", *(f"w{i}" for i in range(40))])  # one of them matters
    Path("long.txt").write_text(words)
    arguments = ["explain", "--text", "long.txt", *ODDS, "-q", "--budget", "400", "--out", "e.json"]
    assert run(*arguments, "--target-r2", "0.5")[0] == 0
    assert spex.Explanation.load("e.json").n_evaluations < 400


def test_dry_run_shows_units_calls_prompt_and_time(run, loader):
    status, out, err = run(
        *explain("--prompt", "Review: {input} [b]?", "--system", "Be brief.", "--dry-run")
    )
    assert (status, loader.names) == (0, ["smollm2"])
    assert err.splitlines()[0] == "spex: loading the model smollm2"
    assert out.splitlines()[0] == "6 words (mask: delete)"
    assert "  3  never" in out
    assert "At most 64 calls of the model smollm2, every combination of units" in out
    assert "[system]\nBe brief.\n[user]\n" in out
    assert f"Review: {TEXT} [b]?\n" in out
    assert re.search(r"About 1 second on this machine, where \d+ calls took", out)
    assert "tokens" not in out  # this model has no tokenizer


def test_dry_run_counts_tokens_where_the_model_can(run, loader):
    loader.model.count_tokens = lambda prompts: [len(prompt.text.split()) for prompt in prompts]
    _, out, _ = run(*explain("--dry-run"))
    assert "About 3 tokens a prompt, " in out
    assert " in all; 6 with every unit" in out


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("missing", "no torch; install it"),
        ("broken", "the weights are damaged"),
        ("openai:gpt@http://127.0.0.1:9", "a server is not asked in a dry run"),
    ],
)
def test_dry_run_without_the_model(run, model, reason):
    status, out, _ = run(*explain("--dry-run", "--model", model))
    assert status == 0
    assert "6 words" in out
    assert f"Tokens and time are unknown: {reason}" in out.replace("\n", " ")


def test_dry_run_guesses_what_a_server_will_ask_for(run, loader):

    Path("long.txt").write_text(" ".join(["word"] * 400))
    call = ["explain", "--text", "long.txt", "--prompt", "x" * 1000 + "{input}", "--dry-run"]
    call += ["--budget", "1000", "--model", "openai:gpt@http://127.0.0.1:9"]
    _, out, _ = run(*call, "--score", "similarity", "--price", "2,10")
    # 1,000 + 200 * 5 characters are 500 tokens; replies have at most 64.
    assert "At 4 characters a token, about 500,000 tokens read and at most 64,000 written" in out
    assert "About $1.64 at the price given" in out
    _, out, _ = run(*call, "--price", "0.15,0.6")
    assert "about 500,000 tokens read and about 1,000 written" in out
    assert "About $0.076 at the price given" in out
    import_module("PIL.Image").effect_noise((64, 48), 90).save("noise.png")
    call[1:5] = ["--image", "noise.png", "--prompt", "What is shown?"]
    _, out, _ = run(*call, "--price", "2,10")
    assert "Pictures are not counted: only the server knows how many tokens they take" in out
    assert "at the price given, pictures not counted" in out
    assert loader.names == []


def test_dry_run_of_a_long_text(run):
    Path("long.txt").write_text(" ".join(f"w{i}" for i in range(100)))
    _, out, _ = run("explain", "--text", "long.txt", "--budget", "500", "--dry-run")
    assert "and 70 more" in out
    assert "At most 500 calls of the model smollm2\n" in out
    assert "One more to learn the model's own answer" in out


PASSAGES = [
    {"title": "Acting", "text": "Her acting never tires. It fails to bore."},
    {"text": "It never fails."},
]
CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "acting never"},
    {"role": "assistant", "content": "Go on."},
    {"role": "user", "content": "it fails"},
]


def test_documents(run):
    Path("docs.json").write_text(json.dumps({"question": "So?", "documents": PASSAGES}))
    status, out, _ = run("explain", "--documents", "docs.json", *ODDS, "--out", "e.json")
    assert status == 0
    explanation = spex.Explanation.load("e.json")
    assert explanation.features == ("Acting", "It never fails.")
    assert explanation.context["prompt"].endswith("\n\nIt never fails.\n\nQuestion: So?")
    assert out.splitlines()[0] == "Acting"
    status, out, _ = run(
        "explain", "--documents", "docs.json", "--unit", "sentence", "--dry-run", *ODDS,
        "--prompt", "Read: {input} - {question}",
    )  # fmt: skip
    assert status == 0
    assert out.startswith("3 sentences (mask: delete)\n  1  Her acting never tires.\n")
    assert "It never fails. - So?\n" in out


def test_documents_without_a_question(run):
    Path("docs.json").write_text(json.dumps([passage["text"] for passage in PASSAGES]))
    status, out, _ = run("explain", "--documents", "docs.json", "--dry-run", *ODDS)
    assert status == 0
    assert out.startswith("2 documents (mask: delete)\n  1  Her acting never tires.")
    asked = run("explain", "--documents", "docs.json", "--question", "So?", "--dry-run", *ODDS)
    assert asked[0] == 0 and "\n\nQuestion: So?" in asked[1]


@pytest.mark.parametrize("content", [CHAT, {"messages": CHAT}])
def test_messages(run, content):
    Path("chat.json").write_text(json.dumps(content))
    status, out, _ = run("explain", "--messages", "chat.json", *ODDS, "--out", "e.json")
    assert status == 0
    assert spex.Explanation.load("e.json").features == (
        "user: acting never", "assistant: Go on.", "user: it fails",
    )  # fmt: skip
    assert out.splitlines()[:3] == ["system", "Be kind.", ""]
    status, out, _ = run("explain", "--messages", "chat.json", "--unit", "word", "--dry-run", *ODDS)
    assert status == 0
    assert out.startswith("6 words (mask: delete)\n")
    assert "[assistant]\nGo on.\n[user]\nit fails\n" in out


@pytest.mark.slow
def test_a_picture(run, loader):
    import_module("efficientnet_lite_pytorch")
    image = import_module("PIL.Image")
    image.effect_noise((64, 48), 90).save("noise.png")
    arguments = ["explain", "--image", "noise.png", "--unit", "grid:2x2", "--budget", 16]
    status, _, err = run(*arguments, "--answer", 285, "--out", "e.json")
    assert status == 0
    explanation = spex.Explanation.load("e.json")
    assert explanation.features[1] == "row 1, column 2"
    assert (explanation.r2, explanation.n_evaluations) == (1.0, 16)
    assert explanation.context["score"] == "log P(class 285) of efficientnet-lite0"
    assert explanation.context["operator"] == "mean"
    assert err.splitlines()[0] == "spex: loading the model efficientnet-lite0"
    assert loader.names == []
    for wrong, says in [
        (["--answer", "cat"], "--answer 'cat': give the number of a class of ImageNet, 0 to 999"),
        (["--device-map", "auto"], "--device-map: efficientnet-lite0 does not take it"),
        (["--answer", "1000"], "0 to 999"),
        (["--answer", "9" * 5000], "0 to 999"),
        (["--score", "logodds:a,b"], "predicts numbers; choose the one"),
        (["--prompt", "What?"], "--prompt: a classifier of pictures takes no text"),
        (["--model", "smollm2"], "'table' takes no images; use a model that does"),
        (["--unit", "word"], "--unit: give it once; two are for --image with --text"),
    ]:
        status, _, err = run(*arguments, *wrong)
        assert status == 2
        assert says in err


def test_tokens_are_those_of_the_model(run, loader):
    assert run(*explain("--unit", "token", "-q", "--out", "e.json"))[0] == 0
    assert loader.names == ["smollm2"]
    assert spex.Explanation.load("e.json").features == tuple(TEXT.split())


MODELS = """
import numpy as np

def chances(rows):
    score = (rows["width"] > 1) & (rows["colour"] == "red")
    return np.stack([1 - score, score], axis=1)

def never_called(rows):
    raise AssertionError

def codes(rows):
    return ((rows["country"] == "NA") * 2.0 + (rows["zip"].astype(str) == "00501")
            + (rows["flag"] == "None") * 0.5)

class Forest:
    classes_ = ["no", "yes"]
    def predict_proba(self, rows):
        return chances(rows)

class Stars(Forest):
    classes_ = np.array([1, 3])

forest, stars = Forest(), Stars()
length = lambda texts: [len(text) for text in texts]

def brightness(pictures, texts):
    return [float(np.asarray(picture).mean() > 99) * len(text.split())
            for picture, text in zip(pictures, texts)]

def answer(prompt):
    return "Good." if "never" in prompt and "fails" in prompt else "Bad."

number = 3
"""
TABLE = "width,colour,weight\n2,red,3.5\n1,blue,3.5\n"


@pytest.fixture
def own_models(monkeypatch):
    """A module of the user's in the current folder."""
    Path("own_models.py").write_text(MODELS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "own_models"
    sys.modules.pop("own_models", None)


def test_names_of_columns_act_on_no_terminal(run, own_models, folder):
    Path("rows.csv").write_text('"a\x1b[31m","b\u202ec","d\ne"\n1,2,3\n4,5,6\n')
    _, out, _ = run(  # the function knows other columns: it fails once the plan is shown
        "explain", "--table", "rows.csv", "--model", f"predict:{own_models}:chances", "--dry-run"
    )
    assert "\nRead as integers: a\ufffd[31m, b\ufffdc, d e\n" in out
    assert "\x1b" not in out and "\u202e" not in out


def test_an_input_without_end(run, monkeypatch):
    monkeypatch.setattr("spex.cli.explaining.inputs._MOST_BYTES", 10**6)
    for option in ("--text", "--documents", "--messages", "--table"):
        status, _, err = run("explain", option, "/dev/zero", "--model", "predict:m:f")
        assert status == 2
        assert err == (
            f"spex: {option} /dev/zero: is larger than 1 MB, the limit; is it the right file?\n"
        )


def test_a_row_of_a_table(run, loader, own_models, folder):
    Path("rows.csv").write_text(TABLE)
    call = ["explain", "--table", "rows.csv", "--model"]
    status, _, err = run(*call, f"predict:{own_models}:chances", "--out", "e.json")
    assert status == 0
    assert "evaluations are not kept: the function has no attribute 'identity'" in err
    status, _, err = run(*call, f"predict:{own_models}:never_called", "--store", "s.sqlite")
    assert status == 2
    assert err.startswith("spex: --store: the function has no attribute 'identity'")
    explanation = spex.Explanation.load("e.json")
    assert explanation.features == ("width = 2", "colour = red", "weight = 3.5")
    assert explanation.interactions("Moebius").top(1) == [((0, 1), 1.0)]
    assert explanation.context["score"] == "output 1 of chances"
    named = [*call, f"predict:{own_models}:forest.predict_proba", "--answer", "no"]
    assert run(*named, "-q", "--out", "e.json")[0] == 0
    assert (
        spex.Explanation.load("e.json").context["score"] == "no (output 0) of Forest.predict_proba"
    )
    status, out, _ = run(*named, "--dry-run")
    assert status == 0
    assert out.startswith("3 cells (mask: mean over 1 background rows)\n  1  width = 2\n")
    assert "\nRead as integers: width; texts: colour; numbers: weight\n" in out
    assert "\nExplains no (output 0) of Forest.predict_proba\n" in out
    assert "calls took" in out
    stars = [*call, f"predict:{own_models}:stars.predict_proba", "-q", "--out", "e.json"]
    for answer, name in [("3", "3 (output 1)"), ("1", "1 (output 0)")]:
        assert run(*stars, "--answer", answer)[0] == 0
        assert spex.Explanation.load("e.json").context["score"] == f"{name} of Stars.predict_proba"
    for answer in ("0", "9" * 5000):
        status, _, err = run(*stars, "--answer", answer)
        assert status == 2 and "--answer '" in err
        assert "is no name of an output; it has '1', '3'" in err
    assert loader.names == []


def test_columns_of_a_table_as_one_unit(run, own_models):
    Path("rows.csv").write_text(TABLE)
    call = ["explain", "--table", "rows.csv", "--model", f"predict:{own_models}:chances", "-q"]
    assert run(*call, "--group", "look=width,colour", "--out", "e.json")[0] == 0
    explanation = spex.Explanation.load("e.json")
    assert explanation.features == ("look = 2, red", "weight = 3.5")
    assert explanation.interactions("SV")[0,] == pytest.approx(1.0)
    for wrong, says in [
        (["--group", "look"], "--group 'look': write NAME=COLUMN,COLUMN, each NAME once"),
        (["--group", "a=width", "--group", "a=colour"], "each NAME once"),
        (["--group", "a=height"], "groups: 'a' has 'height', which is no column"),
    ]:
        status, _, err = run(*call, *wrong)
        assert status == 2 and says in err
    status, _, err = run(*explain("--group", "a=b"))
    assert (status, err) == (2, "spex: --group: goes with --table only; leave it out\n")


def test_texts_of_a_table_stay_texts(run, own_models):
    Path("rows.csv").write_text("country,zip,flag\nNA,00501,None\nDE,10115,yes\nUS,94107,no\n")
    call = ["explain", "--table", "rows.csv", "--model", f"predict:{own_models}:codes", "-q"]
    assert run(*call, "--out", "e.json")[0] == 0
    effects = spex.Explanation.load("e.json").interactions("SV")
    assert [effects[feature,] for feature in range(3)] == pytest.approx([2.0, 1.0, 0.5])
    # Missing, they stand for nothing: the model looks for "NA".
    assert run(*call, "--missing", "NA", "--missing", "None", "--out", "e.json")[0] == 0
    explanation = spex.Explanation.load("e.json")
    assert explanation.features[0] == "country = nan"
    assert explanation.interactions("SV").top(3) == [((1,), pytest.approx(1.0))]
    status, _, err = run(*explain("--missing", "NA"))
    assert (status, err) == (2, "spex: --missing: goes with --table only; leave it out\n")


def test_a_function_of_texts(run, own_models):
    arguments = ["--model", f"predict:{own_models}:length", "--prompt", "So: {input}", "-q"]
    status, _, _ = run("explain", "--text", "review.txt", *arguments, "--out", "e.json")
    assert status == 0
    assert spex.Explanation.load("e.json").interactions("Moebius")[2,] == len("never")


def test_a_function_from_prompt_to_reply(run, own_models, monkeypatch):
    arguments = ["--text", "review.txt", "--model", f"reply:{own_models}:answer"]
    arguments += ["--score", "matches:Good", "--out", "e.json"]
    status, _, err = run("explain", *arguments, "--dry-run")
    assert (status, err) == (0, "")
    misspelt = [each.replace(":answer", ":anwser") for each in arguments]
    status, _, err = run("explain", *misspelt, "--dry-run")
    assert (status, err) == (2, f"spex: '{own_models}' holds no 'anwser'\n")
    assert main(["explain", *arguments, "-q"]) == 0
    assert spex.Explanation.load("e.json").interactions("Moebius").top(1) == [((2, 3), 1.0)]


def test_a_picture_and_a_text(run, own_models):
    import_module("PIL.Image").new("RGB", (8, 8), "white").save("white.png")
    arguments = [
        "explain", "--image", "white.png", "--text", "review.txt", "--prompt", "Q: {input}",
        "--unit", "grid:2x2", "--mask", "grey", "--unit", "regex:[a-z]+", "--mask", "mask:_",
        "--model", f"predict:{own_models}:brightness",
    ]  # fmt: skip
    status, out, _ = run(*arguments, "--out", "e.json")
    assert status == 0
    explanation = spex.Explanation.load("e.json")
    assert explanation.features == (
        *(f"row {row}, column {column}" for row in (1, 2) for column in (1, 2)),
        "er", "acting", "never", "fails", "to", "impress",
    )  # fmt: skip
    assert explanation.context["operator"] == "grey and mask:_"
    status, out, _ = run(*arguments, "--dry-run")
    assert status == 0
    assert out.startswith("10 units (mask: grey and mask:_)\n   1  row 1, column 1\n")
    assert f"[user]\nQ: {TEXT}\n" in out
    status, _, err = run(*arguments, "--unit", "grid:3x3")
    assert (status, err) == (2, "spex: --unit: grid:2x2 and grid:3x3 are both for the picture\n")


def test_zoom(run, loader):
    paragraphs = [f"Filler {i}. More of it {i}." for i in range(6)]
    paragraphs[2] = "It never ran. Nobody fails."
    Path("long.txt").write_text("\n\n".join(paragraphs))
    arguments = [
        "explain",
        "--text",
        "long.txt",
        "--unit",
        "sentence",
        "--zoom",
        "paragraph",
        *ODDS,
    ]
    status, out, _ = run(*arguments, "--dry-run")
    assert status == 0
    assert out.startswith("12 sentences (mask: delete) in 6 paragraphs\n")
    assert "At most 2,000 calls" in out
    status, out, err = run(*arguments, "--out", "z.json", "--html", "z.html")
    assert status == 0
    assert out.startswith("Overview\n") and "\nClose up\n" in out
    found = spex.Zoom.load("z.json")
    assert (found.chosen, found.coarse.n_evaluations) == ((2,), 64)
    assert found.fine.features == ("It never ran.", "Nobody fails.")
    assert found.fine.context["command"].endswith("--out z.json --html z.html")
    status, out, _ = run("report", "z.json", "--html", "z2.html")
    assert (status, out) == (0, "")
    assert "Close up" in Path("z2.html").read_text("utf-8")
    assert "\nClose up\n" in run("report", "z.json")[1]
    status, _, err = run("report", "z.json", "--png", "z.png")
    assert status == 2
    assert err.startswith("spex: --png: z.json holds an overview and a close up")
    Path("z.json").write_text('{"format": "spex-zoom", "coarse": {}}')
    status, _, err = run("report", "z.json")
    assert status == 2
    assert 'z.json: coarse: no explanation of spex: it lacks "format"' in err


def test_zoom_to_any_depth(run, loader):
    chapters = [f"# Chapter {i}\n\nIt rained {i}. Nothing is new." for i in range(8)]
    chapters[5] = "# Chapter 5\n\nIt rained 5. It never fails."
    Path("book.txt").write_text("\n\n".join(chapters))
    call = ["explain", "--text", "book.txt", "--budget", "300", "--method", "linear", *ODDS]
    status, out, _ = run(*call, "--zoom", "auto", "--dry-run")
    assert status == 0
    assert out.startswith("72 words (mask: delete) in 8 sections, 16 paragraphs, 24 sentences\n")
    assert "At most 300 calls" in out
    status, _, err = run(*call, "--zoom", "auto", "--out", "e.json", "--html", "e.html")
    assert status == 0, err
    found = spex.Explanation.load("e.json")
    assert found.n_evaluations <= 300 and found.context["unit"].endswith("sentence / word")
    top = found.interactions("SV").top(2)
    assert {found.features[i] for (i,), _ in top} <= {"never", "fails."}
    named = run(*call, "--zoom", "section, sentence", "--out", "n.json")
    assert named[0] == 0
    assert spex.Explanation.load("n.json").context["unit"] == "section / sentence / word"
    loads = len(loader.names)
    status, _, err = run(*call, "--zoom", "auto", "--method", "spex")
    assert (status, len(loader.names)) == (2, loads)
    assert "method 'spex' asks for masks of its own" in err


def test_report(run):
    run(*explain("--out", "e.json", "-q"))
    status, out, err = run("report", "e.json", "--index", "BV", "--top", "2")
    assert (status, err) == (0, "")
    assert "Interactions, BV" in out
    status, out, err = run("report", "e.json", "--html", "e.html", "--png", "e.png", "--order", "2")
    assert (status, out) == (0, "")
    assert err.splitlines() == ["spex: wrote e.html", "spex: wrote e.png"]
    assert Path("e.png").read_bytes().startswith(b"\x89PNG")
    assert "FBII up to order 2" in Path("e.html").read_text(encoding="utf-8")


def test_png_with_letters_that_the_font_lacks(run):
    Path("odd.txt").write_text("never fails \U0001f600 \u4e2d\u6587", encoding="utf-8")
    run("explain", "--text", "odd.txt", *ODDS, "--out", "e.json", "-q")
    status, _, err = run("report", "e.json", "--png", "e.png")
    assert (status, err) == (0, "spex: wrote e.png\n")


def test_plan_tells_what_a_budget_recovers(run, loader):
    status, out, err = run("plan", "--features", 64, "--budget", 2000, "--noise", "0.2")
    assert (status, err) == (0, "")
    assert out.startswith("64 features, interactions up to order 5, 20 % of the variance in noise")
    row = next(line for line in out.splitlines() if line.split()[:1] == ["100"])
    shares = [int(share) for share in row.replace(",", "").split()[1::3]]
    assert shares == sorted(shares)
    assert loader.names == []


def test_plan_below_what_is_possible_says_what_would_be(run):
    status, out, err = run("plan", "--features", 64, "--budget", 5, "--degree", 2)
    assert (status, err) == (0, "")
    assert "A budget of 5 buys no coded design for 64 features" in out
    assert "The least budget that buys a coded design is" in out


def test_plan_of_everything(run):
    status, out, _ = run("plan", "--features", 6, "--budget", 64)
    assert status == 0
    assert "A budget of 64 evaluates all 64 masks: every coefficient is exact." in out


def test_demo(run, loader, folder):
    status, out, err = run("demo", "--budget", "60")
    assert status == 0
    assert "The largest Fourier coefficient" in out
    assert "spex explain --text review.txt" in out
    assert (folder / "spex-demo.html").exists()
    assert loader.names == ["smollm2"]
    assert not (folder.parent / "cache").exists()
    assert err.splitlines()[0] == "spex: loading the model smollm2"


def test_demo_quiet(run, folder):
    assert run("demo", "--budget", "60", "--quiet", "--html", "d.html") == (0, "", "")
    assert (folder / "d.html").exists()


# --- the store -----------------------------------------------------------------------------------


def stored(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("select count(*) from samples").fetchone()[0]


def test_evaluations_are_kept_by_default(run, loader, folder):
    run(*explain("-q"))
    assert loader.model.n_scored == 64
    assert stored(folder.parent / "cache" / "samples.sqlite") == 64
    run(*explain("-q", "--index", "SV"))
    assert loader.model.n_scored == 64


def test_no_store(run, loader, folder):
    run(*explain("-q", "--no-store"))
    run(*explain("-q", "--no-store"))
    assert loader.model.n_scored == 128
    assert not (folder.parent / "cache").exists()


def test_store_of_ones_own(run, loader, folder):
    run(*explain("-q", "--store", "s.sqlite"))
    assert stored("s.sqlite") == 64
    assert not (folder.parent / "cache").exists()


def test_default_store_that_cannot_be_had_stops_nothing(run, folder):
    (folder.parent / "cache").write_text("a file, not a folder")
    status, out, err = run(*explain())
    assert status == 0 and "never + fails" in out
    assert any("evaluations are not kept" in line for line in err.splitlines())


def test_given_store_that_cannot_be_had_is_an_error(run):
    Path("s.sqlite").write_text("no database at all, but long enough to be taken for one" * 20)
    status, out, err = run(*explain("--store", "s.sqlite", "-q"))
    assert (status, out) == (1, "")
    assert err.startswith("spex: the sample store s.sqlite") and err.count("\n") == 1


# --- wrong calls ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (explain("--index", "XYZ"), "index='XYZ' is not known; use one of SV, BV"),
        (explain("--order", "7"), "order=7 is outside 1 to 6"),
        (explain("--index", "SV", "--order", "2"), "order=2 does not exist for SV"),
        (explain("--method", "magic"), "method='magic' is unknown; choose one of auto"),
        (explain("--method", "exact", "--budget", "20"), "evaluates all 2^6 = 64 masks"),
        (explain("--unit", "letter"), "unit='letter' is unknown"),
        (explain("--unit", "regex:("), "is not a regular expression"),
        (explain("--unit", "sentence"), "has only one unit"),
        (explain("--mask", "blur"), "operator='blur' is unknown"),
        (explain("--prompt", "no slot"), "{input} 0 times"),
        (explain("--budget", "0"), "budget=0"),
        (explain("--budget", "x"), "--budget"),
        (explain("--seed", "-1"), "seed=-1"),
        (explain("--max-degree", "0"), "max_degree=0"),
        (explain("--target-r2", "2"), "target_r2=2"),
        (explain("--top", "-1"), "--top -1 is negative"),
        (explain("--answer", "yes"), "--answer: logodds compares two answers"),
        (explain("--out", "no/such/e.json"), "--out no/such/e.json: the folder no/such does not"),
        (explain("--html", "."), "--html .: is a folder"),
        (explain("--out", "a", "--html", "a"), "--out and --html are the same file"),
        (explain("--out", "review.txt"), "--text are the same file"),
        (explain("--store", "s", "--no-store"), "contradict each other"),
        (explain("--nonsense"), "--nonsense"),
        (explain("--price", "cheap"), "--price 'cheap': write dollars per million tokens"),
        (explain("--price", "1,-1"), "--price '1,-1': write dollars per million tokens"),
        (
            explain("--price", "1,2"),
            "--price: smollm2 is not on a server; only openai:MODEL@BASE_URL",
        ),
        (
            ["explain"],
            "give exactly one of --text, --documents, --messages, --reasoning, --agent, "
            "--inspect-log, --image, --table and --data",
        ),
        (explain("--question", "Why?"), "--question: goes with --documents only"),
        (
            ["explain", "--documents", "asking.json", "--question", "Why?"],
            "--question: asking.json holds a question; leave one of the two out",
        ),
        (explain("--messages", "chat.json"), "give exactly one of --text, --documents, "),
        (["explain", "--documents", "missing.json"], "--documents missing.json: cannot be read"),
        (["explain", "--documents", "review.txt"], "--documents review.txt: is not JSON"),
        (["explain", "--documents", "number.json"], "holds no list of documents; write a JSON"),
        (["explain", "--documents", "digits.json"], "--documents digits.json: is not JSON (Exc"),
        (["explain", "--documents", "chat.json"], "the unknown key 'messages'; use 'documents'"),
        (["explain", "--documents", "foreign.json"], "document 0 has a int as its text"),
        (["explain", "--messages", "foreign.json"], "message 0 is a int; give a mapping"),
        (["explain", "--messages", "chat.json"], "the last message is of role 'system'"),
        (["explain", "--messages", "chat.json", "--prompt", "{input}"], "--prompt: the messages"),
        (["explain", "--messages", "chat.json", "--system", "x"], "--system: the messages"),
        (["explain", "--messages", "ok.json", "--out", "ok.json"], "are the same file"),
        (["explain", "--image", "missing.png"], "image missing.png: cannot be read as a picture"),
        (["explain", "--image", "review.txt"], "image review.txt: cannot be read as a picture"),
        (explain("--model", "efficientnet-lite0"), "classifies pictures; give --image FILE"),
        (explain("--unit", "word", "--unit", "line"), "--unit: give it once; two are for --image"),
        (explain("--table", "rows.csv"), "or --image with --text"),
        (["explain", "--table", "rows.csv"], "--table: give the function that predicts from rows"),
        (["explain", "--table", "review.txt"], "review.txt: has 0 rows under its header"),
        (["explain", "--table", "ok.json"], "--table ok.json: has two columns"),
        (["explain", "--table", "ragged.csv"], "ragged.csv: is not CSV with a header"),
        (["explain", "--table", "column.csv"], "the table has one column"),
        (["explain", "--table", "rows.csv", "--unit", "word"], "--unit: does not go with --table"),
        (explain("--model", "predict:spex"), "predicts numbers; choose the one"),
        (explain("--zoom", "sentence"), "nothing to choose from; use explain"),
        (explain("--zoom", "letter"), "unit='letter' is unknown"),
        (explain("--zoom", "sentence", "--target-r2", "0.5"), "does not go with --zoom"),
        (explain("--zoom", "sentence", "--image", "x.png"), "image x.png: cannot be read"),
        (["explain", "--text", "missing.txt"], "missing.txt: cannot be read: No such file"),
        (["explain", "--text", "."], "cannot be read"),
        (["explain", "--text", "latin1.txt"], "is not UTF-8 (byte 2)"),
        (["explain", "--text", "empty.txt"], "is empty"),
        (["explain", "--text", "review.txt", "--score", "bleu"], "--score 'bleu' is unknown"),
        (["explain", "--text", "review.txt", "--score", "logodds:a"], "write logodds:A,B"),
        (["explain", "--text", "review.txt", "--score", "logodds:a,b,c"], "write logodds:A,B"),
        (["explain", "--text", "review.txt", "--score", "logodds:a,a"], "a and b are both 'a'"),
        (["explain", "--text", "review.txt", "--answer", ""], "answer is empty"),
        (["explain", "--text", "review.txt", "--score", "matches:("], "not a regular expression"),
        (
            ["explain", "--text", "review.txt", "--answer", "b", "--max-new-tokens", "9"],
            "the model writes nothing; its answer is given",
        ),
        (
            ["explain", "--text", "review.txt", "--score", "matches:a", "--max-new-tokens", "0"],
            "it must be a whole number of at least 1",
        ),
        (["explain", "--text", "review.txt", "--score", "matches"], "must be a str that is not"),
        (["explain", "--text", "review.txt", "--score", "json:label"], "write json:FIELD=VALUE"),
        (["explain", "--text", "review.txt", "--score", "json:=1"], "path='' is no path"),
        (
            ["explain", "--text", "review.txt", "--score", "matches:a", "--answer", "b"],
            "--answer: matches checks replies, not an answer",
        ),
        (
            ["explain", "--text", "review.txt", "--score", "similarity", "--answer", " "],
            "reference=' ' is no text",
        ),
        (["report"], "EXPLANATION.json"),
        (["report", "missing.json"], "cannot read missing.json"),
        (["report", "review.txt"], "review.txt is not JSON"),
        (["report", "foreign.json"], "no explanation of spex"),
        (["report", "review.txt", "--html", "review.txt"], "the explanation are the same file"),
        (["report", "review.txt", "--html", "x.png", "--png", "x.png"], "are the same file"),
        (["report", "review.txt", "--png", "z.xyz"], "--png z.xyz: writes .png, and the name says"),
        (["report", "review.txt", "--svg", "a.png"], "use one of --png FILE.png, --svg FILE.svg"),
        (["plan"], "--features"),
        (["plan", "--features", "8"], "--budget"),
        (["plan", "--features", "0", "--budget", "9"], "n_features=0; it must be a whole number"),
        (["plan", "--features", "20000", "--budget", "9"], "n_features=20000; at most 16384"),
        (["plan", "--features", "8", "--budget", "0"], "budget=0; it must be a whole number"),
        (["plan", "--features", "8", "--budget", "9", "--degree", "0"], "max_degree=0"),
        (
            ["plan", "--features", "8", "--budget", "9", "--noise", "1.5"],
            "noise=1.5; it is a share",
        ),
        (["plan", "--features", "8", "--budget", "9", "--noise", "x"], "--noise"),
        (["plan", "--features", "many", "--budget", "9"], "--features"),
        (["demo", "--budget", "1"], "budget=1 is too small"),
        (["demo", "--html", "no/such.html"], "the folder no does not exist"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_call(run, loader, arguments, says):
    Path("latin1.txt").write_bytes("na\xefve film".encode("latin-1"))
    Path("empty.txt").write_bytes(b" \n")
    Path("foreign.json").write_text("[1, 2]")
    Path("digits.json").write_text(f"[{'1' * 5000}]")
    Path("asking.json").write_text('{"documents": ["One.", "Two."], "question": "So?"}')
    Path("number.json").write_text("3")
    Path("rows.csv").write_text(TABLE)
    Path("ragged.csv").write_text("a,b\n1,2\n1,2,3,4\n")
    Path("column.csv").write_text("a\n1\n2\n")
    Path("ok.json").write_text(json.dumps(CHAT))
    Path("chat.json").write_text('{"messages": [{"role": "system", "content": "a"}]}')
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("spex: ") and err.count("\n") == 1, err
    assert says in err
    # Whatever is wrong, it is said before a model loads.
    assert loader.names == []
    assert Path("review.txt").read_text(encoding="utf-8") == TEXT + "\n"


def test_failures_of_the_outside_world(run):
    status, out, err = run(*explain("--model", "missing"))
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "spex: no torch; install it: pip install 'spex-explain[hf]'"
    status, _, err = run(*explain("--model", "broken", "-q"))
    assert (status, err) == (1, "spex: the weights are damaged\n")


def test_unknown_model(capsys):
    assert main(explain("--model", "gpt-9", "-q")) == 2
    assert capsys.readouterr().err == (
        "spex: model 'gpt-9' is unknown; use 'smollm2', 'hf:FOLDER_OR_HUB_NAME', "
        "'gguf:FILE', 'openai:MODEL@BASE_URL', 'sglang:MODEL@URL' or 'reply:MODULE:FUNCTION'\n"
    )


@pytest.mark.parametrize(
    ("place", "status", "says"),
    [
        ("", 2, "'' names no function; write MODULE:FUNCTION"),
        ("own_models", 2, "write MODULE:FUNCTION, such as my_models:answer"),
        ("own_models:3", 2, "write MODULE:FUNCTION"),
        ("own_models:nothing", 2, "'own_models' holds no 'nothing'"),
        ("own_models:forest.nothing", 2, "'own_models' holds no 'forest.nothing'"),
        ("own_models:number", 2, "is a int, which cannot be called"),
        ("no_such_module:f", 2, "there is no module 'no_such_module' in "),
        ("own_models.part:f", 2, "there is no module 'own_models.part' in "),
        ("broken_models:f", 1, "'broken_models' cannot be imported: ZeroDivisionError: division"),
        ("lacking_models:f", 1, "cannot be imported: No module named 'no_such_library'"),
        ("own_models:answer", 1, "predict returned a str that is no array of numbers"),
    ],
)
def test_functions_that_are_none(capsys, own_models, place, status, says):
    Path("broken_models.py").write_text("1 / 0")
    Path("lacking_models.py").write_text("import no_such_library")
    for kind in ("predict", "reply"):
        if place == "own_models:answer" and kind == "reply":
            continue
        score = [] if kind == "predict" else ["--score", "similarity", "--answer", "Good."]
        call = ["explain", "--text", "review.txt", "--model", f"{kind}:{place}", *score, "-q"]
        assert main(call) == status
        err = capsys.readouterr().err
        assert err.startswith("spex: ") and err.count("\n") == 1
        assert says in err


def test_model_that_returns_nonsense(run, loader):
    loader.model = TableModel(lambda prompt, answer: float("nan"))
    status, _, err = run(*explain("-q"))
    assert status == 1
    assert "returned nan" in err


def test_bugs_keep_their_traceback(run, loader):
    def broken(prompt, answer):
        raise ZeroDivisionError

    loader.model = TableModel(broken)
    with pytest.raises(ZeroDivisionError):
        run(*explain("-q"))


def test_missing_matplotlib(run, monkeypatch):
    run(*explain("--out", "e.json", "-q"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, _, err = run("report", "e.json", "--png", "e.png")
    assert status == 1
    assert "pip install 'spex-explain[plot]'" in err
    assert not Path("e.png").exists()


# --- interruption --------------------------------------------------------------------------------


def test_ctrl_c_while_loading(run, loader, monkeypatch):
    def interrupted(name, notice=None):
        raise KeyboardInterrupt

    assert main(explain("-q"), load=interrupted) == 130


def test_ctrl_c_says_what_is_kept(run, loader, folder):
    calls = 0

    def tires(prompt, answer):
        nonlocal calls
        calls += 1
        if calls > 100:
            raise KeyboardInterrupt
        return log_prob(prompt, answer)

    loader.model = TableModel(tires, name="table")
    status, out, err = run(*explain("-q"))
    assert (status, out) == (130, "")
    kept = stored(folder.parent / "cache" / "samples.sqlite")
    assert kept == 50  # two answers each
    assert err == (
        f"spex: interrupted; 50 evaluations finished and kept in "
        f"{folder.parent / 'cache' / 'samples.sqlite'}; the same command goes on from there\n"
    )
    loader.model = TableModel(log_prob, name="table")
    assert run(*explain("-q"))[0] == 0
    assert loader.model.n_scored == 14


def test_ctrl_c_without_store(run, loader):
    def tires(prompt, answer):
        raise KeyboardInterrupt

    loader.model = TableModel(tires)
    assert run(*explain("-q", "--no-store")) == (
        130,
        "",
        "spex: interrupted; no evaluation was finished\n",
    )


_SLOW = """
import sys, time
from spex.cli import main
from spex.models import TableModel

def slow(prompt, answer):
    time.sleep(0.02)
    return -1.0 - len(prompt.split()) / 10

sys.exit(main(sys.argv[1:], load=lambda name, notice=None: TableModel(slow, name="slow")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_in_a_real_process(folder, number):
    command = [sys.executable, "-c", _SLOW, *explain("--quiet", "--store", "s.sqlite")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (Path("s.sqlite").exists() and has_samples("s.sqlite")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.count("\n") == 1
    kept = stored("s.sqlite")
    assert 0 < kept < 64
    assert f"interrupted; {kept} evaluation" in err


def has_samples(path):
    try:
        return stored(path) > 0
    except sqlite3.Error:
        return False


# --- as a program --------------------------------------------------------------------------------


def spex_process(*arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "spex", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **settings,
    )


def test_version():
    process = spex_process("--version")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == f"spex {spex.__version__}\n"


@pytest.mark.slow
def test_wrong_call_of_the_program():
    process = spex_process("explain", "--text", "missing.txt")
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("spex: --text missing.txt") and process.stderr.count("\n") == 1


def test_help_without_arguments():
    process = spex_process()
    assert process.returncode == 2
    assert "Commands:" in process.stderr


def test_help_names_every_method(capsys):
    from spex.fitting.methods import METHODS

    assert main(["explain", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in METHODS)
    # Brackets, which rich would take for markup.
    assert "{input}" in text


@pytest.mark.slow
def test_output_that_the_pipe_cannot_encode(folder):
    Path("review.txt").write_text("never fails \u4e2d", encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = spex_process(
        "explain", "--text", "review.txt", "--dry-run", "--model", "openai:none@http://127.0.0.1:9",
        env=environment,
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (0, "")
    assert "never fails ?" in process.stdout


def test_reader_that_has_seen_enough(folder, run):
    run(*explain("--out", "e.json", "-q"))
    process = subprocess.run(
        f"{sys.executable} -m spex report e.json | head -1",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.stderr == ""
    assert process.stdout.count("\n") == 1


def test_saved_file_is_json_that_others_can_read(run):
    run(*explain("--out", "e.json", "-q"))
    content = json.loads(Path("e.json").read_text(encoding="utf-8"))
    assert content["format"] == "spex-explanation"
    assert content["context"]["parts"][0]["segments"][0] == ["Her", 0]
