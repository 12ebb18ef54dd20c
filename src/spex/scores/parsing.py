"""Scores by name, as the command line and files of data give them."""

import json
from typing import TYPE_CHECKING, Any

from spex.errors import ArgumentError
from spex.scores.json_field import JsonField
from spex.scores.log_probabilities import LogOdds, LogProb, Probability
from spex.scores.replies import Matches, Similarity
from spex.wording import did_you_mean

if TYPE_CHECKING:
    from spex.scores.log_probabilities import Score

_NAMES = ("logprob", "probability", "logodds", "similarity", "matches", "json")


def parse_score(name: str, answer: str | None, max_new_tokens: int | None = None) -> "Score":
    """The score that `--score`, `--answer` and `--max-new-tokens` name.

    Raises:
        ArgumentError: there is no such score, or it takes no answer.
    """
    kind, _, rest = name.partition(":")
    limit: dict[str, Any] = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
    if limit and (kind == "logodds" or (answer is not None and name != "similarity")):
        raise ArgumentError("--max-new-tokens: the model writes nothing; its answer is given")
    match name:
        case "logprob" | "logprob:sum":
            return LogProb(answer, **limit)
        case "logprob:mean":
            return LogProb(answer, reduce="mean", **limit)
        case "probability":
            return Probability(answer, **limit)
        case "similarity":
            return Similarity(answer, **limit)
    if kind not in ("logodds", "matches", "json"):
        close = did_you_mean(name, _NAMES)
        raise ArgumentError(
            f"--score {name!r} is unknown{close}; use logprob, logprob:mean, probability, "
            "logodds:A,B, such as logodds:positive,negative, similarity, matches:PATTERN or "
            "json:FIELD=VALUE"
        )
    if answer is not None:
        instead = "compares two answers; write them as logodds:A,B"
        raise ArgumentError(
            f"--answer: {kind} {instead if kind == 'logodds' else 'checks replies, not an answer'}"
        )
    if kind == "matches":
        return Matches(rest, **limit)
    if kind == "json":
        path, equals, value = rest.partition("=")
        if not equals:
            raise ArgumentError(
                f"--score {name!r}: write json:FIELD=VALUE, such as json:sentiment=positive"
            )
        return JsonField(path, _json_value(value), **limit)
    a, comma, b = rest.partition(",")
    if not (a and comma and b) or "," in b:
        raise ArgumentError(
            f"--score {name!r}: write logodds:A,B, such as logodds:positive,negative "
            "(answers that hold a comma: in Python, spex.LogOdds(a, b))"
        )
    return LogOdds(a, b)


def _json_value(text: str) -> Any:
    """A number, true, false or null as in JSON; anything else is a text as it stands."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool | None) else text
