"""Value functions: what is masked, and what is measured of the model's answer."""

from spex.values.documents import Documents
from spex.values.masks import InputMasker, Masker, PromptMasker
from spex.values.messages import Messages
from spex.values.predict_function import PredictFunction
from spex.values.replies import JsonField, Matches, ReplyScore, Similarity
from spex.values.scores import LogOdds, LogProb, Probability, ResolvedScore, Score
from spex.values.text import Text
from spex.values.value_function import ValueFunction

__all__ = [
    "Documents",
    "InputMasker",
    "JsonField",
    "LogOdds",
    "LogProb",
    "Masker",
    "Matches",
    "Messages",
    "PredictFunction",
    "Probability",
    "PromptMasker",
    "ReplyScore",
    "ResolvedScore",
    "Score",
    "Similarity",
    "Text",
    "ValueFunction",
]
