import io

import numpy as np
from rich.console import Console

import spex
from spex.report.html import page_data
from spex.report.terminal import view


def test_repr_says_what_how_well_and_at_what_cost(review):
    lines = repr(review).splitlines()
    assert lines[0] == (
        "Explanation of 6 features by gp: R2 0.93 (90 % interval 0.90 to 0.95), 300 evaluations"
    )
    assert "model: smollm2" in lines
    assert "note: The budget is small." in lines
    # Order 2 holds 95 % of the variance, so FBII is shown up to there: 4 x 0.36.
    assert lines[lines.index("largest interactions (FBII up to order 2):") + 1].split() == [
        "+1.44", "never", "+", "fails",
    ]  # fmt: skip


def test_values_are_those_of_the_index(review):
    values = review.interactions("FBII", 2)
    (members, value), *_ = values.top(1)
    line = next(line for line in repr(review).splitlines() if line.startswith("  "))
    assert f"{value:+.3g}"[:4] in line
    assert all(review.features[member] in line for member in members)


def test_many_and_long_labels_stay_short(make):
    labels = ["A sentence that goes on and on. " * 20 + str(i) for i in range(300)]
    explanation = make({(i, i + 1): 1.0 + i for i in range(299)}, labels)
    text = repr(explanation)
    assert len(text.splitlines()) < 20
    assert max(map(len, text.splitlines())) < 120
    assert "more, each at most" in text


def test_constant_and_hostile(make):
    assert "No interactions" in repr(make({(): 1.0}, ["a", "b"], r2=1.0))
    assert "\x1b" not in repr(make({(0,): 1.0}, ["\x1b[2J", "b"], notes=("\x1b]0;x",)))


def test_dense_spectrum_has_a_repr(make):
    wide = make({tuple(range(23)): 1.0}, [str(i) for i in range(23)])
    assert "Fourier" in repr(wide)


def test_values_that_may_be_noise_are_marked_alike_everywhere():
    rng = np.random.default_rng(0)
    found = spex.explain(lambda masks: 1.0 * masks[:, 0] + rng.normal(size=len(masks)), 8, 120)
    values = found.interactions()
    top = [interaction for interaction, _ in values.top(10)]
    noise = [i for i in top if i not in values.discoveries()]
    assert (0,) not in noise and noise
    said = f"?: {len(noise)} of {len(top)} listed"
    printed = repr(found)
    assert said in printed and printed.count(" ? ") == len(noise)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(view(found, k=10))
    shown = console.export_text()
    assert said in shown and shown.count(" ? ") == len(noise)
    rows = page_data(found).script["views"][0]["rows"]
    assert [unsure for *_, unsure in rows[: len(top)]] == [
        interaction in noise for interaction in top
    ]
