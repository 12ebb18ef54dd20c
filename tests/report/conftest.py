"""Explanations to report on, and a real browser."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from spex.context import Context
from spex.explanation import Explanation
from spex.fourier.spectrum import Spectrum
from spex.report.html import render_html
from spex.saving import Found

CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()


def make_explanation(coefficients, features, **changes):
    """An explanation of a given spectrum, with usual values for the rest."""
    settings = {
        "r2": 0.93,
        "r2_interval": (0.9, 0.95),
        "n_evaluations": 300,
        "method": "gp",
        "budget": 300,
        "seed": 0,
    } | changes
    settings["context"] = Context.from_json(Found(settings.get("context", {})), len(features))
    return Explanation(
        features=tuple(features),
        spectrum=Spectrum.from_mapping(coefficients, len(features)),
        **settings,
    )


def text_context(text, **changes):
    """What a ValueFunction over the words of a text describes."""
    segments = []
    for number, word in enumerate(text.split(" ")):
        segments += [[" ", None]] if number else []
        segments.append([word, number])
    return {
        "model": "smollm2",
        "prompt": f"Review: {text}",
        "system": "Be brief.",
        "answer": None,
        "score": 'log P("positive") - log P("negative")',
        "score_unit": "nats",
        "text": text,
        "unit": "word",
        "operator": "delete",
        "parts": [{"heading": None, "segments": segments}],
        "command": "spex explain --text review.txt",
    } | changes


@pytest.fixture
def review():
    """Six words; `never` and `fails` act together."""
    text = "Her acting never fails to impress"
    return make_explanation(
        {
            (): 0.8,
            (0,): 0.0,
            (1,): -0.08,
            (2,): -0.19,
            (3,): 0.15,
            (5,): -0.1,
            (2, 3): 0.36,
            (0, 1): -0.06,
            (2, 3, 5): 0.02,
        },
        text.split(),
        context=text_context(text),
        notes=("The budget is small.",),
        scores={"linear": 0.4, "gp": 0.93},
    )


@pytest.fixture
def documents():
    """Two documents, the first with a title."""
    parts = [
        {"heading": "A title", "segments": [["First text.", 0], ["\n", None]]},
        {"heading": None, "segments": [["Second text.", 1]]},
    ]
    return make_explanation(
        {(): 0.5, (0,): -0.5, (1,): 0.25}, ["A title", "Second text."], context={"parts": parts}
    )


@pytest.fixture
def picture():
    """A picture of two halves, and a question of two words."""
    parts = [
        {
            "heading": None,
            # A single grey pixel.
            "picture": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklE"
            "QVR4nGNqAAAAggCBd81ytgAAAABJRU5ErkJggg==",
            "width": 40,
            "height": 20,
            "outlines": [[0, "M0,0L20,0L20,20L0,20Z"], [1, "M20,0L40,0L40,20L20,20Z"]],
            "cells": [[0, 0, 1, 1], [0, 0, 1, None]],
        },
        {"heading": "Question", "segments": [["What", 2], [" ", None], ["then", 3]]},
    ]
    return make_explanation(
        {(): 0.5, (0,): -0.5, (1,): 0.25, (0, 2): 0.3},
        ["row 1, column 1", "row 1, column 2", "What", "then"],
        context={"parts": parts},
    )


@pytest.fixture
def numbers():
    """A plain callable: no text, only labels."""
    return make_explanation({(): 1.0, (0,): 2.0, (0, 2): -1.0}, ["age", "income", "height"])


@pytest.fixture
def large():
    """500 features and 4,000 interactions."""
    rng = np.random.default_rng(0)
    coefficients = {(i,): float(rng.normal()) for i in range(500)}
    while len(coefficients) < 4000:
        i, j = sorted(rng.choice(500, 2, replace=False).tolist())
        coefficients[i, j] = float(rng.normal() / 3)
    text = " ".join(f"word{i}" for i in range(500))
    return make_explanation(coefficients, text.split(), context=text_context(text))


@pytest.fixture(scope="module")  # an event loop runs in this thread as long as it lives
def browser():
    """Chromium; absent, these tests fail in continuous integration and are skipped elsewhere."""
    reason = None
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not installed (apt-get install chromium)"
    else:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError as error:
            reason = f"playwright cannot be imported: {error}"
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def make():
    """`make_explanation`, for tests of other folders' conventions."""
    return make_explanation


@pytest.fixture
def context_of():
    """`text_context`."""
    return text_context


@cache
def rendered(explanation):
    """Its page; the large one is asked for by many tests."""
    return render_html([explanation])


def until(page, expression):
    """Evaluate JavaScript until it is true, half a minute at most.

    Playwright's `wait_for_function` cannot: the page forbids `eval`, and that is what it calls at
    every try after the first.
    """
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never true: {expression}")


@pytest.fixture
def open_page(browser, tmp_path):
    """Open a page of explanations; returns the browser's page and what it complained about."""
    contexts = []

    def open_it(explanations, width=1280, scheme="light", fragment="", html=None, **settings):
        path = tmp_path / f"page{len(contexts)}.html"
        if html is None:
            alone = len(explanations) == 1 and not settings
            html = rendered(*explanations) if alone else render_html(explanations, **settings)
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)  # how long a busy machine takes is not what is tested
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(path.as_uri() + fragment)
        assert complaints.pop(0) == path.as_uri()
        return page, complaints

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture
def chat(make):
    turns = [
        ("user", ["My order is late.", "Its number is 77."]),
        ("assistant", ["Sorry!", "Which order?"]),
        ("user", ["As I said: 77.", "Please refund it."]),
    ]
    parts, labels = [], []
    for role, sentences in turns:
        segments = []
        for sentence in sentences:
            segments += [[" ", None]] if segments else []
            segments.append([sentence, len(labels)])
            labels.append(sentence)
        parts.append({"heading": role, "segments": segments})
    return make({(1, 4): 0.5, (0, 5): -0.3, (3,): 0.2}, labels, context={"parts": parts})


@pytest.fixture(scope="session")
def thousand():
    """1,000 words and more than 1,000 interactions."""
    rng = np.random.default_rng(0)
    coefficients = {(i,): float(rng.normal()) for i in range(1000)}
    while len(coefficients) < 1500:
        i, j = sorted(rng.choice(1000, 2, replace=False).tolist())
        coefficients[i, j] = float(rng.normal())
    words = [f"word{i % 300}" for i in range(1000)]
    return make_explanation(
        coefficients,
        words,
        context=text_context(" ".join(words)),
        standard_errors=np.full(1500, 0.1),
        unexplained=1.0,
    )


@pytest.fixture
def measured(review):
    """The review with errors, the model's own values, and a smallest set."""
    e = replace(
        review,
        standard_errors=np.full(len(review.spectrum), 0.05),
        unexplained=0.04,
        observed=(1.4, 0.5),
    )
    # The value function is the surrogate itself: the set without which it falls below 0.9.
    found = e.smallest_change(e.predict, to=0.9)
    assert found.is_verified and found.features
    return replace(e, sets=replace(e.sets, change=found))
