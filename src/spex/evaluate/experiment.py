"""Items by methods by budgets by seeds: explain each, measure, and keep every finished cell."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spex.checks.arguments import whole_number
from spex.checks.counting import CountedFunction
from spex.errors import ArgumentError, BackendError, SpexError, StoreError
from spex.evaluate.asking import Values
from spex.evaluate.gradients import OfModel
from spex.evaluate.items import Item
from spex.evaluate.measures.measure import Cell, Measure
from spex.evaluate.method import Attribution, Method, RefusedError
from spex.evaluate.methods import METHODS
from spex.evaluate.tables.rows import EVALUATIONS, FAILED, LAST, REFUSED, Key, Row, check_names
from spex.values.source import ValueSource
from spex.values.store import Store
from spex.wording import one_line, shorten

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Experiment:
    """What to explain, by which methods, and what to measure.

    Args:
        items: The value functions.
        measure: What is measured of each explanation.
        methods: The methods.
        budgets: The most distinct masks of an explanation.
        seeds: Seeds of the methods. Methods that take masks get the same for the same seed.
        store: Path of the sample store in which values stay between runs; None for none.

    Raises:
        ArgumentError: an argument is wrong, or nothing is left to be done.
    """

    items: Sequence[Item]
    measure: Measure
    methods: Sequence[Method | OfModel]
    budgets: Sequence[int]
    seeds: Sequence[int] = (0,)
    store: Path | None = None

    def __post_init__(self) -> None:
        for name in ("items", "methods", "budgets", "seeds"):
            if not len(getattr(self, name)):
                raise ArgumentError(f"{name} is empty; give one at least")
        for names, name, least in (("budgets", "budget", 1), ("seeds", "seed", 0)):
            numbers = [whole_number(name, one, least) for one in getattr(self, names)]
            if repeated := [one for one in numbers if numbers.count(one) > 1]:
                raise ArgumentError(f"{names} names {repeated[0]} twice; give each once")
        names_of = [method.name for method in self.methods]
        if twice := [one for one in names_of if names_of.count(one) > 1]:
            raise ArgumentError(f"method {twice[0]!r} is named twice")
        check_names(item.name for item in self.items)
        for item in self.items:
            self.measure.check(item)

    def packed(self) -> dict[str, Any]:
        """The parts, for another process: methods that are known by name as their names."""
        known = [METHODS.get(one.name) is one for one in self.methods]
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        names = [
            one.name if by_name else one for one, by_name in zip(self.methods, known, strict=True)
        ]
        return {**parts, "methods": names}

    @classmethod
    def unpacked(cls, parts: dict[str, Any]) -> "Experiment":
        """Undo `packed`."""
        methods = [METHODS[one] if isinstance(one, str) else one for one in parts["methods"]]
        return cls(**{**parts, "methods": methods})

    def cells(self, item: Item) -> list[Key]:
        """The cells of an item, in the order in which they are measured."""
        return [
            Key(item.name, method.name, budget, seed)
            for budget in self.budgets
            for seed in self.seeds
            for method in self.methods
        ]


@dataclass(frozen=True)
class Finished:
    """One cell that was measured.

    Args:
        rows: What was found.
        identity: Identity of the value function; None if it has none.
        model: Identity of the model behind it; None if there is none.
    """

    rows: list[Row]
    identity: str | None
    model: str | None


def measure_item(
    experiment: Experiment,
    item: Item,
    done: set[Key],
    report: Callable[[int], None] = lambda _: None,
) -> Iterator[Finished]:
    """Measure the cells of an item that are not done.

    A cell that fails becomes a row with the reason; the others go on.

    Args:
        experiment: What to do.
        item: One of its items.
        done: Cells that are left out.
        report: Told how many masks each batch has brought.

    Raises:
        StoreError: the store failed, which would cost what comes after.
    """
    left = [key for key in experiment.cells(item) if key not in done]
    if not left:
        return
    by_name = {method.name: method for method in experiment.methods}
    with ExitStack() as stack:
        store = None
        if experiment.store is not None:
            store = stack.enter_context(Store(experiment.store))
        try:
            source = item.make(store)
            values = Values(source, store, report)
            identities = source.identities
        except StoreError:
            raise
        except Exception as error:
            for key in left:
                yield Finished([_failed(item, by_name[key.method], key, error)], None, None)
            return
        identity = None if identities is None else identities[0]
        explain = _Explainer(item, values, source)
        for key in left:
            method = by_name[key.method]
            try:
                rows = _measure(experiment, item, values, method, key, explain)
            except StoreError:
                raise
            except Exception as error:  # an error of a method or model is recorded as a result
                rows = [_failed(item, method, key, error)]
            yield Finished(rows, identity, _model_identity(source))


def check_sources(experiment: Experiment, done: set[Key]) -> None:
    """Make value functions until one can be made.

    An error in every one of them comes from the call, such as an output name that the function does
    not have.

    Raises:
        ArgumentError: none can be made; the reason is that of the first.
        BackendError: the same, if the model or the function raised something else.
    """
    reasons: list[Exception] = []
    with ExitStack() as stack:
        store = None
        if experiment.store is not None:
            store = stack.enter_context(Store(experiment.store))
        for item in experiment.items:
            if not set(experiment.cells(item)) - done:
                continue
            try:
                item.make(store)
            except StoreError:
                raise
            except Exception as error:
                reasons.append(error)
            else:
                return
    if not reasons:
        return
    if isinstance(reasons[0], SpexError):
        raise reasons[0]
    told = shorten(one_line(f"{type(reasons[0]).__name__}: {reasons[0]}"), _LONGEST_REASON)
    raise BackendError(f"no cell was measured; the first failed with: {told}") from reasons[0]


class _Explainer:
    """Attributions on one item, each computed once."""

    def __init__(self, item: Item, values: Values, source: ValueSource) -> None:
        self._item, self._values, self._source = item, values, source
        self._known: dict[tuple[str, int, int], tuple[Attribution, int]] = {}

    def __call__(self, method: Method | OfModel, budget: int, seed: int) -> tuple[Attribution, int]:
        """The attribution and its cost: distinct masks, or passes of the model."""
        key = (method.name, budget, seed)
        if isinstance(method, OfModel) and key not in self._known:
            try:
                attribution = method.attribute(self._source)  # type: ignore[arg-type]
            except ArgumentError as error:  # the function has no gradients
                raise RefusedError(str(error)) from error
            self._known[key] = attribution, attribution.n_evaluations
        if key not in self._known:
            assert not isinstance(method, OfModel)
            counted = CountedFunction(self._values, self._item.n_features, budget)
            attribution = method.attribute(
                counted, self._item.n_features, budget, seed, self._values.prior
            )
            self._known[key] = attribution, counted.n_evaluations
        return self._known[key]


def _measure(
    experiment: Experiment,
    item: Item,
    values: Values,
    method: Method | OfModel,
    key: Key,
    explain: _Explainer,
) -> list[Row]:
    attribution, count = explain(method, key.budget, key.seed)
    cell = Cell(
        item,
        values,
        method,
        key.budget,
        key.seed,
        experiment.seeds[0],
        lambda seed: explain(method, key.budget, seed)[0],
    )
    metrics = [(one.name, one.value, one.at) for one in experiment.measure.measure(cell)]
    metrics += [(EVALUATIONS, float(count), None), (LAST, attribution.seconds, None)]
    return [
        Row(
            **_head(item, method, key),
            metric=name,
            at=math.nan if at is None else float(at),
            value=float(value),
        )
        for name, value, at in metrics
    ]


def _head(item: Item, method: Method | OfModel, key: Key) -> dict[str, Any]:
    return {
        "item": item.name,
        "group": item.group,
        "n_features": item.n_features,
        "method": method.name,
        "package": method.package,
        "budget": key.budget,
        "seed": key.seed,
    }


def _failed(item: Item, method: Method | OfModel, key: Key, error: BaseException) -> Row:
    refused = isinstance(error, RefusedError)
    reason = one_line(str(error))
    if not refused:
        reason = f"{type(error).__name__}: {reason}"
    return failure(item, method, key, shorten(reason, _LONGEST_REASON), refused)


def failure(
    item: Item, method: Method | OfModel, key: Key, reason: str, refused: bool = False
) -> Row:
    """The row of a cell that could not be measured."""
    status = REFUSED if refused else FAILED
    return Row(**_head(item, method, key), status=status, reason=reason)


def _model_identity(source: ValueSource) -> str | None:
    model = getattr(source, "model", None)
    identity = getattr(model, "identity", None)
    return identity if isinstance(identity, str) else None
