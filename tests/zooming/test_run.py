"""A run from level to level: the parts that matter are opened, and no value is lost."""

import io
import re
import sys
from collections import Counter

import numpy as np
import pytest
from rich.console import Console

import spex
from spex.errors import ArgumentError
from spex.models import TableModel
from spex.report.terminal import view

N = 4096
LEVELS = {"page": np.arange(N) // 256, "line": np.arange(N) // 16}
A, B = 1000, 3333


def both(masks):
    return 2.0 * masks[:, A] * masks[:, B] - 0.5 * masks[:, 77]


def finished(run, f):
    asked = []
    while len(masks := run.ask()):
        assert np.array_equal(masks, run.ask())
        asked.append(np.packbits(masks, axis=1))
        run.tell(masks, f(masks))
    return np.concatenate(asked)


def units_of(explanation, members):
    return tuple(explanation.features[member] for member in members)


def test_both_halves_are_one_combination():
    run = spex.ZoomRun(N, LEVELS, budget=500, method="gp", finest="word")
    asked = finished(run, both)
    e = run.fit()
    top = e.interactions("Moebius").top(2)
    assert units_of(e, top[0][0]) == (str(A), str(B))
    assert top[0][1] == pytest.approx(2, abs=0.1)
    assert len(np.unique(asked, axis=0)) == len(asked) == e.n_evaluations == run.n_told <= 500
    assert e.n_features < 200


def test_r2_is_that_of_fresh_masks_of_the_last_parts():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=N) * (rng.random(N) < 0.02)

    def noisy(masks):
        return both(masks) + masks @ weights + rng.normal(size=len(masks)) * 0.3

    run = spex.ZoomRun(N, LEVELS, budget=500, method="gp")
    finished(run, noisy)
    e = run.fit()
    fresh = np.random.default_rng(1).random((2000, e.n_features)) < 0.5
    values = noisy(fresh[:, run.groups])
    r2 = 1 - np.mean((values - e.predict(fresh)) ** 2) / values.var()
    assert 0.3 < r2 < 0.99
    assert e.r2 == pytest.approx(r2, abs=0.08)


def test_every_value_is_in_the_last_fit():
    run = spex.ZoomRun(N, LEVELS, budget=400, method="linear")
    told = Counter()

    def counted(masks):
        told.update(mask.tobytes() for mask in masks)
        return both(masks)

    finished(run, counted)
    masks, values = run.some_told(run.n_told)
    assert {mask.tobytes() for mask in masks} == set(told)
    np.testing.assert_array_equal(values[:, 0], both(masks))


def test_where_nothing_matters_nothing_is_opened():
    rng = np.random.default_rng(2)
    run = spex.ZoomRun(N, LEVELS, budget=300, method="linear")
    first = len(run.groups) and run.groups.max() + 1
    finished(run, lambda masks: rng.normal(size=len(masks)))
    e = run.fit()
    assert e.n_features <= first + 40
    assert e.r2_interval[0] < 0.05
    assert ("None was opened" in e.notes[-1]) == (e.n_features == first)
    constant = spex.ZoomRun(N, LEVELS, budget=40, method="linear")
    finished(constant, lambda masks: np.ones(len(masks)))
    assert "None was opened: none was seen to matter in time." in constant.fit().notes[-1]


class Both:
    """`both` as a function with features, which counts its calls."""

    features = tuple(f"u{i}" for i in range(N))
    n_calls = 0

    def __call__(self, masks):
        self.n_calls += len(masks)
        return both(masks)


@pytest.mark.parametrize("calls", [4, 45, 83, 120, 999])
def test_a_limit_stops_it_and_r2_is_that_of_the_parts_explained(calls):
    f = Both()
    levels = list(LEVELS.values())
    e = spex.zoom(f, levels, 200, method="linear", limits=spex.Limits(calls=calls))
    assert f.n_calls == min(calls, 200)
    assert (e.stopped is None) == (calls > 200)
    # Parts that were opened just before have too few masks of their own: the parts before count.
    late = f.n_calls - e.n_evaluations
    assert 0 <= late < 12 and (f"{late} later evaluation" in e.notes[-1 - (calls == 4)]) == bool(
        late
    )
    assert e.r2_distribution == "uniform"


def test_parts_opened_a_moment_ago_are_no_part_of_the_fit():
    run = spex.ZoomRun(N, LEVELS, budget=300, method="linear")
    n_parts = run.groups.max() + 1
    while len(masks := run.ask()) and not run._before:
        run.tell(masks, both(masks))
    first = run.n_told
    run.tell(masks[:5], both(masks[:5]))  # of the second round
    e = run.fit()
    assert (e.n_features, e.n_evaluations, run.n_told) == (n_parts, first, first + 5)
    assert run.groups.max() + 1 == n_parts
    run.tell(masks[5:], both(masks[5:]))
    assert run.fit().n_features == run.groups.max() + 1 > n_parts


