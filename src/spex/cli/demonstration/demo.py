"""The demonstration: why does a small language model call a review positive or negative?

Nothing here is computed in advance. The model runs, and every sentence about results is made from
these results.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spex.errors import ArgumentError
from spex.explaining import explain
from spex.explanation import Explanation
from spex.files import write_text
from spex.inputs.text import Text
from spex.report import facts
from spex.report.html import render_html
from spex.report.terminal import view
from spex.scores.log_probabilities import LogOdds
from spex.values.value_function import ValueFunction
from spex.wording import counted, percent

if TYPE_CHECKING:
    from rich.console import Console

    from spex.models.protocol import LanguageModel

MODEL = "smollm2"
PROMPT = (
    "Is the sentiment of this review positive or negative? Review: {input}\nAnswer with one word."
)
SIX_WORDS = "Her acting never fails to impress"
REVIEW = (
    "Do not let the dull trailer fool you: this film is far from boring. The plot is not original "
    "but it is honest, the cast never puts a foot wrong, and the last scene, which I will not "
    "spoil, never fails to move me. Hardly a minute is wasted."
)
TITLES = ("Six words, every combination of them", "A whole review")
DEFAULT_BUDGET = 300
_LEAST_BUDGET = 50


def demonstrate(
    load: Callable[[str], "LanguageModel"],
    html: Path,
    *,
    budget: int = DEFAULT_BUDGET,
    command: str | None = None,
    console: "Console | None" = None,
    notice: Callable[[str], None] = lambda _: None,
    progress: bool = False,
) -> tuple[Explanation, Explanation]:
    """Explain six words exactly and a whole review within a budget, and write both to a page.

    Args:
        load: Loads a model by name.
        html: Where the page goes.
        budget: Evaluations for the whole review, at least 50.
        command: The command line, for the page.
        console: Where the story is told; None for nowhere.
        notice: Is told what takes long.
        progress: Whether each of the two explanations shows how far it is.

    Returns:
        Both explanations.

    Raises:
        ArgumentError: the budget is too small, or the page cannot be written.
        MissingExtraError: a package that the model needs is not installed.
        BackendError: the model failed.
    """
    if budget < _LEAST_BUDGET:
        raise ArgumentError(f"budget={budget} is too small to learn anything; give {_LEAST_BUDGET}")

    def tell(*parts: object) -> None:
        if console is not None:
            console.print(*parts)

    notice(f"loading the model {MODEL}")
    model = load(MODEL)
    found = []
    for number, (text, calls) in enumerate(((SIX_WORDS, 1 << 6), (REVIEW, budget))):
        function = ValueFunction(Text(text, prompt=PROMPT), model, LogOdds("positive", "negative"))
        if console is not None:
            console.rule(f"{number + 1}. {TITLES[number]}")
        tell(verdict(function) + f" Why? {counted(calls, 'call')} of the model tell:\n")
        explanation = explain(function, budget=calls, progress=progress)
        if command is not None:
            context = dataclasses.replace(explanation.context, command=command)
            explanation = dataclasses.replace(explanation, context=context)
        found.append(explanation)
        if number == 0:
            tell(view(explanation, "Fourier", None, 8))
            tell("\n" + largest_coefficient(explanation) + "\n")
        else:
            tell(view(explanation, k=15))
            tell("\n" + together(explanation) + "\n")
    six_words, review = found
    write_text(html, render_html(found, titles=TITLES))
    if console is not None:
        console.rule("Next")
        # So that a command can be copied as one line.
        console.print(next_steps(html), soft_wrap=True)
    return six_words, review


def verdict(function: ValueFunction) -> str:
    """What the model says of the whole review, in one sentence."""
    score = float(function([[True] * function.n_features])[0])
    word = "positive" if score > 0 else "negative"
    return (
        f"{function.model.name} calls this review {word}: "
        f"{function.score.summary} is {facts.signed(score)} nats."
    )


def largest_coefficient(explanation: Explanation) -> str:
    """What the Fourier coefficients say, in two sentences."""
    values = explanation.interactions("Fourier")
    top = values.top(1)
    if not top:
        return "The score does not depend on the words."
    members, value = top[0]
    words = facts.joined(facts.labels(explanation), members)
    size = facts.signed(abs(value)).removeprefix("+")
    singles = values.top(1, order=1)
    if len(members) == 1:
        return (
            f"The largest Fourier coefficient, {size}, is that of a single word, {words}: "
            "no combination of words matters as much."
        )
    single = ""
    if singles:
        other, other_value = singles[0]
        other_size = facts.signed(abs(other_value)).removeprefix("+")
        name = facts.labels(explanation)[other[0]]
        single = f", above every single word (the largest: {name}, {other_size})"
    return (
        f"The largest Fourier coefficient of all, {size}, belongs to {words} together{single}. "
        f"{_meaning(len(members), value, facts.unit_of_score(explanation))}"
    )


def _meaning(order: int, value: float, unit: str) -> str:
    difference = f"{facts.signed(2 * abs(value)).removeprefix('+')} {unit}".strip()
    if order == 2:
        same, other = "both or neither of them is kept", "only one of them is"
        moral = "what the one does depends on the other"
    else:
        same, other = "an even number of them is kept", "an odd number is"
        moral = "what each does depends on the others"
    higher, lower = (same, other) if value > 0 else (other, same)
    return f"The score is {difference} higher when {higher} than when {lower}: {moral}."


def together(explanation: Explanation) -> str:
    """The share of variation that words cause only together, and the largest combination."""
    share = facts.joint_share(explanation)
    if share == 0:
        return "No words were found to act together."
    largest = max(
        ((abs(f), k, f) for k, f in explanation.spectrum.items() if len(k) > 1), default=None
    )
    assert largest is not None  # a share above 0 has a coefficient
    _, members, value = largest
    words = facts.joined(facts.labels(explanation), members)
    return (
        f"{percent(share)} of the explained variation comes from words that act together, "
        f"most of all {words}. {_meaning(len(members), value, facts.unit_of_score(explanation))}"
    )


def next_steps(html: Path) -> str:
    """Where the page is, and commands to try."""
    return (
        f"Open {html.resolve()} in a browser: point at a row to see its words in the text.\n"
        "\n"
        "Then try a text of your own:\n"
        "\n"
        "  echo 'Not a bad film, but hardly a good one' > review.txt\n"
        "  spex explain --text review.txt --score logodds:positive,negative \\\n"
        "    --prompt 'Is this review positive or negative? {input} Answer with one word.' \\\n"
        "    --out review.json --html review.html\n"
        "  spex report review.json --index SV\n"
        "  spex explain --help"
    )
