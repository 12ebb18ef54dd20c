"""Measures: what is measured of an explanation, as numbers with a name."""

from collections.abc import Callable, Mapping

from spex.evaluate.measures.faithfulness import Faithfulness
from spex.evaluate.measures.measure import Measure

MEASURES: Mapping[str, Callable[..., Measure]] = {"faithfulness": Faithfulness}