def test_gaps_are_left_out():
    failed = Counter()

    class Fails(Both):
        def __call__(self, masks):
            values = super().__call__(masks)
            failed.update(mask.tobytes() for mask in masks[~masks[:, 2000] & ~masks[:, 3900]])
            values[~masks[:, 2000] & ~masks[:, 3900]] = np.nan
            return values

    faults = spex.Faults(retries=1, gaps=0.5)
    e = spex.zoom(Fails(), list(LEVELS.values()), 120, method="linear", faults=faults)
    # No later round asks again for them, or for others in their place.
    assert any("failed each time and have no value" in note for note in e.notes)
    assert 115 < e.n_evaluations + len(failed) <= 120


def test_a_text_without_sentences_is_cut_into_runs_of_words():
    words = [f"w{i}" for i in range(900)]
    f = spex.PredictFunction(
        spex.Text(" ".join(words), unit="word"),
        lambda texts: [2.0 * ("w70 " in text) for text in texts],
    )
    e = spex.zoom(f, "auto", budget=200, method="linear")
    (top,) = e.interactions("SV").top(1)[0][0]
    assert (e.features[top], e.context["unit"]) == ("w70", "word")
    assert e.features[-1].endswith(" words)") and max(map(len, e.features)) <= 40


def test_few_units_are_all_masked():
    run = spex.ZoomRun(4, {"pair": [0, 0, 1, 1]}, budget=16)
    finished(run, lambda masks: 1.0 * masks[:, 0] * masks[:, 3])
    e = run.fit()
    assert (e.r2, e.n_evaluations) == (1.0, 16)
    assert e.interactions("Moebius").top(1) == [((0, 3), pytest.approx(1.0))]


def test_the_same_in_any_portions():
    whole, pieces = (spex.ZoomRun(N, LEVELS, budget=200, method="linear") for _ in range(2))
    finished(whole, both)
    while len(masks := pieces.ask()):
        some = masks[::-1][:17]
        pieces.tell(some, both(some))
    assert dict(whole.fit().spectrum.items()) == dict(pieces.fit().spectrum.items())


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"page": [0] * 5}, r"level 'page' has shape \(5,\)"),
        ({"page": np.arange(N) % 2}, "level 'page': a unit is not a run of features"),
        ({"line": LEVELS["line"], "page": LEVELS["page"]}, "level 'page' is not inside of level"),
    ],
)
def test_wrong_levels(levels, message):
    with pytest.raises(ArgumentError, match=message):
        spex.ZoomRun(N, levels)


def test_wrong_use():
    with pytest.raises(ArgumentError, match="method 'spex' asks for masks of its own"):
        spex.ZoomRun(N, LEVELS, method="spex")
    run = spex.ZoomRun(N, LEVELS, budget=100)
    cut = np.ones((1, N), dtype=bool)
    cut[0, 5] = False
    with pytest.raises(ArgumentError, match="a piece of a part that is not opened yet"):
        run.tell(cut, [1.0])
    with pytest.raises(ArgumentError, match="zoom explains one output"):
        run.tell(run.ask()[:2], np.zeros((2, 2)))
    with pytest.raises(ArgumentError, match="levels of type list"):
        spex.ZoomRun(N, [0, 1])


# ---- texts, documents and chats ------------------------------------------------------------------


def book(n_chapters=6, n_paragraphs=10):
    chapters = [
        "\n\n".join(
            [f"Chapter {c}"]
            + [f"It was day {c}.{p}. Nothing else was new then." for p in range(n_paragraphs)]
        )
        for c in range(n_chapters)
    ]
    whole = "\n\n".join(chapters)
    return whole.replace("day 1.4.", "amber.").replace("day 4.7.", "velvet.")


def reads(prompt, answer):
    return -4 + 3.0 * ("amber" in prompt and "velvet" in prompt) - 0.2 * ("day 2.2." in prompt)


def of_text(text, unit="word"):
    masker = spex.Text(text, unit=unit)
    return spex.ValueFunction(masker, TableModel(reads), spex.LogProb("yes"))


def test_a_text_from_sections_to_words():
    f = of_text(book())
    e = spex.zoom(f, "auto", budget=500, method="gp")
    assert e.context["unit"] == "section / paragraph / sentence / word"
    top = e.interactions("Moebius").top(1)[0]
    assert units_of(e, top[0]) == ("amber.", "velvet.")
    assert top[1] == pytest.approx(3, abs=0.2)
    (part,) = e.context["parts"]
    assert "".join(text for text, _ in part.pieces) == f.masker.text
    # A part that is not opened is one piece.
    assert len(part.pieces) < 2 * e.n_features + 1
    assert any(label.endswith("(section)") or "paragraphs)" in label for label in e.features)
    same = spex.zoom(f, ["section", "paragraph", "sentence"], budget=500, method="gp")
    assert dict(same.spectrum.items()) == dict(e.spectrum.items())


