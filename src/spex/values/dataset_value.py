"""A prompt template over a data set: f(mask) is the mean score over the items.

A call is a pair of a mask and an item. A store keeps values of calls, by the mask and a hash of the
item's content. So a data set may grow or be reordered.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import whole_number
from spex.context import Context
from spex.errors import ArgumentError
from spex.inputs.prompt_template import PromptTemplate
from spex.models.protocol import LanguageModel
from spex.scores.log_probabilities import LogProb, Score
from spex.scores.of_items import score_of_item
from spex.values.dataset_run import DatasetRun
from spex.values.identity import content_identity
from spex.values.item_calls import item_bits, split_calls
from spex.values.scoring_check import goes_on
from spex.values.source import OfMasker
from spex.values.value_function import ValueFunction, as_model, stream_together
from spex.wording import counted, shorten

_HASH_BITS = 128
_INPUTS, _ANSWERS = ("input", "text"), ("answer", "label")


class DatasetValue(OfMasker):
    """A prompt template, a data set, a model and a score: which parts of the prompt help, and how.

    The features are the parts of the template; the value of a mask is the mean score over all
    items. `spex.explain` asks each mask on a few items only, subtracts what is particular to them,
    and says R2 of the mean itself, without the noise of the items. Its budget counts calls: a mask
    on an item is one.

    As a function of masks (m, n) it asks every mask on all items, for `smallest_sufficient` and the
    like.

    Args:
        template: A `PromptTemplate`, or its parts.
        items: Texts, or mappings with the key "input" (or "text") and, where the score needs it,
            "answer" (or "label").
        model: See `spex.ValueFunction`.
        score: See `spex.scores.of_items.score_of_item`: a score for all, into which each item's
            answer is put, or a function from the item to its score. Default: `LogProb()` of the
            item's answer.
        items_per_mask: On how many items each mask is asked; default: 4, more where the budget
            pays for all masks.

    Attributes:
        template: The template.
        model: The model, loaded.
        n_items: N.

    Raises:
        ArgumentError: an argument is wrong.
        BackendError: the model cannot be loaded, or failed.

    Example:
        >>> import spex
        >>> def model(prompt):
        ...     return "yes" if "Say yes." in prompt else "no"
        >>> items = [{"input": f"item {i}", "answer": "yes"} for i in range(20)]
        >>> parts = ["Say yes.", "Be polite.", "{input}"]
        >>> value = spex.DatasetValue(parts, items, model, spex.Matches("{answer}"))
        >>> value.features, value.n_items
        (('Say yes.', 'Be polite.'), 20)
    """

    def __init__(
        self,
        template: PromptTemplate | Sequence[Any],
        items: Sequence[str | Mapping[str, Any]],
        model: LanguageModel | str | Callable[[Any], str],
        score: Score | Callable[[Any], Score] | None = None,
        *,
        items_per_mask: int | None = None,
    ) -> None:
        if not isinstance(template, PromptTemplate):
            template = PromptTemplate(template)
        self.template = self.masker = template
        rows = [_row(item, number) for number, item in enumerate(_checked(items))]
        self.n_items = len(rows)
        if items_per_mask is not None:
            whole_number("items_per_mask", items_per_mask, 2)
            if items_per_mask > self.n_items:
                raise ArgumentError(
                    f"items_per_mask={items_per_mask}, and there are {self.n_items} items"
                )
        self._per_mask = items_per_mask
        self._texts = [text for text, _, _ in rows]
        given = LogProb() if score is None else score
        self._scores = [
            score_of_item(given, item, answer, number)
            for number, (_, answer, item) in enumerate(rows)
        ]
        self.model = as_model(model)
        self._functions: dict[int, ValueFunction] = {}
        # Find a prompt that is too long before any call is paid.
        self._function(max(range(self.n_items), key=lambda number: len(self._texts[number])))
        self._hashes: BoolArray | None = None

    @property
    def outputs(self) -> None:
        """None: one number per mask."""
        return None

    # A model that varies adds to the noise of the items, which is measured anyway.
    may_vary = False

    @property
    def identities(self) -> tuple[str, ...] | None:
        """A hash of the model and of the template; see `spex.ValueSource`.

        Items and their scores are in `stored_masks`.
        """
        described = [one.describe() for one in map(self._resolved, range(self.n_items))]
        model = self.model.identity
        if model is None or None in described:
            return None
        if goes_on(self.model):
            model += ";unchecked"  # as `ValueFunction.identities`
        common = {"model": model, "template": self.template.describe()}
        return (content_identity({"data set": 1, **common}),)

    def begin(self, budget: int, **settings: Any) -> DatasetRun:
        """A run over this; see `spex.explain`, whose budget counts calls here.

        Raises:
            ArgumentError: a setting is wrong.
        """
        return DatasetRun(self.features, self.n_items, budget, self._per_mask, **settings)

    @property
    def n_calls_of_check(self) -> int:
        """See `ValueFunction.n_calls_of_check`."""
        return self._function(0).n_calls_of_check

    def check_scoring(self, masks: BoolArray) -> None:
        """See `ValueFunction.check_scoring`; with masks of the first item that is asked."""
        n, item = self.n_features, 0
        if masks.shape[1] > n:
            masks, items = split_calls(masks, n)
            item = int(items[0])
            masks = masks[items == item]
        self._function(item).check_scoring(masks)

    @property
    def _item_bits(self) -> int:
        return item_bits(self.n_items)

    def stored_masks(self, masks: BoolArray) -> BoolArray:
        """Masks with a hash of the item, or of all items for a mean over all."""
        if self._hashes is None:
            seen: dict[str, int] = defaultdict(int)
            hashes = []
            for text, number in zip(self._texts, range(self.n_items), strict=True):
                own = content_identity([text, self._resolved(number).describe()])
                seen[own] += 1  # a duplicate item is asked twice
                hashes.append(own if seen[own] == 1 else content_identity([own, seen[own]]))
            hashes.append(content_identity(sorted(hashes)))
            self._hashes = np.stack([_bits(one) for one in hashes])
        n = self.n_features
        numbers = np.full(len(masks), self.n_items)
        if masks.shape[1] > n:
            masks, numbers = split_calls(masks, n)
        return np.concatenate([masks, self._hashes[numbers]], axis=1)

    def contexts(self) -> tuple[Context, ...]:
        """What is explained, for reports."""
        first = self._resolved(0)
        alike = len({self._resolved(number).summary for number in range(self.n_items)}) == 1
        what = first.summary if alike else f"{shorten(first.summary)} and so on"
        usages = [one.contexts()[0].usage for one in self._functions.values()]
        notes = dict.fromkeys(
            note for one in self._functions.values() for note in one.contexts()[0].notes
        )
        return (
            Context(
                model=self.model.name,
                prompt=self.template.text,
                system=self.template.system,
                score=f"mean over {counted(self.n_items, 'item')} of {what}",
                score_unit=first.unit,
                unit=self.template.unit_name,
                operator=self.template.operator_name,
                parts=self.template.parts,
                usage=usages[0] if usages else None,  # usage of the first function
                notes=tuple(notes),
            ),
        )

    def __call__(self, masks: npt.ArrayLike) -> FloatArray:
        """The mean over all items for each mask.

        Args:
            masks: (m, n_features) of bool or 0/1; True keeps the part.

        Returns:
            (m,) float64, in the unit of the score.

        Raises:
            BackendError: the model failed.
        """
        given = np.asarray(masks, dtype=np.bool_)
        values = np.empty(len(given))
        for rows, of_rows in self.stream(given):
            values[rows] = of_rows
        return values

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """Values as they are finished.

        Args:
            masks: (m, n) masks, for means over all items, one mask after the other; or (m, n + b)
                calls of a `DatasetRun`.

        Raises:
            ArgumentError: the model refuses a prompt.
            BackendError: the model failed.
        """
        n = self.n_features
        if masks.shape[1] == n + self._item_bits:
            yield from self._stream_calls(*split_calls(masks, n))
            return
        if masks.shape[1] != n:
            raise ArgumentError(f"masks have {masks.shape[1]} columns; there are {n} parts")
        numbers = np.arange(self.n_items)
        for row, mask in enumerate(masks):
            values = np.empty(self.n_items)
            for rows, of_rows in self._stream_calls(np.tile(mask, (self.n_items, 1)), numbers):
                values[rows] = of_rows
            yield np.array([row]), np.array([values.mean()])

    def _stream_calls(
        self, masks: BoolArray, items: IntArray
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Scores of masks (c, n) on items (c,); those that may share batches do."""
        groups: dict[object, list[int]] = defaultdict(list)
        for item in np.unique(items).tolist():
            key = self._function(item).shared_call
            groups[("alone", item) if key is None else key].append(item)
        for group in groups.values():
            places = [np.flatnonzero(items == item) for item in group]
            functions = [self._function(item) for item in group]
            if len(group) == 1:
                for rows, values in functions[0].stream(masks[places[0]]):
                    yield places[0][rows], values
                continue
            streamed = stream_together(functions, [masks[rows] for rows in places])
            for number, rows, values in streamed:
                yield places[number][rows], values

    def _function(self, item: int) -> ValueFunction:
        """The value function of one item."""
        if item not in self._functions:
            template = self.template.with_item(self._texts[item])
            self._functions[item] = ValueFunction(template, self.model, self._scores[item])
        return self._functions[item]

    def _resolved(self, item: int) -> Any:
        return self._function(item).score


