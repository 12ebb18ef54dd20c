"""A store as one source of values uses it."""

import numpy as np

from spex._typing import BoolArray, FloatArray, WordArray
from spex.errors import ArgumentError
from spex.f2.packing import pack
from spex.values.source import ValueSource
from spex.values.store import Claim, Store
from spex.wording import shorten

# A process claims as many masks as it can evaluate in this time. More at once is faster; fewer
# leave more to others. The first portion is small, because the speed is unknown.
_SECONDS_ALONE, _SECONDS_BESIDE_OTHERS = 60.0, 10.0
_FIRST_PORTION, _LEAST_PORTION = 64, 8


class Kept:
    """A store as one source uses it.

    Attributes:
        rate: masks per second of the last portion.

    Raises:
        ArgumentError: the source has no identity that a store could keep values under.
    """

    def __init__(self, store: Store, source: ValueSource) -> None:
        self._store, self._source = store, source
        self._identities = _identities(source)
        self.rate: float | None = None

    def claim(self, masks: BoolArray) -> Claim:
        """The known values of (m, n) masks, and the next portion to evaluate."""
        alone = beside = _FIRST_PORTION
        if self.rate is not None:
            rate = min(self.rate, 1e6)
            alone = max(int(rate * _SECONDS_ALONE), _LEAST_PORTION)
            beside = max(int(rate * _SECONDS_BESIDE_OTHERS), _LEAST_PORTION)
        return self._store.claim(self._identities, self._keys(masks), alone, beside)

    def release(self) -> None:
        """Release all claims."""
        self._store.release()

    def put(self, masks: BoolArray, values: FloatArray) -> None:
        """Keep (m, q) values."""
        if values.shape[1] != len(self._identities):
            raise ArgumentError(
                f"{values.shape[1]} outputs per mask, and the store knows "
                f"{len(self._identities)}: set the function's attribute 'outputs' to their names"
            )
        for j, identity in enumerate(self._identities):
            first = self._identities.index(identity)
            if not np.array_equal(values[:, first], values[:, j]):
                raise ArgumentError(
                    f"outputs {first} and {j} have the same identity, and other values: a store "
                    "would mix them up; give each output its own identity"
                )
        keys = self._keys(masks)
        try:
            self._store.put_all(self._identities, keys, values)
        except KeyboardInterrupt:  # first keep the finished values
            self._store.put_all(self._identities, keys, values)
            raise

    def _keys(self, masks: BoolArray) -> WordArray:
        return pack(self._source.stored_masks(masks))


def _identities(source: ValueSource) -> tuple[str, ...]:
    identities = source.identities
    if identities is None:
        raise ArgumentError(
            "store= needs a value function with an identity, so that the store does not mix up "
            "functions; use spex.ValueFunction (if its score or model is a function of your own, "
            "wrap it: spex.ReplyScore(function, name) or "
            "spex.models.FunctionModel(function, identity=...)), or set its attribute "
            "'identity' to a string that changes with the function"
        )
    q = 1 if source.outputs is None else len(source.outputs)
    if isinstance(identities, str) or not all(isinstance(one, str) for one in identities):
        raise ArgumentError(
            f"identities={shorten(repr(identities))}; give a tuple of strings, one for each output "
            f"({q}), or None where nothing may be stored"
        )
    return tuple(identities)
