"""Explain many items: evaluate several at once, and fit in a second thread."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from spex.engines.ray import RayEngine, engine_of
from spex.errors import ArgumentError
from spex.evaluate.tables.lock import locked
from spex.explaining import check_objects
from spex.many.items import Named, named
from spex.many.records import Journal
from spex.many.results import JOURNAL, ManyExplanations, ManyInterrupted
from spex.many.work import Fits, ManyProgress, Work
from spex.settings import Settings
from spex.values.faults import Faults
from spex.values.limiting.limits import Ledger, Limits
from spex.values.store import Store

# This many items ask their model at once. More items fill its batches better; fewer finish earlier.
_TOGETHER = 8
STORE = "samples.sqlite"
_INTERRUPTED = "interrupted"


def explain_many(
    sources: Mapping[str, Any] | Iterable[Any],
    budget: int = 2000,
    *,
    method: str = "auto",
    max_degree: int = 5,
    seed: int = 0,
    target_r2: float | None = None,
    weighting: str = "uniform",
    out: str | Path | None = None,
    store: str | Path | Store | None = None,
    progress: Callable[[ManyProgress], None] = lambda _: None,
    limits: Limits | None = None,
    faults: Faults | None = None,
    engine: str | RayEngine | None = None,
) -> ManyExplanations:
    """Explain many value functions in one run.

    Items that ask one model for the same answers share its batches. Fits run while the model
    answers for the next items. If an item fails, its reason is recorded, and the others go on. Each
    explanation equals that of `explain` alone, up to the rounding of the model.

    With `out`, each explanation is written at once, and none is held in memory. The same call
    continues an earlier one: an item with the same settings and identity is not explained again.

    Args:
        sources: Value functions by name, as a mapping, or one by one as (name, value function);
            each as for `explain`, and with its features. Or items of `spex.evaluate.read_items`.
            Each is taken only when its turn comes, so a generator needs little memory.
        budget: For each item; see `explain`.
        method: See `explain`.
        max_degree: See `explain`.
        seed: See `explain`.
        target_r2: See `explain`.
        weighting: See `explain`.
        out: Folder for the explanations; created if it does not exist.
        store: See `explain`; default: samples.sqlite in `out`, if given. Only values of functions
            with an identity are kept.
        progress: Called after every batch and item.
        limits: Stop before all items together exceed one of these (`spex.Limits`). The item at
            work gets a partial explanation of its values so far; the same call with `out`
            continues from there. With limits each item has its own batches.
        faults: For each item; see `explain`.
        engine: Where the functions run; see `explain`. Items share the workers, and each worker
            loads a model once.

    Returns:
        The result of each item; `stopped` says which limit ended the run.

    Raises:
        ManyInterrupted: Ctrl-C; it has what is finished.
        ArgumentError: an argument is wrong, another run writes to the folder, or it cannot be
            written to.
        StoreError: the store failed.

    Example:
        >>> import spex
        >>> texts = {"first": "not bad", "second": "not good"}
        >>> def score(texts):
        ...     return [1.0 * ("bad" in text) for text in texts]
        >>> items = {name: spex.PredictFunction(spex.Text(t), score) for name, t in texts.items()}
        >>> many = spex.explain_many(items, budget=4)
        >>> many["first"].interactions("SV").top(1)
        [((1,), 1.0)]
    """
    settings: dict[str, Any] = {
        "budget": budget, "method": method, "max_degree": max_degree, "seed": seed,
        "target_r2": target_r2, "weighting": weighting,
    }  # fmt: skip
    # Errors that all items share are raised before one begins.
    Settings(2, **settings)
    check_objects(store, limits, faults)
    total = len(sources) if isinstance(sources, Mapping | list | tuple) else None
    items, work = named(sources), None
    try:
        with ExitStack() as stack:
            folder = None if out is None else _folder(Path(out), stack)
            if folder is not None and store is None:
                store = folder / STORE
            if isinstance(store, str | Path):
                store = stack.enter_context(Store(store))
            workers = None
            if engine is not None:
                workers = stack.enter_context(engine_of(engine).shared())
            journal = Journal(None if folder is None else folder / JOURNAL)
            many = ManyExplanations(folder, journal.records)
            ledger = Ledger(limits) if limits else None
            fits = stack.enter_context(Fits())
            work = Work(
                settings, store, journal, many, fits, total, progress, ledger, faults, workers
            )
            while work.stopped is None and (group := list(islice(items, _TOGETHER))):
                work.explain(group)
            fits.wait()
    except KeyboardInterrupt as interrupt:
        if work is None:
            raise
        work.stopped = _INTERRUPTED
        raise ManyInterrupted(work.result(_names(items, total))) from interrupt
    return work.result(_names(items, total))


def _folder(folder: Path, stack: ExitStack) -> Path:
    """Make a folder, and keep other runs out of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"out {folder}: {error.strerror}; give a folder") from error
    stack.enter_context(locked(folder / JOURNAL))
    return folder


def _names(items: Iterator[Named], total: int | None) -> list[str]:
    """The names of the remaining items; unknown for a generator, which may never end."""
    names: list[str] = []
    if total is not None:
        with suppress(ArgumentError):  # a duplicate name
            names.extend(item.name for item in items)
    return names
