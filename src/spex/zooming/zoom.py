"""`spex.zoom`: a long input, on two levels or on any number of them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from spex._typing import BoolArray
from spex.context import Context
from spex.errors import ArgumentError
from spex.explaining import check_objects, noted, until_limit
from spex.explanation import Explanation
from spex.values.evaluator import Progress
from spex.values.faults import Faults
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger, Limits
from spex.values.progress import reporter
from spex.values.repeatability import noise, told
from spex.values.source import ValueSource, as_source
from spex.values.store import Store
from spex.zooming.levels import coarser_levels, has_several_levels
from spex.zooming.run import ZoomRun
from spex.zooming.two_levels import zoom_once


def zoom(
    f: Callable[[BoolArray], Any] | ValueSource,
    groups: Any,
    budget: int = 2000,
    *,
    top: int | None = None,
    rest: Literal["present", "absent"] = "present",
    method: str = "auto",
    max_degree: int = 5,
    seed: int = 0,
    weighting: str = "uniform",
    store: str | Path | Store | None = None,
    progress: bool | Callable[[Progress], None] = False,
    limits: Limits | None = None,
    faults: Faults | None = None,
) -> Any:
    r"""Explain coarse units, then the finer ones inside those that matter.

    With one coarser unit there are two explanations, one for each level. With several, or "auto",
    a part is opened if it matters, alone or together with others, down to the units of f. Then one
    explanation has units of all levels, and uses the values of all calls.

    Args:
        f: a `spex.ValueFunction` or another function with `features`, over the fine units; with
            several levels they may be up to 1,048,576.
        groups: a coarser unit that the masker of f knows, such as "paragraph" for a text in
            sentences or "document" for documents in sentences. Or the number of the coarse unit
            of each feature, from 0. For several levels a list of these, the coarsest first, or
            "auto": documents or messages, sections, paragraphs and sentences, those that the input
            has; otherwise runs of units.
        budget: cap on the number of masks, on all levels together. With one coarser unit, the
            coarse units get half of it, or all masks if these are fewer.
        top: number of coarse units to open; default: those that together hold 90 % of the
            variance, if they have more than one unit. Only for two levels.
        rest: whether the other coarse units are present or absent then. Only for two levels.
        method: see `spex.explain`; with several levels not `spex` and `exact`.
        max_degree: see `spex.explain`.
        seed: see `spex.explain`.
        weighting: see `spex.explain`.
        store: see `spex.explain`.
        progress: see `spex.explain`.
        limits: see `spex.explain`; for all levels together.
        faults: see `spex.explain`; with one coarser unit for each level.

    Returns:
        A `Zoom`; with several levels an `Explanation`, with R2 about leaving out any of the parts
        at the end. If a limit ends a zoom on two levels too early for the finer one: the
        `Explanation` of the coarse units.

    Raises:
        ArgumentError: an argument is wrong, or a level has nothing to attribute.
        ValueFunctionError: f did not return one finite real number per mask.
        StoreError: the store cannot be used.

    Example:
        >>> import spex
        >>> text = spex.Text("It is old. It rusts.\n\nNice weather.", unit="sentence")
        >>> f = spex.PredictFunction(text, lambda texts: [float("rusts" in t) for t in texts])
        >>> zoom = spex.zoom(f, "paragraph", budget=40, top=1)
        >>> zoom.fine.interactions("SV").top(1)[0][0], zoom.fine.features
        ((1,), ('It is old.', 'It rusts.'))
        >>> pages = "\n\n".join(f"Page {i} is dull. It ends." for i in range(40))
        >>> text = spex.Text(pages.replace("Page 7 is", "Page 7 rusts"), unit="word")
        >>> f = spex.PredictFunction(text, lambda texts: [float("rusts" in t) for t in texts])
        >>> e = spex.zoom(f, "auto", budget=300)
        >>> [e.features[i] for i in e.interactions("SV").top(1)[0][0]]
        ['rusts']
    """
    if getattr(f, "features", None) is None:
        raise ArgumentError("f has no features; zoom needs a spex.ValueFunction, or one like it")
    check_objects(store, limits, faults)
    settings: dict[str, Any] = {
        "method": method,
        "max_degree": max_degree,
        "seed": seed,
        "weighting": weighting,
    }
    source = as_source(f)
    limited = Limited(source, Ledger(limits)) if limits else source
    if not has_several_levels(groups):
        settings |= {"store": store, "progress": progress, "faults": faults}
        return zoom_once(limited, groups, budget, top=top, rest=rest, **settings)
    if top is not None or rest != "present":
        raise ArgumentError("top and rest go with one coarser unit; leave them out here")
    if source.outputs is not None:
        raise ArgumentError("zoom explains one output; choose one")
    run: Any = zoom_run(source, groups, budget, **settings)  # driven as a Run is
    with ExitStack() as stack:
        if isinstance(store, str | Path):
            store = stack.enter_context(Store(store))
        report = stack.enter_context(reporter(progress))
        stopped, n_gaps = until_limit(run, limited, store, report, faults)
        variance = noise(run, limited, store) if stopped is None else None
    found = _in_context(run, source)
    if variance is not None:
        found = told(found, float(variance[0]))
    return noted(found, stopped, n_gaps, run)


def zoom_run(source: ValueSource, groups: Any, budget: int, **settings: Any) -> ZoomRun:
    """A run over the units of a source, with the levels that its masker knows.

    Raises:
        ArgumentError: the levels or a setting are wrong.
    """
    masker = getattr(source, "masker", None)
    levels = coarser_levels(groups, len(source.features), masker)
    return ZoomRun(
        source.features,
        {level.name: level.numbers for level in levels},
        budget,
        **settings,
        prior=source.prior,
        labels={level.name: level.labels for level in levels if level.labels},
        finest=getattr(masker, "unit_name", "unit").partition(":")[0],
    )


def _in_context(run: ZoomRun, source: ValueSource) -> Explanation:
    """The fit of a run, with the input cut into its parts."""
    found = run.fit()
    (context,) = source.contexts()
    numbers = run.groups.tolist()
    parts = context.parts and tuple(part.grouped(numbers) for part in context.parts)
    units = " / ".join(run.level_names)
    changed: Context = replace(context, parts=parts, unit=units, notes=())
    return replace(found, context=changed, notes=(*found.notes, *context.notes))
