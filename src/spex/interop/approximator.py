"""spex as an approximator of `shapiq`; importing this needs shapiq."""

from collections.abc import Callable
from typing import Any

import numpy as np

from spex._typing import BoolArray
from spex.checks.arguments import whole_number
from spex.errors import ArgumentError
from spex.explaining import result, run_of
from spex.extras import require
from spex.interactions.index import InteractionIndex
from spex.values.evaluator import evaluate
from spex.values.source import as_source

require("shapiq", "shapiq")

from shapiq import Game, InteractionValues  # noqa: E402
from shapiq.approximator import Approximator  # noqa: E402


class ShapiqApproximator(Approximator):  # type: ignore[misc] # shapiq is not read by mypy
    """`spex.explain` as a `shapiq.approximator.Approximator`.

    For SV, SII, k-SII, STII and FSII with `weighting="shapley"`.

    For `approximator.approximate(budget, game)`, and for `approximator=` of `shapiq.Explainer` and
    `shapiq.TabularExplainer`, which take the index and order from it, not from their own arguments.

    Args:
        n: number of players.
        index: SV, BV, SII, BII, k-SII, STII, FSII or FBII.
        max_order: highest order; by default 2, or 1 for SV and BV.
        random_state: seed; the same one gives the same result at every call. None for another
            one at each.

    Raises:
        ArgumentError: an argument is wrong.
        MissingExtraError: shapiq is not installed (raised by the import).
    """

    valid_indices = ("SV", "BV", "SII", "BII", "k-SII", "STII", "FSII", "FBII")

    def __init__(
        self,
        n: int,
        index: str = "FBII",
        max_order: int | None = None,
        *,
        random_state: int | None = None,
    ) -> None:
        n = whole_number("n", n, 1)
        name = str(InteractionIndex.parse(index))
        if name not in self.valid_indices:
            raise ArgumentError(
                f"shapiq does not approximate index={index!r}; use one of "
                f"{', '.join(self.valid_indices)}"
            )
        highest = 1 if name in ("SV", "BV") else n
        if max_order is None:
            max_order = min(2, highest)
        if whole_number("max_order", max_order, 1) > highest:
            raise ArgumentError(
                f"max_order={max_order} does not exist for index={name!r} and {n} players; "
                f"use 1 to {highest}"
            )
        if random_state is not None:
            random_state = whole_number("random_state", random_state, 0)
        super().__init__(
            n=n,
            max_order=max_order,
            index=name,
            # For shapiq's own sampler, which is not used. Its default weights warn above n = 1000.
            sampling_weights=np.ones(n + 1),
            random_state=random_state,
            initialize_dict=False,
        )

    def approximate(
        self, budget: int, game: Game | Callable[[BoolArray], Any], *args: Any, **kwargs: Any
    ) -> InteractionValues:
        """Interaction values of a game.

        Args:
            budget: cap on the number of distinct coalitions evaluated.
            game: a `shapiq.Game`, or a function from (m, n) bool coalitions to (m,) numbers.
            args: nothing; shapiq's signature has it.
            kwargs: nothing.

        Raises:
            ArgumentError: budget or game is wrong, see `spex.explain`.
            ValueFunctionError: the game did not return one finite number per coalition.
        """
        if args or kwargs:
            raise ArgumentError(f"approximate takes budget and game alone, not {args or kwargs}")
        seed = self._random_state
        if seed is None:
            seed = int(self._rng.integers(1 << 32))
        of_sizes = InteractionIndex.parse(self.index).weighs_sizes
        weighting = "shapley" if of_sizes else "uniform"
        source = as_source(game, self.n)
        run = run_of(source, budget, seed=seed, weighting=weighting)
        evaluate(run, source)
        # Interaction values have no place for a forecast, so none is computed.
        explanation: Any = result(run, source, forecast=False)
        return explanation.to_shapiq(self.index, self.max_order)
