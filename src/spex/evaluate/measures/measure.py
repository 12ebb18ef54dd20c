"""What a measure is."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from spex.evaluate.asking import Values
from spex.evaluate.gradients import OfModel
from spex.evaluate.items import Item
from spex.evaluate.method import Attribution, Method


class Metric(NamedTuple):
    """One number.

    Attributes:
        name: Such as "r2".
        value: NaN if it is undefined.
        at: Where along a curve, such as r, the number of features removed; None for a number that
            is no point of a curve.
    """

    name: str
    value: float
    at: float | None = None


@dataclass(frozen=True)
class Cell:
    """One explanation, and the means to judge it.

    Args:
        item: What was explained.
        values: Its value function. Masks asked here are no part of the method's budget.
        method: The method.
        budget: Its budget.
        seed: Its seed.
        first_seed: The first seed of the experiment, with which others are compared.
        explain: The attribution of the method on this item with a seed; computed once.
    """

    item: Item
    values: Values
    method: Method | OfModel
    budget: int
    seed: int
    first_seed: int
    explain: Callable[[int], Attribution]

    @property
    def attribution(self) -> Attribution:
        """The attribution of this cell."""
        return self.explain(self.seed)


class Measure(Protocol):
    """Something that is measured of explanations."""

    @property
    def name(self) -> str:
        """The name of the command."""
        ...

    @property
    def main(self) -> tuple[str, ...]:
        """The metrics that figures show, the first of them first."""
        ...

    def describe(self) -> dict[str, Any]:
        """All settings that change the result, as JSON values: here the fields of a dataclass."""
        return asdict(self)  # type: ignore[call-overload]

    def check(self, item: Item) -> None:
        """Refuse an item before a model is loaded; by default accept all.

        Raises:
            ArgumentError: it cannot be measured on.
        """
        return

    def measure(self, cell: Cell) -> list[Metric]:
        """The metrics of an explanation."""
        ...
