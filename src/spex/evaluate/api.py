"""The measures as functions, for your own value functions."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from spex.errors import ArgumentError
from spex.evaluate.experiment import Experiment
from spex.evaluate.items import Item, as_items
from spex.evaluate.measures.curves import Curves
from spex.evaluate.measures.faithfulness import Faithfulness
from spex.evaluate.measures.measure import Measure
from spex.evaluate.measures.pairs import Pairs
from spex.evaluate.measures.recovery import Recovery
from spex.evaluate.measures.removal import Removal
from spex.evaluate.methods import methods_named
from spex.evaluate.running import run
from spex.evaluate.tables.results import Results
from spex.values.source import as_source

Names = str | Sequence[str]
Numbers = int | Sequence[int]


def measured(
    measure: Measure,
    f: Any,
    features: int | Sequence[str] | None = None,
    methods: Names = "auto",
    budgets: Numbers = 1000,
    seeds: Numbers = 0,
    *,
    store: str | Path | None = None,
    out: str | Path | None = None,
    jobs: int = 1,
) -> Results:
    """Measure explanations of value functions.

    Args:
        measure: What is measured, such as `spex.evaluate.Faithfulness()`.
        f: What is explained: a callable from masks (m, n) bool to (m,) numbers, or a
            `spex.ValueSource` such as a `spex.ValueFunction` (see `spex.explain`); several by name,
            as a dict; or items of `spex.evaluate.read_items`.
        features: n, or n labels; may be left out where f knows them.
        methods: Names of methods: a sequence, or one string with commas.
        budgets: The most distinct masks for one explanation: a number or several.
        seeds: Seeds of the methods: a number or several.
        store: Path of a sample store, for functions with an identity.
        out: File of results, .csv or .parquet; what it holds is not measured again.
        jobs: Number of processes, each with its own item.

    Returns:
        The results: `to_frame()`, `summary()`, `to_markdown()`, `plot()`, `save(path)`.

    Raises:
        ArgumentError: an argument is wrong.
        StoreError: the store failed.
    """
    items = as_items(f, features)
    if store is not None and not isinstance(f, Item | list | tuple):
        for one in f.values() if isinstance(f, dict) else [f]:
            if as_source(one, features).identities is None:
                raise ArgumentError(
                    "store= needs functions with an attribute 'identity', a string that changes "
                    "with the function, so that the store does not mix up functions"
                )
    path = None if store is None else Path(store)
    of = methods_named(methods)
    numbers = _several("budgets", budgets), _several("seeds", seeds)
    experiment = Experiment(items, measure, of, *numbers, path)
    return run(experiment, None if out is None else Path(out), jobs=jobs)


def _several(name: str, value: Numbers) -> tuple[int, ...]:
    """One number or several, as a tuple.

    Raises:
        ArgumentError: it is neither.
    """
    if isinstance(value, str | bytes):
        raise ArgumentError(f"{name}={value!r} is a text; give a number or a list of numbers")
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError:
        return (value,)  # type: ignore[return-value]


def _measures(make: Callable[..., Measure]) -> Callable[..., Results]:
    """Make a function that takes the options of a measure and those of `measured`."""
    _, *shared = inspect.signature(measured).parameters.values()
    own = [
        one.replace(kind=one.KEYWORD_ONLY) for one in inspect.signature(make).parameters.values()
    ]
    positional = [one for one in shared if one.kind is one.POSITIONAL_OR_KEYWORD]
    signature = inspect.Signature(
        [*positional, *own, *shared[len(positional) :]], return_annotation=Results
    )

    @wraps(make)
    def function(*args: Any, **options: Any) -> Results:
        try:
            given = signature.bind(*args, **options).arguments
        except TypeError as error:
            raise TypeError(f"{make.__name__}() {error}") from None
        of_measure = {one.name: given.pop(one.name) for one in own if one.name in given}
        return measured(make(**of_measure), **given)

    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {
        **{one.name: one.annotation for one in signature.parameters.values()},
        "return": Results,
    }
    return function


@_measures
def faithfulness(test_masks: int = 1000, distribution: str = "uniform") -> Measure:
    """R2 and LDS on fresh masks; see `Faithfulness` and `measured`."""
    return Faithfulness(test_masks, distribution)


@_measures
def removal(r: int = 10) -> Measure:
    """The effect of removing the r most important features; see `Removal` and `measured`."""
    return Removal(r)


@_measures
def recovery(r: int = 10) -> Measure:
    """Whether interactions consist of annotated features; see `Recovery` and `measured`.

    Annotations come with items of `spex.evaluate.read_items`.
    """
    return Recovery(r)


@_measures
def pairs(random_bases: int = 0) -> Measure:
    """Every single and pair effect, measured; see `Pairs` and `measured`."""
    return Pairs(random_bases)


@_measures
def curves(sanity: bool = False) -> Measure:
    """Deletion, insertion, soft measures, stability and sanity; see `Curves` and `measured`."""
    return Curves(sanity)
