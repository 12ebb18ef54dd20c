"""Value functions: what is masked, and what is measured of the model's answer."""

from spex.values.masks import Masker
from spex.values.scores import LogOdds, LogProb, ResolvedScore, Score
from spex.values.text import Text
from spex.values.value_function import ValueFunction

__all__ = ["LogOdds", "LogProb", "Masker", "ResolvedScore", "Score", "Text", "ValueFunction"]
