"""Where values come from: one protocol, and the adapter that turns functions into it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import whole_number
from spex.context import Context
from spex.errors import ArgumentError
from spex.prior import NO_PRIOR, Prior
from spex.settings import feature_labels
from spex.wording import counted, shorten

# A batch of a function takes about a second, so a killed process loses at most that. The first
# batch is small, because the speed is unknown. Each next batch is at most _GROWTH times larger.
_SECONDS, _FIRST_BATCH, _GROWTH = 1.0, 4, 4
_LARGEST_BATCH = 4096
_BATCH_CELLS = 1 << 26  # booleans of a batch


class ValueSource(Protocol):
    """What is explained: features, and values of masks.

    Laws: the values of a mask do not depend on the other masks of a call. Reading an attribute
    calls no model; `identities` may take long, and is read only where values are stored.

    Example:
        >>> import spex
        >>> f = spex.PredictFunction(spex.Text("not bad"), lambda texts: list(map(len, texts)))
        >>> source: spex.ValueSource = f
        >>> source.features, source.outputs
        (('not', 'bad'), None)
    """

    @property
    def features(self) -> tuple[str, ...]:
        """The n labels."""
        ...

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """Names of the q outputs; None if there is one number per mask."""
        ...

    @property
    def prior(self) -> Prior:
        """What is known of the features."""
        ...

    @property
    def may_vary(self) -> bool:
        """Whether another value may come when a mask is asked again: some are asked twice then."""
        ...

    @property
    def identities(self) -> tuple[str, ...] | None:
        """For each output a string that changes with anything that changes a value.

        None if that cannot be told: nothing is stored then.
        """
        ...

    def contexts(self) -> tuple[Context, ...]:
        """What is explained, for reports; one for each output."""
        ...

    def stored_masks(self, masks: BoolArray) -> BoolArray:
        """The masks under which a store keeps the values of (m, n) masks.

        They are the masks themselves, but for a source that looks at a part of another one.
        """
        ...

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """Values as they are finished, in batches of the source's own choice.

        Args:
            masks: (m, n) bool, True = present.

        Returns:
            (row numbers (k,), values (k,) or (k, q)), every row once, in any order.
        """
        ...


def as_source(f: Any, features: int | Sequence[str] | None = None) -> ValueSource:
    """A source of values from a user's object.

    Args:
        f: A `ValueSource`, such as a `spex.ValueFunction` or a `spex.PredictFunction`; a
            `shapiq.Game`; or a callable from bool masks (m, n) to (m,) or (m, q) real numbers. A
            callable may have the attributes `features`, `outputs`, `prior` (see `ValueSource`) and
            `identity`, a string that changes with the function, so that a store can keep values.
        features: n, or n labels; default: those of f.

    Raises:
        ArgumentError: f is none of these, or its features are unknown or of another number.
    """
    if callable(getattr(f, "stream", None)) and (hasattr(f, "contexts") or not callable(f)):
        source: ValueSource = f
        _check_source(source)
        if features is None:
            return source
        return _Relabelled(source, _labels(features, source.features))
    if hasattr(f, "predict") and not callable(f):
        raise ArgumentError(
            f"a {type(f).__name__} takes inputs, not masks; explain "
            "spex.PredictFunction(spex.Table(row, background), model)"
        )
    if not callable(f):
        raise ArgumentError(f"the value function must be callable on masks, not {type(f).__name__}")
    own = _players(f) if hasattr(f, "n_players") else getattr(f, "features", None)
    if features is None and own is None:
        raise ArgumentError(
            "features is missing: give the number of features or their labels (only a "
            "spex.ValueFunction, a spex.PredictFunction and a shapiq.Game know their own)"
        )
    return _Function(f, _labels(own if features is None else features, own))


def _check_source(source: ValueSource) -> None:
    """Refuse a source with a missing member, before anything is evaluated.

    Raises:
        ArgumentError: a member is missing, or contexts are not one `spex.Context` for each output.
    """
    name = type(source).__name__
    # `identities` may take long, and is read only where values are stored.
    needed = ("features", "outputs", "prior", "may_vary", "contexts", "stored_masks")
    if missing := [member for member in needed if not hasattr(source, member)]:
        raise ArgumentError(
            f"{name} has no {', '.join(missing)}; a source of your own needs all members of "
            "spex.ValueSource"
        )
    q = 1 if source.outputs is None else len(source.outputs)
    contexts = source.contexts()
    if not isinstance(contexts, tuple | list) or not all(isinstance(x, Context) for x in contexts):
        raise ArgumentError(
            f"{name}.contexts() gives {shorten(repr(contexts))}; give a tuple of spex.Context, one "
            "for each output"
        )
    if (given := len(contexts)) != q:
        raise ArgumentError(
            f"{name}.contexts() gives {counted(given, 'spex.Context', 'spex.Contexts')} for "
            f"{counted(q, 'output')}; give one for each output"
        )


def _labels(features: Any, own: Sequence[str] | None) -> tuple[str, ...]:
    labels = feature_labels(features)
    if own is not None and len(own) != len(labels):
        raise ArgumentError(
            f"{counted(len(labels), 'label')} for a value function of "
            f"{counted(len(own), 'feature')}; leave features out"
        )
    return labels


def _players(game: Any) -> tuple[str, ...]:
    """The labels of the players of a `shapiq.Game`: their names, or else their numbers."""
    n = whole_number("n_players of the game", game.n_players, 1)
    numbers = getattr(game, "player_name_lookup", None) or {}
    names = {number: str(name) for name, number in numbers.items()}
    return tuple(names.get(number, str(number)) for number in range(n))


class _Function:
    """A callable as a source."""

    def __init__(self, function: Callable[[BoolArray], Any], features: tuple[str, ...]) -> None:
        self._function = function
        self.features = features
        given = getattr(function, "outputs", None)
        self.outputs: tuple[str, ...] | None = given
        self.prior: Prior = getattr(function, "prior", NO_PRIOR)
        self.may_vary = False

    @property
    def identities(self) -> tuple[str, ...] | None:
        identity = getattr(self._function, "identity", None)
        if not isinstance(identity, str):
            return None
        if self.outputs is None:
            return (identity,)
        return tuple(f"{identity}#{name}" for name in self.outputs)

    def contexts(self) -> tuple[Context, ...]:
        return tuple(Context(score=name) for name in self.outputs or ()) or (Context(),)

    def stored_masks(self, masks: BoolArray) -> BoolArray:
        return masks

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        most = min(_LARGEST_BATCH, _BATCH_CELLS // max(masks.shape[1], 1))
        # The function gets its own copy, so changes to it cannot reach the fit.
        return in_batches(lambda batch: self._function(batch.copy()), masks, most)


class OfMasker(ABC):
    """Attributes that a source takes from its masker."""

    masker: Any

    @property
    def features(self) -> tuple[str, ...]:
        """The label of each feature."""
        labels: tuple[str, ...] = self.masker.features
        return labels

    @property
    def n_features(self) -> int:
        """The number of features."""
        count: int = self.masker.n_features
        return count

    @property
    def prior(self) -> Prior:
        """What the masker knows of the features."""
        known: Prior = self.masker.prior
        return known

    @property
    def may_vary(self) -> bool:
        """False: the same mask is assumed to have the same value again."""
        return False

    @property
    @abstractmethod
    def identities(self) -> tuple[str, ...] | None:
        """For each output a hash of all that determines its values; None if unknown."""

    @property
    def identity(self) -> str | None:
        """That of the first output; see `identities`."""
        identities = self.identities
        return None if identities is None else identities[0]

    def stored_masks(self, masks: BoolArray) -> BoolArray:
        """The masks themselves; see `spex.ValueSource`."""
        return masks


class Wrapped:
    """A source that passes everything on to another one; subclasses change a part of it."""

    def __init__(self, source: ValueSource) -> None:
        self._source = source

    @property
    def features(self) -> tuple[str, ...]:
        """See `ValueSource.features`."""
        return self._source.features

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """See `ValueSource.outputs`."""
        return self._source.outputs

    @property
    def prior(self) -> Prior:
        """See `ValueSource.prior`."""
        return self._source.prior

    @property
    def may_vary(self) -> bool:
        """See `ValueSource.may_vary`."""
        return self._source.may_vary

    @property
    def identities(self) -> tuple[str, ...] | None:
        """See `ValueSource.identities`."""
        return self._source.identities

    @property
    def masker(self) -> Any:
        """The masker by which `spex.zoom` groups units, if the source has one; else None."""
        return getattr(self._source, "masker", None)

    @property
    def begin(self) -> Any:
        """For a `spex.DatasetValue`, what makes its own kind of run; else None."""
        return getattr(self._source, "begin", None)

    @property
    def model(self) -> Any:
        """For a `spex.ValueFunction`, the language model; else None."""
        return getattr(self._source, "model", None)

    def contexts(self) -> tuple[Context, ...]:
        """See `ValueSource.contexts`."""
        return self._source.contexts()

    def stored_masks(self, masks: BoolArray) -> BoolArray:
        """See `ValueSource.stored_masks`."""
        return self._source.stored_masks(masks)

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `ValueSource.stream`."""
        return self._source.stream(masks)