def test_documents_and_messages_have_levels_inside():
    chapters = book().split("Chapter ")[1:]
    documents = spex.Documents([(f"T{i}", text) for i, text in enumerate(chapters)], unit="word")
    f = spex.ValueFunction(documents, TableModel(reads), spex.LogProb("yes"))
    e = spex.zoom(f, "auto", budget=400, method="linear")
    assert e.context["unit"].startswith("document / paragraph / sentence")
    assert any(label.startswith("T0") for label in e.features)
    chat = [{"role": "user", "content": text} for text in chapters]
    chat = [{"role": "system", "content": "One. Two."}, *chat]
    g = spex.PredictFunction(
        spex.Messages(chat, unit="sentence"),
        lambda chats: [sum("amber" in turn["content"] for turn in chat) for chat in chats],
    )
    e = spex.zoom(g, "auto", budget=200, method="linear")
    assert e.context["unit"] == "message / paragraph / sentence"
    (top,) = e.interactions("SV").top(1)[0][0]
    assert e.features[top] == "It was amber."


def test_a_store_keeps_all_levels(tmp_path):
    f = of_text(book())
    store = tmp_path / "s.sqlite"
    first = spex.zoom(f, "auto", budget=300, method="linear", store=store)
    calls = f.model.n_scored
    assert calls == first.n_evaluations
    again = spex.zoom(f, "auto", budget=300, method="linear", store=store)
    assert f.model.n_scored == calls
    assert dict(again.spectrum.items()) == dict(first.spectrum.items())


def test_killed_and_resumed(tmp_path):
    """A process that dies in the middle of a level has lost at most its last batch."""
    import subprocess

    code = (
        "import os, sys; sys.path.insert(0, {tests!r})\n"
        "from zooming.test_run import *\n"
        "calls = 0\n"
        "def dies(prompt, answer):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls > 150: os._exit(9)\n"
        "    return reads(prompt, answer)\n"
        "f = spex.ValueFunction(spex.Text(book()), TableModel(dies),"
        " spex.LogProb('yes'))\n"
        "spex.zoom(f, 'auto', budget=300, method='linear', store={store!r})\n"
    )
    tests, store = str(__file__).rsplit("/", 2)[0], str(tmp_path / "s.sqlite")
    done = subprocess.run([sys.executable, "-c", code.format(tests=tests, store=store)])
    assert done.returncode == 9
    model = TableModel(reads)
    f = spex.ValueFunction(spex.Text(book()), model, spex.LogProb("yes"))
    e = spex.zoom(f, "auto", budget=300, method="linear", store=store)
    kept = e.n_evaluations - model.n_scored
    assert 80 <= kept <= 150
    whole = spex.zoom(of_text(book()), "auto", budget=300, method="linear")
    assert dict(e.spectrum.items()) == dict(whole.spectrum.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": ["sentence", "section"]}, None),
        ({"groups": ["word"]}, "no level of coarser units"),
        ({"groups": ["letter", "word"]}, "unit='letter' is unknown"),
        ({"groups": ["auto", "paragraph"]}, "level 'auto' among others"),
        ({"top": 1}, "top and rest go with one coarser unit"),
        ({"method": "exact"}, "method 'exact' asks for masks of its own"),
    ],
)
def test_wrong_arguments(arguments, message):
    given = {"f": of_text(book()), "groups": "auto", "budget": 200} | arguments
    if message is None:  # what is no finer than the level before is left out
        assert spex.zoom(**given, method="linear").context["unit"] == "sentence / word"
        return
    with pytest.raises(ArgumentError, match=message):
        spex.zoom(**given)


def test_functions_without_a_masker():
    class Sum:
        features = tuple(f"u{i}" for i in range(64))

        def __call__(self, masks):
            return 1.0 * masks[:, 9]

    e = spex.zoom(Sum(), [np.arange(64) // 16, np.arange(64) // 4], budget=200, method="linear")
    assert units_of(e, e.interactions("SV").top(1)[0][0]) == ("u9",)
    with pytest.raises(ArgumentError, match="f has no masker that knows coarser units"):
        spex.zoom(Sum(), "auto")


def test_a_long_page_folds_long_parts(tmp_path):
    text = book(n_chapters=12, n_paragraphs=60)
    assert len(text) > 20_000
    e = spex.zoom(of_text(text), "auto", budget=200, method="linear")
    e.to_html(tmp_path / "e.html")
    page = (tmp_path / "e.html").read_text()
    assert re.search(r"<summary>[\d,]+ characters, \S", page)
    told = Console(file=io.StringIO(), width=80)
    told.print(view(e))
    assert len(told.file.getvalue()) < len(text) / 2
    assert re.search(r"\([\d,]+\s+characters\)", told.file.getvalue())
    assert page.count('<details class="folded">') > 3
    assert page.count("data-f=") < 2 * e.n_features
    assert "Chapter 3" in page
    short = spex.zoom(of_text(book()), "auto", budget=200, method="linear")
    short.to_html(tmp_path / "short.html")
    assert '<details class="folded">' not in (tmp_path / "short.html").read_text()
