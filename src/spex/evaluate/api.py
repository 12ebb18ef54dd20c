"""The measures as functions, for value functions of one's own."""

from collections.abc import Sequence
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
        seeds: Of the methods: a number or several.
        store: Path of a sample store, for functions with an identity.
        out: File of results, .csv or .parquet; what it holds is not measured again.
        jobs: Processes, each with an item of its own.

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
                    "with the function, so that no other one's values are taken for its own"
                )
    path = None if store is None else Path(store)
    of = methods_named(methods)
    numbers = _several("budgets", budgets), _several("seeds", seeds)
    experiment = Experiment(items, measure, of, *numbers, path)
    return run(experiment, None if out is None else Path(out), jobs=jobs)


def _several(name: str, value: Numbers) -> tuple[int, ...]:
    """One number or several as several.

    Raises:
        ArgumentError: it is neither.
    """
    if isinstance(value, str | bytes):
        raise ArgumentError(f"{name}={value!r} is a text; give a number or a list of numbers")
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError:
        return (value,)  # type: ignore[return-value]


def faithfulness(
    f: Any,
    features: int | Sequence[str] | None = None,
    methods: Names = "auto",
    budgets: Numbers = 1000,
    seeds: Numbers = 0,
    *,
    test_masks: int = 1000,
    distribution: str = "uniform",
    store: str | Path | None = None,
    out: str | Path | None = None,
    jobs: int = 1,
) -> Results:
    """R2 and LDS on fresh masks; see `measured` for what is not in `Faithfulness`."""
    measure = Faithfulness(test_masks, distribution)
    return measured(measure, f, features, methods, budgets, seeds, store=store, out=out, jobs=jobs)


def removal(
    f: Any,
    features: int | Sequence[str] | None = None,
    methods: Names = "auto",
    budgets: Numbers = 1000,
    seeds: Numbers = 0,
    *,
    r: int = 10,
    store: str | Path | None = None,
    out: str | Path | None = None,
    jobs: int = 1,
) -> Results:
    """What removing the r features does that matter most; see `Removal` and `measured`."""
    return measured(
        Removal(r), f, features, methods, budgets, seeds, store=store, out=out, jobs=jobs
    )


def recovery(
    items: Sequence[Item],
    methods: Names = "auto",
    budgets: Numbers = 1000,
    seeds: Numbers = 0,
    *,
    r: int = 10,
    store: str | Path | None = None,
    out: str | Path | None = None,
    jobs: int = 1,
) -> Results:
    """Whether interactions consist of annotated features; see `Recovery` and `measured`."""
    return measured(
        Recovery(r), items, None, methods, budgets, seeds, store=store, out=out, jobs=jobs
    )


def pairs(
    f: Any,
    features: int | Sequence[str] | None = None,
    methods: Names = "auto",
    budgets: Numbers = 1000,
    seeds: Numbers = 0,
    *,
    random_bases: int = 0,
    store: str | Path | None = None,
    out: str | Path | None = None,
    jobs: int = 1,
) -> Results:
    """Every single and pair effect, measured; see `Pairs` and `measured`."""
    return measured(
        Pairs(random_bases), f, features, methods, budgets, seeds, store=store, out=out, jobs=jobs
    )


def curves(
    f: Any,
    features: int | Sequence[str] | None = None,
    methods: Names = "auto",
    budgets: Numbers = 1000,
    seeds: Numbers = 0,
    *,
    sanity: bool = False,
    store: str | Path | None = None,
    out: str | Path | None = None,
    jobs: int = 1,
) -> Results:
    """Deletion, insertion, soft measures, stability and sanity; see `Curves` and `measured`."""
    return measured(
        Curves(sanity), f, features, methods, budgets, seeds, store=store, out=out, jobs=jobs
    )