def _bits(identity: str) -> BoolArray:
    digest = bytes.fromhex(identity.partition(":")[2])[: _HASH_BITS // 8]
    return np.unpackbits(np.frombuffer(digest, dtype=np.uint8)).astype(np.bool_)


def _checked(items: object) -> Sequence[Any]:
    if isinstance(items, str | Mapping) or not isinstance(items, Sequence):
        raise ArgumentError(
            f"items is a {type(items).__name__}; give a list of texts or of objects"
        )
    if len(items) < 2:
        raise ArgumentError(f"{counted(len(items), 'item')}; give at least two, better hundreds")
    return items


def _row(item: Any, number: int) -> tuple[str, str | None, Mapping[str, Any]]:
    """An item's text, its answer, and the item as an object.

    Raises:
        ArgumentError: it has no text.
    """
    found = {"input": item} if isinstance(item, str) else item
    if not isinstance(found, Mapping):
        raise ArgumentError(f"items[{number}] is a {type(item).__name__}; give a text or an object")
    text = next((found[key] for key in _INPUTS if key in found), None)
    if not isinstance(text, str) or not text.strip():
        raise ArgumentError(
            f"items[{number}]: its 'input' (or 'text') is {shorten(repr(text))}; give a text"
        )
    answer = next((found[key] for key in _ANSWERS if found.get(key) is not None), None)
    if isinstance(answer, bool) or not isinstance(answer, str | int | float | None):
        raise ArgumentError(
            f"items[{number}]: its 'answer' (or 'label') is {shorten(repr(answer))}; give a text"
        )
    return text, None if answer is None else str(answer), found
