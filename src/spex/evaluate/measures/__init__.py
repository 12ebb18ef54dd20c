"""Measures of explanations, as numbers with names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from spex.evaluate.measures.curves import Curves
from spex.evaluate.measures.faithfulness import Faithfulness
from spex.evaluate.measures.measure import Measure
from spex.evaluate.measures.pairs import Pairs
from spex.evaluate.measures.recovery import Recovery
from spex.evaluate.measures.removal import Removal

MEASURES: Mapping[str, Callable[..., Measure]] = MappingProxyType(
    {
        "faithfulness": Faithfulness,
        "removal": Removal,
        "recovery": Recovery,
        "pairs": Pairs,
        "curves": Curves,
    }
)
