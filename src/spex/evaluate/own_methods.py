"""The methods of spex itself, as methods of attribution."""

import time
from dataclasses import dataclass

from spex.errors import ArgumentError
from spex.evaluate.method import Attribution, Method, RefusedError, ValueFunctionOnMasks
from spex.prior import NO_PRIOR, Prior
from spex.run import Run

OWN = ("auto", "gp", "proxyspex", "spex", "linear", "exact")


@dataclass(frozen=True)
class OwnMethod:
    """A method of spex; it asks for masks of its own."""

    name: str
    package = "spex-explain"
    takes_masks = False

    @property
    def order(self) -> int | None:
        """See `Method.order`."""
        return 1 if self.name == "linear" else None

    def attribute(
        self,
        function: ValueFunctionOnMasks,
        n_features: int,
        budget: int,
        seed: int,
        prior: Prior = NO_PRIOR,
    ) -> Attribution:
        """See `Method.attribute`."""
        began, inside = time.perf_counter(), 0.0
        try:
            run = Run(n_features, budget, self.name, seed=seed, prior=prior)
        except ArgumentError as error:
            raise RefusedError(str(error)) from error
        while len(masks := run.ask()):
            asked = time.perf_counter()
            values = function(masks)
            inside += time.perf_counter() - asked
            run.tell(masks, values)
        found = run.fit()
        seconds = time.perf_counter() - began - inside
        return Attribution(
            found.spectrum, found.n_evaluations, seconds, found.r2, found.r2_interval, found
        )


def methods(names: list[str]) -> list[Method]:
    """The methods of these names.

    Raises:
        ArgumentError: there is no such method.
    """
    if unknown := [name for name in names if name not in OWN]:
        raise ArgumentError(f"method {unknown[0]!r} is unknown; use {', '.join(OWN)}")
    return [OwnMethod(name) for name in names]
