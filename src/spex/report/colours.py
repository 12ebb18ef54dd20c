"""The colour of a unit shows its own value, on one scale with all listed values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from spex.interactions.values import InteractionValues
from spex.report import facts


@dataclass(frozen=True)
class Colours:
    """The units' own values, of the index and order that are shown.

    Args:
        values: n numbers, in the unit of the score.
        largest: The largest absolute value listed, at which the colours end.
        doubtful: Units with a value that may be 0.
        has_direction: Whether a positive value raises the score.
    """

    values: Sequence[float]
    largest: float
    doubtful: Collection[int] = ()
    has_direction: bool = True

    def share(self, feature: int) -> float:
        """How strong its colour is, from 0 to 1."""
        return abs(self.values[feature]) / self.largest if self.largest else 0.0


def colours_of(values: InteractionValues, n_features: int) -> Colours:
    """The colours of units by interaction values.

    Args:
        values: The values that are shown.
        n_features: The number of units.
    """
    top = values.top(1)
    return Colours(
        [values.get((feature,), 0.0) for feature in range(n_features)],
        abs(top[0][1]) if top else 0.0,
        {i for i in range(n_features) if (i,) in values and facts.is_uncertain(values, (i,))},
        facts.has_direction(values.index),
    )
