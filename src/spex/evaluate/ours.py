"""The methods of spex as methods of attribution."""

from dataclasses import dataclass

from spex.checks.counting import CountedFunction
from spex.errors import ArgumentError
from spex.evaluate.drawing import own_randomness
from spex.evaluate.method import Attribution, RefusedError, ValueFunctionOnMasks
from spex.explaining import explain
from spex.prior import NO_PRIOR, Prior


@dataclass(frozen=True)
class Explained:
    """`spex.explain` with one of its methods; a `spex.evaluate.method.Method`.

    Args:
        name: As `--methods` names it.
        method: That of `spex.explain`.
        order: The highest order of interaction that is searched for.
        weighting: That of `spex.explain`.
        limit: Where it stops and why, in words.
        takes_masks: False: `spex.explain` asks for everything and nothing present, and for
            `uniform_masks` beside these two where it has no coded masks.
    """

    name: str
    method: str
    order: int
    limit: str
    weighting: str = "uniform"
    takes_masks: bool = False
    package: str = "spex-explain"
    gives: str = "surrogate"
    spends: str = ""

    def attribute(
        self,
        function: ValueFunctionOnMasks,
        n_features: int,
        budget: int,
        seed: int,
        prior: Prior = NO_PRIOR,
    ) -> Attribution:
        """See `spex.evaluate.method.Method.attribute`."""
        asked = _WithPrior(function, n_features, budget, prior)
        try:
            # spex reads no global generator, but packages that it imports first may seed one.
            with own_randomness(seed):
                explanation = explain(
                    asked,
                    n_features,
                    budget,
                    method=self.method,
                    max_degree=self.order,
                    seed=seed,
                    weighting=self.weighting,
                )
        except ArgumentError as error:
            raise RefusedError(f"{self.name}: {error}") from error
        return Attribution(
            explanation.spectrum,
            asked.n_evaluations,
            asked.seconds_outside,
            explanation.r2,
            explanation.r2_interval,
            asked.n_asked,
            explanation.method,
            explanation,
        )


class _WithPrior(CountedFunction):
    """A counted function from which `spex.explain` reads a prior."""

    def __init__(
        self, function: ValueFunctionOnMasks, n_features: int, budget: int, prior: Prior
    ) -> None:
        super().__init__(function, n_features, budget)
        self.prior = prior


OURS: tuple[Explained, ...] = (
    Explained("auto", "auto", 5, "4 masks; trees up to 2 million masks times features"),
    Explained("auto-shapley", "auto", 5, "as auto", weighting="shapley"),
    Explained("gp", "gp", 5, "4 masks"),
    Explained("proxyspex", "proxyspex", 5, "4 masks"),
    Explained("linear", "linear", 1, "4 masks"),
    Explained("spex", "spex", 5, "the smallest design of its code, or all masks"),
)
