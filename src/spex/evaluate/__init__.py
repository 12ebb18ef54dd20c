"""Measuring explanations: how faithful they are, and how other methods do on the same model.

Names load when they are used, as those of `spex` do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spex.evaluate.api import curves, faithfulness, measured, pairs, recovery, removal
    from spex.evaluate.data.formats import Reading
    from spex.evaluate.data.loading import read_items
    from spex.evaluate.data.subject import Model
    from spex.evaluate.items import Item
    from spex.evaluate.measures.agreement import agreement
    from spex.evaluate.measures.curves import Curves
    from spex.evaluate.measures.faithfulness import Faithfulness
    from spex.evaluate.measures.pairs import Pairs
    from spex.evaluate.measures.pictures import joint_part, localisation
    from spex.evaluate.measures.recovery import Recovery
    from spex.evaluate.measures.removal import Removal
    from spex.evaluate.methods import capabilities
    from spex.evaluate.tables.results import Results

_HOMES = {
    "Curves": "measures.curves",
    "Faithfulness": "measures.faithfulness",
    "Item": "items",
    "Model": "data.subject",
    "Pairs": "measures.pairs",
    "Reading": "data.formats",
    "Recovery": "measures.recovery",
    "Removal": "measures.removal",
    "Results": "tables.results",
    "agreement": "measures.agreement",
    "capabilities": "methods",
    "curves": "api",
    "faithfulness": "api",
    "joint_part": "measures.pictures",
    "localisation": "measures.pictures",
    "measured": "api",
    "pairs": "api",
    "read_items": "data.loading",
    "recovery": "api",
    "removal": "api",
}

__all__ = [
    "Curves",
    "Faithfulness",
    "Item",
    "Model",
    "Pairs",
    "Reading",
    "Recovery",
    "Removal",
    "Results",
    "agreement",
    "capabilities",
    "curves",
    "faithfulness",
    "joint_part",
    "localisation",
    "measured",
    "pairs",
    "read_items",
    "recovery",
    "removal",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"spex.evaluate.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'spex.evaluate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
