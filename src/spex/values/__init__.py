"""Value functions: what is masked, and what is measured of the model's answer."""

from spex.values.masks import Masker
from spex.values.replies import JsonField, Matches, ReplyScore, Similarity
from spex.values.scores import LogOdds, LogProb, Probability, ResolvedScore, Score
from spex.values.text import Text
from spex.values.value_function import ValueFunction

__all__ = [
    "JsonField",
    "LogOdds",
    "LogProb",
    "Masker",
    "Matches",
    "Probability",
    "ReplyScore",
    "ResolvedScore",
    "Score",
    "Similarity",
    "Text",
    "ValueFunction",
]
