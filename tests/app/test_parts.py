"""The parts of the app that need no browser: its form, models, folder, jobs and curve."""

import json
import sys
import threading

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

import spex
from models.servers.test_openai import KEY, running
from spex.app.curve import curve
from spex.app.form import CHAT, DOCUMENTS, LABELS, PICTURE, TABLE, TEXT, Form, request_of
from spex.app.job import Call, Job, Point
from spex.app.models import Serialised, SharedModels
from spex.app.shelf import Entry, Shelf
from spex.cli.app import app
from spex.cli.explaining.inputs import read_masker

WORDS = "one two three four five six seven eight nine ten"
MODULE = """
import threading, time
calls, fail_after, pause = 0, 10**9, 0.0
inside, most_inside = 0, 0

def score(texts):
    global calls, inside, most_inside
    inside += 1
    most_inside = max(most_inside, inside)
    time.sleep(pause)
    inside -= 1
    calls += len(texts)
    if calls > fail_after:
        raise OSError("no luck")
    return [float("one" in text and "two" in text) for text in texts]

def price(rows):
    return [float(a * b) for a, b in zip(rows["area"], rows["storeys"])]
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A module whose function `score` is slow, fails or counts, as it is told."""
    (tmp_path / "model_of_app.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("spex.values.retrying._FIRST_PAUSE", 0.0)
    import model_of_app

    yield model_of_app
    del sys.modules["model_of_app"]


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "explanations")


def form(text=WORDS, **options):
    return Form(TEXT, text, None, {"model": "predict:model_of_app:score", **options})


# ---- the form ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a b\n", "--help me", " a\r\nb \n\n", "\u202eא <script>🎬"])
def test_a_text_arrives_as_it_was_pasted(text, tmp_path):
    request = request_of(Form(TEXT, text, None, {}).arguments(tmp_path))
    assert read_masker(request).text == text


def test_options_are_those_of_the_command_line(tmp_path):
    given = {"budget": "77", "unit": "sentence", "answer": "--budget=3", "target_r2": "0.9"}
    request = request_of(Form(TEXT, "A. B.", None, given).arguments(tmp_path))
    assert (request.budget, request.answer, request.target_r2) == (77, "--budget=3", 0.9)
    assert (request.unit, request.method, request.no_store) == (("sentence",), "auto", False)
    with pytest.raises(spex.ArgumentError, match="'--budget'"):
        request_of(Form(TEXT, "A", None, {"budget": "x"}).arguments(tmp_path))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Invalid value for '--target-r2': 'x' is no number", "Stop at R2: 'x' is no number"),
        ("target_r2=2.0: use 0 to 1", "Stop at R2 2.0: use 0 to 1"),
        ("--text {}/text.txt: is empty", "Text: is empty"),
        ("--max-cost: needs the price; give --price", "Most dollars: needs the price; give Price"),
        ("{}/text.txt is odd, and so is '--help'", "Text is odd, and so is '--help'"),
    ],
)
def test_messages_name_fields_of_the_form(message, said, tmp_path):
    assert form().worded(message.format(tmp_path), tmp_path) == said


def test_every_field_is_an_option_of_the_command_line(tmp_path):
    help_text = CliRunner().invoke(app, ["explain", "--help"], terminal_width=400).output
    for option in LABELS:
        assert f"--{option.replace('_', '-')} " in help_text


def test_other_inputs(tmp_path):
    documents = '[{"title": "A", "text": "B"}, "C"]'
    request = request_of(Form(DOCUMENTS, documents, None, {}).arguments(tmp_path))
    assert read_masker(request).n_features == 2
    turns = [{"role": role, "content": "Hello"} for role in ("user", "assistant", "user")]
    chat = json.dumps(turns)
    request = request_of(Form(CHAT, chat, None, {}).arguments(tmp_path))
    assert read_masker(request).n_features == 3
    PIL.Image.new("RGB", (60, 40)).save(tmp_path / "cat.png")
    picture = Form(PICTURE, "", str(tmp_path / "cat.png"), {"unit": "grid:3x2"})
    (tmp_path / "kept").mkdir()
    request = request_of(picture.arguments(tmp_path / "kept"))
    assert read_masker(request).n_features == 6 and "kept" in request.image
    rows = "area,storeys,age\n10,3,5\n1,1,7\n2,1,9"
    table = Form(TABLE, rows, None, {"model": "predict:m:f"}).arguments(tmp_path)
    assert read_masker(request_of(table)).features == ("area = 10", "storeys = 3", "age = 5")
    for kind in (TEXT, PICTURE, TABLE, "Song"):
        with pytest.raises(spex.ArgumentError):
            Form(kind, " ", None, {}).arguments(tmp_path)


