"""Answers that the input brings along, put into a score: of an item of a data set, of a trace."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spex.errors import ArgumentError
from spex.scores.log_probabilities import LogOdds, LogProb, Probability, Score
from spex.scores.replies import Matches, Similarity

_ANSWER = "{answer}"


def score_of_item(score: Any, item: Mapping[str, Any], answer: str | None, number: int) -> Score:
    """The score of an item.

    Args:
        score: A function from the item to its score, or one score for all items. `LogProb`,
            `Probability` and `Similarity` take the item's answer if they have none. `LogOdds`
            compares the item's answer with the other one. `Matches` replaces "{answer}" in its
            pattern by the item's answer.
        item: As the user gave it.
        answer: The item's answer; None if it has none.
        number: Number of the item, for messages.

    Raises:
        ArgumentError: the item lacks the answer, or the function gives no score.
    """
    if not hasattr(score, "resolve"):
        found: Any = score(item) if callable(score) else None
        if not hasattr(found, "resolve"):
            raise ArgumentError(
                f"score gives {found!r} for items[{number}], which is no score; give a score such "
                "as spex.LogProb(), or a function from an item to one"
            )
        return found
    if isinstance(score, LogOdds) and answer is not None:
        if answer not in (score.a, score.b):
            raise ArgumentError(
                f"items[{number}] has the answer {answer!r}, which is neither of the two "
                f"answers of the log-odds, {score.a!r} and {score.b!r}"
            )
        return score if answer == score.a else LogOdds(score.b, score.a)
    needed = _field(score)
    if needed is None:
        return score
    if answer is None:
        raise ArgumentError(f"items[{number}] has no 'answer' (or 'label'), which the score needs")
    if isinstance(score, Matches):
        return replace(score, pattern=score.pattern.replace(_ANSWER, re.escape(answer)))
    return replace(score, **{needed: answer})


def score_of_answers(score: Any, answers: tuple[str, ...]) -> Any:
    """The score with the answers of the input; the score itself if the input has none.

    Args:
        score: As a user gives it; None for the log-probability of the first answer, or its log-odds
            against the second one. A `LogProb`, `Probability` or `Similarity` without an answer
            takes the first one.
        answers: None, one or two.
    """
    if not answers:
        return score
    if score is None:
        return LogOdds(*answers) if len(answers) > 1 else LogProb(answers[0])
    needed = _field(score)
    return replace(score, **{needed: answers[0]}) if needed in ("answer", "reference") else score


def _field(score: Any) -> str | None:
    """The name of the field that the item's answer goes into; None for none."""
    if isinstance(score, LogProb | Probability) and score.answer is None:
        return "answer"
    if isinstance(score, Similarity) and score.reference is None:
        return "reference"
    return "pattern" if isinstance(score, Matches) and _ANSWER in score.pattern else None
