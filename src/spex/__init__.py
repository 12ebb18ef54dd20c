"""spex: which parts of a prompt made a language model answer so, and which only together.

Names load when they are used, so that `import spex` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spex._version import __version__

if TYPE_CHECKING:
    from spex import interop, models
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
    from spex.values.composite import Composite
    from spex.values.documents import Documents
    from spex.values.image import Image
    from spex.values.messages import Messages
    from spex.values.predict_function import PredictFunction
    from spex.values.replies import JsonField, Matches, ReplyScore, Similarity
    from spex.values.scores import LogOdds, LogProb, Probability
    from spex.values.table import Table
    from spex.values.text import Text
    from spex.values.value_function import ValueFunction
    from spex.zooming import Zoom, zoom

_HOMES = {
    "ArgumentError": "spex.errors",
    "BackendError": "spex.errors",
    "Composite": "spex.values.composite",
    "Documents": "spex.values.documents",
    "Explanation": "spex.explanation",
    "FileFormatError": "spex.errors",
    "Image": "spex.values.image",
    "InteractionIndex": "spex.interactions",
    "InteractionValues": "spex.interactions",
    "JsonField": "spex.values.replies",
    "LogOdds": "spex.values.scores",
    "LogProb": "spex.values.scores",
    "Matches": "spex.values.replies",
    "Messages": "spex.values.messages",
    "MissingExtraError": "spex.errors",
    "Plan": "spex.planning",
    "PredictFunction": "spex.values.predict_function",
    "Probability": "spex.values.scores",
    "Progress": "spex.sampling",
    "ReplyScore": "spex.values.replies",
    "Similarity": "spex.values.replies",
    "Spectrum": "spex.fourier.spectrum",
    "SpexError": "spex.errors",
    "Store": "spex.store",
    "StoreError": "spex.errors",
    "Table": "spex.values.table",
    "Text": "spex.values.text",
    "ValueFunction": "spex.values.value_function",
    "ValueFunctionError": "spex.errors",
    "Zoom": "spex.zooming",
    "explain": "spex.pipeline",
    "plan": "spex.planning",
    "zoom": "spex.zooming",
}

__all__ = [
    "ArgumentError",
    "BackendError",
    "Composite",
    "Documents",
    "Explanation",
    "FileFormatError",
    "Image",
    "InteractionIndex",
    "InteractionValues",
    "JsonField",
    "LogOdds",
    "LogProb",
    "Matches",
    "Messages",
    "MissingExtraError",
    "Plan",
    "PredictFunction",
    "Probability",
    "Progress",
    "ReplyScore",
    "Similarity",
    "Spectrum",
    "SpexError",
    "Store",
    "StoreError",
    "Table",
    "Text",
    "ValueFunction",
    "ValueFunctionError",
    "Zoom",
    "__version__",
    "explain",
    "interop",
    "models",
    "plan",
    "zoom",
]


def __getattr__(name: str) -> Any:
    if name in ("interop", "models"):
        return import_module(f"spex.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'spex' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
