"""spex: which parts of a prompt made a language model answer so, and which only together.

Names load when they are used, so that `import spex` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spex._version import __version__

if TYPE_CHECKING:
    from spex import evaluate, interop, models, plots
    from spex.comparison.comparing import compare
    from spex.comparison.results import Comparison
    from spex.context import Context
    from spex.engines.ray import RayEngine
    from spex.errors import (
        ArgumentError,
        BackendError,
        FileFormatError,
        MissingExtraError,
        ScoringError,
        SpexError,
        StoreError,
        ValueFunctionError,
    )
    from spex.explaining import explain
    from spex.explanation import Explanation
    from spex.explanations import Explanations
    from spex.fourier.spectrum import Spectrum
    from spex.given import fit
    from spex.inputs.composite import Composite
    from spex.inputs.documents import Documents
    from spex.inputs.image import Image
    from spex.inputs.messages import Messages
    from spex.inputs.prompt_template import PromptTemplate
    from spex.inputs.table import Table
    from spex.inputs.text import Text
    from spex.inputs.traces.agent import Agent
    from spex.inputs.traces.reasoning import Reasoning
    from spex.interactions.index import InteractionIndex
    from spex.interactions.values import InteractionValues
    from spex.many.explaining import explain_many
    from spex.many.results import ManyExplanations, ManyInterrupted
    from spex.planning.plan import Plan, plan
    from spex.prior import Prior
    from spex.run import Run
    from spex.scores.json_field import JsonField
    from spex.scores.log_probabilities import LogOdds, LogProb, Probability
    from spex.scores.replies import Matches, ReplyScore, Similarity
    from spex.sets.results import Sets, Smallest
    from spex.sets.roles import Roles
    from spex.settings import Settings
    from spex.values.dataset_value import DatasetValue
    from spex.values.evaluator import Progress
    from spex.values.faults import Faults
    from spex.values.limiting.limits import Limits
    from spex.values.predict_function import PredictFunction
    from spex.values.source import ValueSource
    from spex.values.store import Store
    from spex.values.value_function import ValueFunction
    from spex.zooming.run import ZoomRun
    from spex.zooming.two_levels import Zoom
    from spex.zooming.zoom import zoom

_HOMES = {
    "Agent": "spex.inputs.traces.agent",
    "ArgumentError": "spex.errors",
    "BackendError": "spex.errors",
    "Comparison": "spex.comparison.results",
    "Composite": "spex.inputs.composite",
    "DatasetValue": "spex.values.dataset_value",
    "Documents": "spex.inputs.documents",
    "Context": "spex.context",
    "Explanation": "spex.explanation",
    "Explanations": "spex.explanations",
    "Faults": "spex.values.faults",
    "FileFormatError": "spex.errors",
    "Image": "spex.inputs.image",
    "InteractionIndex": "spex.interactions.index",
    "InteractionValues": "spex.interactions.values",
    "JsonField": "spex.scores.json_field",
    "ManyExplanations": "spex.many.results",
    "ManyInterrupted": "spex.many.results",
    "Limits": "spex.values.limiting.limits",
    "LogOdds": "spex.scores.log_probabilities",
    "LogProb": "spex.scores.log_probabilities",
    "Matches": "spex.scores.replies",
    "Messages": "spex.inputs.messages",
    "MissingExtraError": "spex.errors",
    "Plan": "spex.planning.plan",
    "PredictFunction": "spex.values.predict_function",
    "Prior": "spex.prior",
    "Probability": "spex.scores.log_probabilities",
    "Progress": "spex.values.evaluator",
    "PromptTemplate": "spex.inputs.prompt_template",
    "RayEngine": "spex.engines.ray",
    "Reasoning": "spex.inputs.traces.reasoning",
    "ReplyScore": "spex.scores.replies",
    "Roles": "spex.sets.roles",
    "Run": "spex.run",
    "Sets": "spex.sets.results",
    "ScoringError": "spex.errors",
    "Settings": "spex.settings",
    "Similarity": "spex.scores.replies",
    "Smallest": "spex.sets.results",
    "Spectrum": "spex.fourier.spectrum",
    "SpexError": "spex.errors",
    "Store": "spex.values.store",
    "StoreError": "spex.errors",
    "Table": "spex.inputs.table",
    "Text": "spex.inputs.text",
    "ValueFunction": "spex.values.value_function",
    "ValueSource": "spex.values.source",
    "ValueFunctionError": "spex.errors",
    "Zoom": "spex.zooming.two_levels",
    "ZoomRun": "spex.zooming.run",
    "compare": "spex.comparison.comparing",
    "explain": "spex.explaining",
    "explain_many": "spex.many.explaining",
    "fit": "spex.given",
    "plan": "spex.planning.plan",
    "zoom": "spex.zooming.zoom",
}

__all__ = [
    "Agent",
    "ArgumentError",
    "BackendError",
    "Comparison",
    "Composite",
    "Context",
    "DatasetValue",
    "Documents",
    "Explanation",
    "Explanations",
    "Faults",
    "FileFormatError",
    "Image",
    "InteractionIndex",
    "InteractionValues",
    "JsonField",
    "Limits",
    "LogOdds",
    "LogProb",
    "ManyExplanations",
    "ManyInterrupted",
    "Matches",
    "Messages",
    "MissingExtraError",
    "Plan",
    "PredictFunction",
    "Prior",
    "Probability",
    "Progress",
    "PromptTemplate",
    "RayEngine",
    "Reasoning",
    "ReplyScore",
    "Roles",
    "Run",
    "ScoringError",
    "Sets",
    "Settings",
    "Similarity",
    "Smallest",
    "Spectrum",
    "SpexError",
    "Store",
    "StoreError",
    "Table",
    "Text",
    "ValueFunction",
    "ValueFunctionError",
    "ValueSource",
    "Zoom",
    "ZoomRun",
    "__version__",
    "compare",
    "evaluate",
    "explain",
    "explain_many",
    "fit",
    "interop",
    "models",
    "plan",
    "plots",
    "zoom",
]


def __getattr__(name: str) -> Any:
    if name in ("evaluate", "interop", "models", "plots"):
        return import_module(f"spex.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'spex' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