# ---- models --------------------------------------------------------------------------------------


def test_models_are_loaded_once_but_those_on_servers(monkeypatch):
    loaded = []
    monkeypatch.setattr("spex.models.load", lambda name, *_, **__: loaded.append(name) or object())
    models = SharedModels()
    assert models.load("smollm2") is models.load("smollm2")
    assert models.load("smollm2") is not models.load("smollm2", device="cpu")
    assert models.load("openai:m@http://x/v1") is not models.load("openai:m@http://x/v1")
    assert loaded == ["smollm2"] * 2 + ["openai:m@http://x/v1"] * 2
    assert models.lock("smollm2") is models.lock("smollm2") is not models.lock("other")


def test_two_sources_take_turns(model):
    model.pause = 0.01
    lock, masks = threading.Lock(), np.random.default_rng(0).random((40, 10)) < 0.5
    sources = [spex.PredictFunction(spex.Text(WORDS), model.score) for _ in range(2)]
    model.most_inside = 0
    threads = [
        threading.Thread(target=lambda one=one: list(Serialised(one, lock).stream(masks)))
        for one in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.calls >= 80 and model.most_inside == 1


# ---- jobs ----------------------------------------------------------------------------------------


def test_a_job_tells_how_r2_rises(model, shelf):
    job = Job(form(budget="200"), shelf, SharedModels())
    assert job.wait(120) and job.error is None and job.is_saved
    assert [one.n for one in job.points] == sorted({one.n for one in job.points})
    assert len(job.points) > 1 and job.points[-1].n == 200
    found = spex.Explanation.load(job.entry.json)
    last = job.points[-1]
    assert (found.r2, found.r2_interval) == (last.r2, (last.low, last.high))
    # As without the fits in between, and as `spex explain` has it.
    value = spex.PredictFunction(spex.Text(WORDS), model.score)
    assert dict(spex.explain(value, budget=200).spectrum.items()) == dict(found.spectrum.items())
    assert found.context.command.startswith("spex explain --text=")
    (entry,) = shelf.entries()
    assert entry.about == "one two three four five six seven eig..." and "<html" in entry.page()


def test_a_stopped_job_explains_what_is_there(model, shelf):
    model.pause = 0.1
    job = Job(form(f"{WORDS} eleven twelve thirteen", budget="4000"), shelf, SharedModels())
    while job.progress is None or job.progress.done < 20:
        assert not job.wait(0.05), job.error
    job.stop()
    assert job.wait(120) and job.is_saved and job.error is None
    assert 20 <= spex.Explanation.load(job.entry.json).n_evaluations < 4000


def test_a_model_that_fails_midway_loses_nothing(model, shelf):
    model.fail_after = 60
    job = Job(form(budget="400"), shelf, SharedModels())
    assert job.wait(120) and job.is_saved
    n = spex.Explanation.load(job.entry.json).n_evaluations
    assert "no luck" in job.error and f"shown is what {n} evaluations say" in job.error
    assert 4 <= n <= 60


def test_a_limit_ends_a_job_and_what_is_there_is_explained(model, shelf):
    job = Job(form(budget="400", max_calls="60"), shelf, SharedModels())
    assert job.wait(120) and job.is_saved and job.error is None
    found = spex.Explanation.load(job.entry.json)
    assert found.n_evaluations == model.calls == 60
    assert job.is_partial
    assert job.ending == "The limit of 60 calls is reached."
    assert found.notes[0].startswith("Partial: the limit of 60 calls is reached")
    job = Job(form(budget="400", max_calls="2"), shelf, SharedModels())
    assert job.wait(120) and not job.is_saved and "raise it" in job.error


def test_a_misspelt_function_is_told_by_a_check(model, tmp_path):
    for place, said in (
        ("reply:os", "names no function"),
        ("reply:os:nix", "'os' holds no 'nix'"),
        ("reply:nix:f", "no module 'nix'"),
        ("predict:os:nix", "'os' holds no 'nix'"),
    ):
        score = "similarity" if place.startswith("reply") else "logprob"
        with pytest.raises(spex.ArgumentError, match=said):
            Call(form(model=place, score=score), Entry(tmp_path), SharedModels(), print)


@pytest.mark.slow  # starts a server
def test_what_a_server_may_cost_is_told_before_and_never_exceeded(shelf, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with running("text") as server:
        given = Form(
            TEXT,
            "Her acting never fails to impress",
            None,
            {"model": server.name, "score": "matches:good", "budget": "64", "price": "100,1000",
             "max_cost": "0.1"},
        )  # fmt: skip
        call = Call(given, Entry(tmp_path), SharedModels(), lambda _: None)
        assert "Stops before it exceeds $0.1, and explains what is there" in call.plan()
        assert any("at the price given" in line for line in call.estimate())
        assert server.requests() == []  # nothing is asked in a dry run
        job = Job(given, shelf, SharedModels())
        assert job.wait(120) and job.is_saved and job.error is None
        found = spex.Explanation.load(job.entry.json)
        assert 0 < found.context.usage["cost"] <= 0.1 and found.n_evaluations < 64
        assert job.ending.startswith("The limit of $0.1 is reached. The server counts ")
    with pytest.raises(spex.ArgumentError, match="--max-cost: needs the price"):
        options = dict(given.options)
        del options["price"]
        Call(Form(TEXT, "a b", None, options), Entry(tmp_path), SharedModels(), print)


def test_a_row_of_a_table_is_explained(model, shelf):
    rows = "area,storeys,age\n10,3,5\n1,1,7\n2,1,9"
    options = {"model": "predict:model_of_app:price", "budget": "100"}
    job = Job(Form(TABLE, rows, None, options), shelf, SharedModels())
    assert job.wait(120) and job.error is None
    found = spex.Explanation.load(job.entry.json)
    assert found.n_evaluations == 8 and "area = 10 + storeys = 3" in job.entry.page()


def test_a_long_text_is_zoomed_into(model, shelf):
    text = "one two. Three four.\n\nFive six. Seven.\n\nEight. Nine."
    job = Job(form(text, unit="sentence", zoom="paragraph", budget="60"), shelf, SharedModels())
    assert job.wait(120) and job.error is None and job.is_saved
    (entry,) = shelf.entries()
    assert spex.Zoom.load(entry.json).chosen == (0,)
    assert "Overview" in entry.page()
    assert job.points == []


def test_a_zoom_that_is_stopped_keeps_its_evaluations_alone(model, shelf):
    model.pause = 0.2
    text = ".\n\n".join(f"a{i} one. b{i} two" for i in range(12))
    job = Job(form(text, unit="sentence", zoom="paragraph", budget="900"), shelf, SharedModels())
    while job.progress is None or not job.progress.done:
        assert not job.wait(0.05), job.error
    job.stop()
    assert job.wait(120) and not job.is_saved
    assert "a zoom is explained when it is complete" in job.error


def test_a_job_stopped_at_once_keeps_no_folder(model, shelf):
    model.pause = 0.3
    job = Job(form(budget="400"), shelf, SharedModels())
    job.stop()
    assert job.wait(120) and not job.is_saved
    assert "stopped with" in job.error and list(shelf.folder.iterdir()) == []


# ---- what is kept --------------------------------------------------------------------------------


def test_the_shelf_gives_what_it_holds_and_nothing_else(shelf, tmp_path):
    e = spex.explain(lambda masks: 1.0 * masks[:, 0], 3, budget=8)
    names = []
    for title in ("first", "second"):
        entry = shelf.new()
        entry.save(e, title)
        names.append(entry.name)
    shelf.new()  # holds none yet
    (shelf.folder / "notes").mkdir()
    assert [one.name for one in Shelf(shelf.folder).entries()] == names[::-1]
    assert shelf.entry(names[0]).title.endswith(" · first · R2 1.00, 8 calls")
    assert shelf.entry(names[0]).about == "first"
    for name in ("../explanations", "notes", "", names[0] + "/"):
        with pytest.raises(spex.FileFormatError):
            shelf.entry(name)
    entry.html.unlink()
    assert "<html" in entry.page()
    entry.json.write_text("{}")
    entry.html.unlink()
    with pytest.raises(spex.FileFormatError):
        Entry(entry.folder).page()
    (tmp_path / "file").write_text("")
    with pytest.raises(spex.BackendError, match="SPEX_DATA_DIR"):
        Shelf(tmp_path / "file")


def test_the_curve_draws_what_is_known():
    points = [Point(10, -3.0, -9.0, 0.4), Point(50, 0.9, 0.8, 0.95)]
    picture = curve(points, 100)
    assert "R2 0.90 (90 %: 0.80 to 0.95)" in picture and picture.count("<circle") == 2
    assert "≤ -1</text>" in picture and 'cy="170.0"' in picture  # at the lower edge
    below = curve([Point(10, -0.15, -0.3, 0.0)], 100)
    assert ">-0.5</text>" in below and 'cy="170.0"' not in below
    assert ">0.5</text>" in curve([Point(10, 0.2, 0.1, 0.3)], 100)
    nothing = curve([Point(10, float("nan"), float("nan"), float("nan"))], 100)
    assert "<circle" not in nothing and "nan" not in nothing
