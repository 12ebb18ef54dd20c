"""Explanations to draw."""

import base64
import io

import pytest
from PIL import Image

from report.conftest import (  # noqa: F401 - fixtures
    context_of,
    documents,
    make,
    make_explanation,
    numbers,
    review,
    text_context,
)

REVIEW = (
    "This is not a bad film at all, although the beginning is rather slow and the jokes are hardly "
    "ever funny. The actors are great, the music is never boring, and the ending, which I will not "
    "spoil, is very good indeed. But do not expect a masterpiece: it is too long, somewhat "
    "predictable, and not really worth the high price of the ticket."
)


@pytest.fixture(scope="module")
def long_review():
    """60 words; combinations on one line and on several, and three words `not`."""
    words = REVIEW.split()
    nots = [number for number, word in enumerate(words) if word == "not"]
    coefficients = {(number,): 0.01 * (number % 7 - 3) for number in range(len(words))}
    coefficients |= {
        (nots[0], nots[0] + 2): -0.3,
        (nots[0], nots[2]): 0.1,
        (3, 21, 44): 0.09,
        (nots[1], nots[1] + 4): 0.2,
        (nots[2], nots[2] + 3): 0.21,
        (0, 59): -0.07,
        (20, 27): 0.07,
        (20, 28): -0.06,
    }
    return make_explanation(coefficients, words, context=text_context(REVIEW))


@pytest.fixture
def odd():
    """Labels in many scripts, two alike, one long, one like a formula; a combination of four."""
    labels = ["never", "never", "好", "\N{GRINNING FACE}", "a long label " * 9, "$x$", "עברית"]
    return make_explanation(
        {(0, 1): 0.4, (2, 3): -0.3, (0, 2, 3, 6): 0.25, (4,): 0.2, (4, 5): -0.1, (6,): -0.05},
        labels,
    )


@pytest.fixture
def picture():
    """A picture of six regions, three of which act together, and a question of two words."""
    file = io.BytesIO()
    Image.effect_noise((60, 40), 60).save(file, format="png")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    corners = [(20 * (i % 3), 20 * (i // 3)) for i in range(6)]
    outlines = [
        [i, f"M{x},{y}L{x + 20},{y}L{x + 20},{y + 20}L{x},{y + 20}Z"]
        for i, (x, y) in enumerate(corners)
    ]
    parts = [
        {
            "heading": None,
            "picture": url,
            "width": 60,
            "height": 40,
            "outlines": outlines,
            "cells": [[0, 1, 2], [3, 4, 5]],
        },
        {"heading": "Question", "segments": [["What", 6], [" ", None], ["then", 7]]},
    ]
    names = [f"row {i // 3 + 1}, column {i % 3 + 1}" for i in range(6)]
    return make_explanation(
        {(): 0.5, (0,): -0.5, (1,): 0.25, (0, 5): 0.3, (1, 2): -0.2, (0, 1, 3): -0.1, (4, 6): 0.1},
        [*names, "What", "then"],
        context={"parts": parts},
    )
