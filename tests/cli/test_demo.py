import io

import pytest
from rich.console import Console

from spex.cli.demonstration.demo import (
    REVIEW,
    SIX_WORDS,
    demonstrate,
    largest_coefficient,
    together,
)
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.fourier.spectrum import Spectrum
from spex.models import TableModel


def log_prob(prompt, answer):
    """A model for which `never fails` is good, and either word alone is bad."""
    words = prompt.split("Review: ")[1].split("\n")[0].split()
    sign = 1.0 if answer == "positive" else -1.0
    same = ("never" in words) == ("fails" in words)
    return -5 + sign * (0.8 * same + 0.2 * ("impress" in words) - 0.3 * ("dull" in words))


def load(name, notice=None):
    assert name == "smollm2"
    return TableModel(log_prob, name=name)


def explanation(coefficients):
    return Explanation(
        features=tuple("abcd"),
        spectrum=Spectrum.from_mapping(coefficients, 4),
        r2=1.0,
        r2_interval=(1.0, 1.0),
        n_evaluations=16,
        method="exact",
        budget=16,
        seed=0,
    )


def test_story(tmp_path):
    console = Console(file=io.StringIO(), width=100)
    path = tmp_path / "demo.html"
    first, second = demonstrate(load, path, budget=60, console=console, command="spex demo")
    story = console.file.getvalue()
    assert first.method == "exact" and first.n_evaluations == 64
    assert second.n_evaluations == 60
    # F = 0.8: half the difference of log-odds of 1.6 between the two cases.
    assert "The largest Fourier coefficient of all, 0.800, belongs to never + fails" in story
    assert "The score is 1.60 nats higher when both or neither of them is kept" in (
        " ".join(story.split())
    )
    assert "smollm2 calls this review positive" in story
    assert str(path) in story.replace("\n", "")
    page = path.read_text(encoding="utf-8")
    assert page.count('class="explanation"') == 2
    assert "spex demo" in page


def test_quiet_writes_the_page_alone(tmp_path, capsys):
    demonstrate(load, tmp_path / "demo.html", budget=60)
    assert (tmp_path / "demo.html").exists()
    assert capsys.readouterr() == ("", "")


def test_budget_too_small(tmp_path):
    with pytest.raises(ArgumentError, match=r"budget=3 .* give 50"):
        demonstrate(load, tmp_path / "demo.html", budget=3)


def test_texts_are_what_they_should_be():
    assert SIX_WORDS.split()[2:4] == ["never", "fails"]
    assert 40 <= len(REVIEW.split()) <= 60


@pytest.mark.parametrize(
    ("coefficients", "says"),
    [
        ({(0, 1): 0.5, (2,): 0.3}, "0.500, belongs to a + b together, above every single word"),
        ({(0, 1): 0.5, (2,): 0.3}, "1.00 higher when both or neither of them is kept"),
        ({(0, 1): -0.5}, "1.00 higher when only one of them is than when both or neither"),
        ({(0, 1, 2): 0.5}, "higher when an even number of them is kept"),
        ({(0, 1): 0.2, (2,): -0.3}, "0.300, is that of a single word, c"),
        ({(): 1.0}, "does not depend on the words"),
    ],
)
def test_what_is_found_is_said(coefficients, says):
    assert says in largest_coefficient(explanation(coefficients))


def test_together():
    assert together(explanation({(0,): 1.0})) == "No words were found to act together."
    found = together(explanation({(0,): 1.0, (0, 1): 1.0, (1, 2): -0.5}))
    assert found.startswith("56 % of the explained variation comes from words that act together")
    assert "most of all a + b" in found
