"""Values of one function, each mask asked once: of memory, of a store, or of the model."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray
from spex.checks.masks import check_masks
from spex.errors import ArgumentError
from spex.f2.packing import pack
from spex.prior import Prior
from spex.values.evaluator import Progress, values_of
from spex.values.source import ValueSource
from spex.values.store import Store


class Values:
    """The values of a source, shared by all that is measured on it.

    Args:
        source: With one output.
        store: Keeps values beyond this process; only where the source has an identity.
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
        self._source, self._report = source, report
        self._store = store if store is not None and source.identities is not None else None
        self._known: dict[bytes, float] = {}

    @property
    def n_features(self) -> int:
        """n, the number of features."""
        return len(self._source.features)

    @property
    def features(self) -> tuple[str, ...]:
        """The labels."""
        return self._source.features

    @property
    def prior(self) -> Prior:
        """What is known of the features."""
        return self._source.prior

    def __call__(self, masks: npt.ArrayLike) -> FloatArray:
        """The values (m,) of masks (m, n) bool, True = present."""
        checked = check_masks(masks, self.n_features)
        keys = [row.tobytes() for row in pack(checked)]
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        missing = sorted(row for key, row in first.items() if key not in self._known)
        if missing:
            self._ask(checked[missing], [keys[row] for row in missing])
        return np.array([self._known[key] for key in keys], dtype=np.float64)

    def _ask(self, masks: BoolArray, keys: Sequence[bytes]) -> None:
        told = 0

        def report(state: Progress) -> None:
            nonlocal told
            if state.done > told:
                self._report(state.done - told)
            told = state.done

        values = values_of(masks, self._source, self._store, report)
        if values.ndim != 1:
            raise ArgumentError(
                f"the function returned shape {values.shape}; measure one output of it, such as "
                "lambda masks: f(masks)[:, 0]"
            )
        self._known.update(zip(keys, values.tolist(), strict=True))