class _Relabelled(Wrapped):
    """A source under other labels."""

    def __init__(self, source: ValueSource, features: tuple[str, ...]) -> None:
        super().__init__(source)
        self._features = features

    @property
    def features(self) -> tuple[str, ...]:
        return self._features

    @property
    def n_calls_of_check(self) -> int:
        return int(getattr(self._source, "n_calls_of_check", 0))

    def check_scoring(self, masks: BoolArray) -> None:
        self._source.check_scoring(masks)  # type: ignore[attr-defined]


def in_batches(
    evaluate: Callable[[BoolArray], Any], masks: BoolArray, most: int = _LARGEST_BATCH
) -> Iterator[tuple[IntArray, Any]]:
    """Evaluate masks in batches that take about a second each.

    Args:
        evaluate: From (k, n) masks to their values.
        masks: (m, n) bool.
        most: The most masks of a batch.

    Returns:
        (row numbers, what `evaluate` returned), in the order of the rows.
    """
    start, size = 0, min(_FIRST_BATCH, max(most, 1))
    while start < len(masks):
        rows = np.arange(start, min(start + size, len(masks)))
        began = time.perf_counter()
        yield rows, evaluate(masks[rows])
        seconds = max(time.perf_counter() - began, 1e-9)
        start = rows[-1] + 1
        size = int(np.clip(len(rows) * min(_SECONDS / seconds, _GROWTH), 1, max(most, 1)))
