"""Values of one function. Each mask is looked up once: in memory, a store, or by the model."""

from collections.abc import Callable

from spex._typing import BoolArray, FloatArray
from spex.checks.counting import CountedFunction
from spex.errors import ArgumentError
from spex.prior import Prior
from spex.values.evaluator import Progress, values_of
from spex.values.source import ValueSource
from spex.values.store import Store


class Values(CountedFunction):
    """The values of a source, shared by all measures on it.

    Args:
        source: With one output.
        store: Keeps values beyond this process; only if the source has an identity.
        report: Told how many masks each batch has brought.

    Raises:
        ArgumentError: the source has several outputs.
    """

    def __init__(
        self,
        source: ValueSource,
        store: Store | None = None,
        report: Callable[[int], None] = lambda _: None,
    ) -> None:
        if source.outputs is not None:
            raise ArgumentError(
                f"the function has {len(source.outputs)} outputs; measure one of them, such as "
                "lambda masks: f(masks)[:, 0]"
            )
        super().__init__(self._from_source, len(source.features))
        self._source, self._report = source, report
        self._store = store if store is not None and source.identities is not None else None

    @property
    def features(self) -> tuple[str, ...]:
        """The labels."""
        return self._source.features

    @property
    def prior(self) -> Prior:
        """The prior on the features."""
        return self._source.prior

    def _from_source(self, masks: BoolArray) -> FloatArray:
        told = 0

        def report(state: Progress) -> None:
            nonlocal told
            if state.done > told:
                self._report(state.done - told)
            told = state.done

        return values_of(masks, self._source, self._store, report)
