"""The value function of a plain function: inputs in, predictions out, one of them attributed."""

import enum
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import whole_number
from spex.checks.masks import check_masks
from spex.context import Context
from spex.errors import ArgumentError, StoreError, ValueFunctionError
from spex.inputs.protocol import InputMasker, check_masker
from spex.values.identity import (
    content_identity,
    distinct_names,
    output_identities,
)
from spex.values.source import OfMasker, in_batches
from spex.values.store import Store
from spex.wording import shorten

# Inputs per call: a few dozen photographs, or some ten thousand rows of a table.
_BATCH_BYTES = 8 << 20


class _Default(enum.Enum):
    LARGEST = "largest"


LARGEST: Final = _Default.LARGEST
"""The output that is the largest for the unmasked input."""


class OutputError(ArgumentError):
    """The function has no such output.

    Args:
        reason: What was given, what is wrong with it, and the remedy.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"output={reason}")
        self.reason = reason


class PredictFunction(OfMasker):
    """A masker and a function: f(mask) is the prediction for the masked input.

    For a classifier or a regressor, such as a scikit-learn model's `predict_proba` or a function
    around an image network; language models go into a `ValueFunction`.

    Args:
        masker: defines the features, and what the function gets if some are absent.
        predict: takes the result of `masker.apply` and returns one number for each input, (m,), or
            k numbers, (m, k). A `Composite` gives one argument for each of its maskers. Or a
            scikit-learn model: spex uses the first of `predict_proba`, `decision_function` and
            `predict` that it has. An attribute `identity`, a string that changes with the weights,
            lets a store keep predictions.
        output: which of the k numbers to explain: its name, such as a class, or its position, from
            0; None for all, as k outputs. If names are numbers, a number is a name: of the classes
            1, 2, 3, output=2 is class 2. Default: the largest one for the unmasked input.
        names: names of the k numbers; default: the classes of a scikit-learn classifier.
        store: keeps the prediction for the unmasked input, which tells the number of outputs, so
            that it is asked once. Needs a function with an identity.

    Attributes:
        masker: as given.
        output: the position of the explained number; None if all are explained, or if there is
            only one.

    Raises:
        ArgumentError: an argument is wrong.
        ValueFunctionError: the function returned something else than numbers.
        StoreError: the store failed, or what it has is no prediction.

    Example:
        >>> import spex
        >>> f = spex.PredictFunction(spex.Text("not bad"), lambda texts: list(map(len, texts)))
        >>> f([[True, True], [False, False]]).tolist()
        [7.0, 0.0]
    """

    def __init__(
        self,
        masker: InputMasker,
        predict: Any,
        output: Any = LARGEST,
        *,
        names: Sequence[str] | None = None,
        store: Store | None = None,
    ) -> None:
        if not hasattr(masker, "apply"):
            raise ArgumentError(
                f"masker is a {type(masker).__name__}; give a masker such as Table or Image"
            )
        check_masker(masker)
        self.masker = masker
        self._predict = _function(predict)
        self._identity = getattr(predict, "identity", None)
        whole = self._unmasked(store if isinstance(self._identity, str) else None)
        n_outputs = None if whole.ndim == 1 else whole.shape[1]
        self._names = _names(predict, names, n_outputs)
        if output is LARGEST:
            output = None if n_outputs is None else int(whole[0].argmax())
        elif output is not None:
            output = _position(output, self._names, n_outputs)
        self.output: int | None = output
        self._whole: FloatArray | None = whole  # None until it is needed
        self._n_outputs = n_outputs
        inputs = masker.apply(np.ones((1, masker.n_features), dtype=np.bool_))
        self._masks_at_once = max(1, _BATCH_BYTES // max(_n_bytes(inputs), 1))

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """Names of the outputs if all are explained; None if one is."""
        if self.output is not None or self._n_outputs is None:
            return None
        return self._names or tuple(map(str, range(self._n_outputs)))

    @property
    def _explained(self) -> Sequence[int | None]:
        """The numbers of the outputs that are explained."""
        return range(self._n_outputs or 0) if self.outputs is not None else [self.output]

    @property
    def identities(self) -> tuple[str, ...] | None:
        """For each output a hash of all that determines its values.

        None if the function has no identity.
        """
        if not isinstance(self._identity, str):
            return None
        common = {"predict": self._identity, "masker": self.masker.describe()}
        return output_identities(common, "output", self._explained)

    def contexts(self) -> tuple[Context, ...]:
        """What is explained, for reports; one for each output."""
        name = _name(self._predict)
        masker = self.masker
        common = Context(
            model=name,
            score=name,
            unit=masker.unit_name,
            operator=masker.operator_name,
            parts=masker.parts or None,
            notes=masker.notes,
        )
        return tuple(
            common if one is None else replace(common, score=f"{self._called(one)} of {name}")
            for one in self._explained
        )

    def _called(self, output: int) -> str:
        if not self._names:
            return f"output {output}"
        name = self._names[output]
        # A name such as "class 285" already contains its number.
        is_told = re.search(rf"(?<!\d){output}(?!\d)", name) is not None
        return name if is_told else f"{name} (output {output})"

    def __call__(self, masks: npt.ArrayLike) -> FloatArray:
        """The value of each mask.

        Args:
            masks: (m, n_features) of bool or 0/1; True keeps the feature.

        Returns:
            (m,) float64; (m, k) where all outputs are explained.

        Raises:
            ArgumentError: the masks have another shape or other values.
            ValueFunctionError: the function returned something else than numbers.
        """
        checked = check_masks(masks, self.n_features)
        shape = (len(checked),) if self.outputs is None else (len(checked), len(self.outputs))
        values = np.empty(shape)
        for rows, of_rows in self.stream(checked):
            values[rows] = of_rows
        return values

    def stream(self, masks: npt.ArrayLike) -> Iterator[tuple[IntArray, FloatArray]]:
        """The values batch by batch, so that a caller can keep finished work.

        Args:
            masks: (m, n_features) of bool or 0/1; True keeps the feature.

        Returns:
            (row numbers, values), every row once.

        Raises:
            ArgumentError: see `__call__`.
            ValueFunctionError: see `__call__`.
        """
        checked = check_masks(masks, self.n_features)
        return self._stream(checked)

    def _stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        rest, is_whole = np.arange(len(masks)), masks.all(axis=1)
        if self._whole is not None and is_whole.any():
            # The input that showed the number of outputs is not predicted again.
            row = int(is_whole.argmax())
            whole, self._whole = self._whole, None
            yield rest[row : row + 1], self._chosen(whole)
            rest = np.delete(rest, row)
        for rows, predictions in in_batches(self._outputs, masks[rest], self._masks_at_once):
            yield rest[rows], self._chosen(predictions)

    def _chosen(self, predictions: FloatArray) -> FloatArray:
        return predictions if self.output is None else predictions[:, self.output]

    def _unmasked(self, store: Store | None) -> FloatArray:
        """The prediction for the unmasked input, (1,) or (1, k); from the store if it is there."""
        masks = np.ones((1, self.masker.n_features), dtype=np.bool_)
        if store is None:
            return self._outputs(masks)
        request = content_identity({"predict": self._identity, "masker": self.masker.describe()})
        if (kept := store.get_answer(request)) is not None:
            return _read(kept, store)
        whole = self._outputs(masks)
        if np.isfinite(whole).all():
            store.put_answer(request, json.dumps(whole.tolist()))
        return whole

    def _outputs(self, masks: BoolArray) -> FloatArray:
        """Predictions for each mask, averaged over its inputs: (m,) or (m, k) float64."""
        inputs_per_mask = self.masker.inputs_per_mask
        n_inputs = len(masks) * inputs_per_mask
        inputs = self.masker.apply(masks)
        returned = self._predict(*inputs) if isinstance(inputs, tuple) else self._predict(inputs)
        try:
            outputs = np.asarray(returned, dtype=np.float64)
        except Exception as error:  # for example of a torch tensor that requires a gradient
            raise ValueFunctionError(
                f"predict returned a {type(returned).__name__} that is no array of numbers: {error}"
            ) from error
        if outputs.ndim not in (1, 2) or len(outputs) != n_inputs or outputs.shape[-1] == 0:
            raise ValueFunctionError(
                f"predict returned shape {outputs.shape} for {n_inputs} inputs; it must return "
                f"shape ({n_inputs},) or ({n_inputs}, number of outputs)"
            )
        return outputs.reshape(len(masks), inputs_per_mask, *outputs.shape[1:]).mean(axis=1)


def _read(kept: str, store: Store) -> FloatArray:
    """A prediction as `_unmasked` keeps it.

    Raises:
        StoreError: it is none.
    """
    try:
        whole = np.array(json.loads(kept), dtype=np.float64)
    except (ValueError, TypeError, RecursionError):
        whole = np.array(np.nan)
    if (
        whole.ndim not in (1, 2)
        or len(whole) != 1
        or not whole.size
        or not np.isfinite(whole).all()
    ):
        raise StoreError(
            f"the sample store {store.path} has {shorten(kept)!r} as the prediction for the "
            "unmasked input, which is no row of numbers; use another store"
        )
    return whole


def _function(predict: Any) -> Callable[..., Any]:
    if callable(predict):
        return predict
    # In this order, because `predict` of a classifier gives classes, not scores.
    for name in ("predict_proba", "decision_function", "predict"):
        if callable(method := getattr(predict, name, None)):
            return method
    raise ArgumentError(
        f"predict is a {type(predict).__name__}, which cannot be called and has no predict_proba, "
        "decision_function or predict; give a function such as classifier.predict_proba"
    )


def _names(predict: Any, names: Sequence[str] | None, n_outputs: int | None) -> tuple[str, ...]:
    """The names of the outputs; none if they have none."""
    if names is None:
        model = getattr(predict, "__self__", predict)
        classes = list(map(str, getattr(model, "classes_", ())))
        return distinct_names(classes) if len(classes) == n_outputs else ()
    if isinstance(names, str) or len(names) != n_outputs or len(set(names)) != n_outputs:
        raise ArgumentError(
            f"names={names!r}; the function returns {n_outputs or 'one'} "
            f"{'numbers' if n_outputs else 'number'} for an input: give a different name for each "
            "of several"
        )
    return tuple(map(str, names))


def _position(output: Any, names: Sequence[str], n_outputs: int | None) -> int:
    """The position of the output that a caller names.

    Raises:
        ArgumentError: there is no such output.
    """
    text = str(output)
    if text in names:
        return names.index(text)
    numbers = [_number(name) for name in names]
    if (number := _number(output)) is not None and numbers.count(number) == 1:
        return numbers.index(number)  # such as the class 1.0 for 1
    is_position = text.isdecimal() and len(text) < 20  # Python refuses to read thousands of digits
    if (isinstance(output, str) and not is_position) or (names and None not in numbers):
        known = ", ".join(map(repr, names[:10])) or "no names; give a position"
        more = ", ..." if len(names) > 10 else ""
        raise OutputError(f"{shorten(repr(output))} is no name of an output; it has {known}{more}")
    position = whole_number("output", int(text) if is_position else output, 0)
    if position >= (n_outputs or 0):
        has = "one number" if n_outputs is None else f"{n_outputs} numbers"
        remedy = "leave it out" if n_outputs is None else f"give 0 to {n_outputs - 1}"
        raise OutputError(f"{output}, but the function returns {has} for an input; {remedy}")
    return position


def _number(value: Any) -> float | None:
    """A number, or a text that is one; None for anything else."""
    try:
        return None if isinstance(value, bool | np.bool_) else float(value)
    except (TypeError, ValueError):
        return None


def _name(function: Any) -> str:
    """Such as "RandomForestClassifier.predict_proba"; of an object, its name."""
    if not hasattr(function, "__name__"):
        return str(getattr(function, "name", type(function).__name__))
    name = str(function.__name__)
    owner = getattr(function, "__self__", None)
    return name if owner is None else f"{type(owner).__name__}.{name}"


def _n_bytes(inputs: Any) -> int:
    """About how much memory inputs take."""
    if isinstance(inputs, tuple):
        return sum(map(_n_bytes, inputs))
    if isinstance(inputs, list):
        return sum(
            len(item) if isinstance(item, str) else np.asarray(item).nbytes for item in inputs
        )
    size = getattr(inputs, "nbytes", None)  # of an array
    return size if isinstance(size, int) else np.asarray(inputs).nbytes
