"""spex: which parts of a prompt made a language model answer so, and which only together.

Names load when they are used, so that `import spex` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spex._version import __version__

if TYPE_CHECKING:
    from spex import models
    from spex.errors import (
        ArgumentError,
        BackendError,
        FileFormatError,
        MissingExtraError,
        SpexError,
        StoreError,
        ValueFunctionError,
    )
    from spex.explanation import Explanation
    from spex.fourier.spectrum import Spectrum
    from spex.interactions import InteractionIndex, InteractionValues
    from spex.pipeline import explain
    from spex.planning import Plan, plan
    from spex.sampling import Progress
    from spex.store import Store
    from spex.values.replies import JsonField, Matches, ReplyScore, Similarity
    from spex.values.scores import LogOdds, LogProb, Probability
    from spex.values.text import Text
    from spex.values.value_function import ValueFunction

_HOMES = {
    "ArgumentError": "spex.errors",
    "BackendError": "spex.errors",
    "Explanation": "spex.explanation",
    "FileFormatError": "spex.errors",
    "InteractionIndex": "spex.interactions",
    "InteractionValues": "spex.interactions",
    "JsonField": "spex.values.replies",
    "LogOdds": "spex.values.scores",
    "LogProb": "spex.values.scores",
    "Matches": "spex.values.replies",
    "MissingExtraError": "spex.errors",
    "Plan": "spex.planning",
    "Probability": "spex.values.scores",
    "Progress": "spex.sampling",
    "ReplyScore": "spex.values.replies",
    "Similarity": "spex.values.replies",
    "Spectrum": "spex.fourier.spectrum",
    "SpexError": "spex.errors",
    "Store": "spex.store",
    "StoreError": "spex.errors",
    "Text": "spex.values.text",
    "ValueFunction": "spex.values.value_function",
    "ValueFunctionError": "spex.errors",
    "explain": "spex.pipeline",
    "plan": "spex.planning",
}

__all__ = [
    "ArgumentError",
    "BackendError",
    "Explanation",
    "FileFormatError",
    "InteractionIndex",
    "InteractionValues",
    "JsonField",
    "LogOdds",
    "LogProb",
    "Matches",
    "MissingExtraError",
    "Plan",
    "Probability",
    "Progress",
    "ReplyScore",
    "Similarity",
    "Spectrum",
    "SpexError",
    "Store",
    "StoreError",
    "Text",
    "ValueFunction",
    "ValueFunctionError",
    "__version__",
    "explain",
    "models",
    "plan",
]


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module("spex.models")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'spex' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
