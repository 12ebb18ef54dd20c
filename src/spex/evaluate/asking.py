"""Values of one function, each mask asked once: of memory, of a store, or of the model."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray
from spex.checks.masks import check_masks
from spex.errors import ArgumentError
from spex.evaluate.method import ValueFunctionOnMasks
from spex.f2.packing import pack
from spex.prior import Prior
from spex.values.evaluator import fill
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
            asker = _Asker(checked[missing], self._known, self._report)
            fill(asker, self._source, self._store)
        return np.array([self._known[key] for key in keys], dtype=np.float64)


class _Asker:
    """Asks for a list of masks; see `spex.values.evaluator.Asker`."""

    r2 = None

    def __init__(
        self, masks: BoolArray, known: dict[bytes, float], report: Callable[[int], None]
    ) -> None:
        self._masks, self._known, self._report = masks, known, report
        self._keys = [row.tobytes() for row in pack(masks)]
        self._left = dict.fromkeys(self._keys)
        self.total = len(masks)

    @property
    def n_told(self) -> int:
        """Masks that have a value."""
        return self.total - len(self._left)

    def ask(self) -> BoolArray:
        """The masks without a value."""
        return self._masks[[key in self._left for key in self._keys]]

    def tell(self, masks: BoolArray, values: npt.ArrayLike) -> None:
        """Take values (m,) of masks (m, n)."""
        told = np.asarray(values, dtype=np.float64)
        if told.ndim != 1:
            raise ArgumentError(
                f"the function returned shape {told.shape}; measure one output of it, such as "
                "lambda masks: f(masks)[:, 0]"
            )
        for row, value in zip(pack(masks), told.tolist(), strict=True):
            self._known[row.tobytes()] = value
            self._left.pop(row.tobytes(), None)
        self._report(len(masks))


class Counted:
    """A function that counts the distinct masks it is asked for."""

    def __init__(self, function: ValueFunctionOnMasks) -> None:
        self._function = function
        self._asked: set[bytes] = set()

    def __call__(self, masks: BoolArray) -> FloatArray:
        """The values of masks."""
        self._asked.update(row.tobytes() for row in pack(np.asarray(masks, dtype=np.bool_)))
        return self._function(masks)

    @property
    def count(self) -> int:
        """Distinct masks asked for."""
        return len(self._asked)
