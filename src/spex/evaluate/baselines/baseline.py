"""A method of another package: its needs, and the steps around each of its fits."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from spex.checks.arguments import whole_number
from spex.checks.counting import CountedFunction, OverBudgetError
from spex.evaluate.drawing import own_randomness
from spex.evaluate.method import Attribution, RefusedError, ValueFunctionOnMasks
from spex.extras import require
from spex.fourier.spectrum import Spectrum
from spex.prior import NO_PRIOR, Prior
from spex.wording import counted

# 2 GB of float64: methods that hold a larger matrix refuse.
LARGEST_MATRIX = 1 << 28


@dataclass(frozen=True)
class Baseline:
    """A method of another package; a `spex.evaluate.method.Method`.

    Args:
        name: As `--methods` names it.
        package: As pip names it.
        module: As Python imports it.
        order: The highest order of its interactions; None for no limit.
        takes_masks: Whether it fits `uniform_masks`, the same as all such methods of one seed.
        gives: `surrogate` for a fit of the values, or the index whose values it estimates.
        fit: From the counted function and a seed to the spectrum.
        least: From n to the smallest budget; a reason follows in `limit`.
        most: From n and the budget to whether the method accepts them.
        least_features: The smallest n.
        limit: Its limit and the reason, in words.
        spends: Why it may ask for fewer masks than the budget; empty if it asks for all.
    """

    name: str
    package: str
    module: str
    order: int | None
    takes_masks: bool
    gives: str
    fit: Callable[[CountedFunction, int], Spectrum]
    least: Callable[[int], int]
    limit: str
    most: Callable[[int, int], bool] = lambda n_features, budget: True
    least_features: int = 1
    spends: str = ""

    def attribute(
        self,
        function: ValueFunctionOnMasks,
        n_features: int,
        budget: int,
        seed: int,
        prior: Prior = NO_PRIOR,
    ) -> Attribution:
        """See `spex.evaluate.method.Method.attribute`; the prior is ignored."""
        n_features = whole_number("n_features", n_features, 1)
        budget = whole_number("budget", budget, 1)
        seed = whole_number("seed", seed, 0)
        self._check(n_features, budget)
        require(self.module, "evaluate")
        asked = CountedFunction(function, n_features, budget)
        # `limit` already says what packages warn of: small budgets, singular matrices.
        with own_randomness(seed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                spectrum = self.fit(asked, seed)
            except OverBudgetError as error:
                raise RefusedError(f"{self.name}: {error}; raise the budget") from error
        return Attribution(
            spectrum, asked.n_evaluations, asked.seconds_outside, n_asked=asked.n_asked
        )

    def _check(self, n_features: int, budget: int) -> None:
        if n_features < self.least_features:
            raise RefusedError(
                f"{self.name} takes {self.least_features} features or more, not {n_features}"
            )
        least = self.least(n_features)
        if budget < least:
            raise RefusedError(
                f"budget={budget:,} is below {least:,}, the least of {self.name} for "
                f"{counted(n_features, 'feature')} ({self.limit}); raise the budget or take "
                "another method"
            )
        if not self.most(n_features, budget):
            raise RefusedError(
                f"{self.name} would need more than 2 GB for {counted(n_features, 'feature')} and "
                f"{counted(budget, 'mask')} ({self.limit}); take another method"
            )


def n_pairs_and_below(n_features: int) -> int:
    """The number of sets of at most two features: 1 + n + n (n - 1) / 2."""
    return 1 + n_features + n_features * (n_features - 1) // 2


def whole_space(asked: CountedFunction) -> int:
    """The budget, or 2^n if that is less."""
    if asked.n_features < asked.budget.bit_length():
        return min(asked.budget, 1 << asked.n_features)
    return asked.budget
