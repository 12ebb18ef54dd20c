"""From the masks told to the samples to fit: which of them measure R2."""

import math
from dataclasses import dataclass

import numpy as np

from spex._typing import FloatArray, IntArray, WordArray
from spex.errors import ArgumentError
from spex.f2.packing import unpack
from spex.fourier.design import Design
from spex.fourier.search import enumerable_order
from spex.prior import Prior
from spex.running.stages import Stage, coded_part
from spex.running.told import Told
from spex.settings import Settings
from spex.surrogates.base import CodedValues, Samples
from spex.wording import counted

# Fewer drawn masks than this do not measure R2 if other masks may serve.
FEW_DRAWN = 10
# R2 is a ratio of variances.
_LEAST_DRAWN = 2
# Standard deviations by which the share of features that are present is off by more than chance.
_FAR_OFF = 3.0
# The name of the distribution of masks that the caller has chosen.
GIVEN = "given"


@dataclass(frozen=True, eq=False)
class Sampled:
    """The masks told, as samples.

    Args:
        samples: Samples of each output.
        distribution: Distribution of the masks that R2 refers to.
        notes: What a user should know.
        is_stage: Whether these are the masks of the stage, all of them and no others.
    """

    samples: list[Samples]
    distribution: str
    notes: tuple[str, ...]
    is_stage: bool


def sampled(
    told: Told, stage: Stage, settings: Settings, prior: Prior, weights: FloatArray | None
) -> Sampled:
    """The masks told, in an order that does not depend on the order of telling.

    Args:
        told: The masks and their values.
        stage: The masks that were wanted.
        settings: Settings of the run.
        prior: What is known of the features.
        weights: How much each mask counts, by its number, where that is given.

    Raises:
        ArgumentError: method `spex` lacks coded or drawn masks.
    """
    is_told = told.is_told(stage.rows)
    others = told.others(stage.rows)
    rows = np.concatenate([stage.rows[is_told], others])
    drawn = np.concatenate([stage.drawn[is_told], np.zeros(len(others), dtype=np.bool_)])
    design, coded = _design_told(told, stage, settings, rows)
    notes = _notes(settings, told.count, design)
    designed = np.zeros(len(rows), dtype=np.bool_)
    if design is not None:
        designed[coded] = True
        drawn &= ~designed
    words = told.words(rows)
    is_complete, is_own = bool(is_told.all()) and not len(others), True
    if settings.of_method.needs_coded:  # these fit the coded masks, which then cannot measure R2
        if drawn.sum() < _LEAST_DRAWN:
            drawn = ~designed
        if drawn.sum() < _LEAST_DRAWN:
            raise ArgumentError(
                f"{counted(int(drawn.sum()), 'mask')} with a value can measure R2, and method "
                f"'spex' needs {_LEAST_DRAWN} beside the coded ones: tell more of those that were "
                "asked for, or use method 'auto'"
            )
    elif drawn.sum() < (settings.distribution.least_measuring if is_complete else FEW_DRAWN):
        design, drawn = None, np.ones(len(rows), dtype=np.bool_)
        designed[:], is_own = False, False
    of_rows = None if weights is None else weights[rows]
    measured = _measured(settings, words, is_own, of_rows)
    notes += measured.notes
    if told.count < FEW_DRAWN:
        few = f"{told.count} evaluations say little: effects may be chance; evaluate more."
        notes = (*notes, few)
    samples = [
        Samples(
            words,
            settings.n_features,
            column,
            drawn,
            None if design is None else CodedValues(design, column[coded], settings.max_degree),
            designed,
            prior,
            measured.weights,
            measured.groups,
        )
        for column in np.ascontiguousarray(told.values(rows).T)
    ]
    return Sampled(samples, measured.distribution, notes, is_complete)


@dataclass(frozen=True, eq=False)
class _Measured:
    """Which masks R2 is about.

    Args:
        distribution: Its name.
        weights: (m,) how much each drawn mask counts; None for all alike.
        groups: (m,) numbers of masks that are left out together; None for each alone.
        notes: What a user should know.
    """

    distribution: str
    weights: FloatArray | None
    groups: IntArray | None
    notes: tuple[str, ...]


def _measured(
    settings: Settings, words: WordArray, is_own: bool, weights: FloatArray | None
) -> _Measured:
    """Which masks R2 is about, and how much each drawn one counts.

    Args:
        settings: Settings of the run.
        words: (m, n_words), all masks.
        is_own: Whether the run has drawn those that measure R2 itself.
        weights: (m,) where they are given.
    """
    asked, n = settings.distribution, settings.n_features
    if weights is not None:
        effective = float(weights.sum() ** 2 / (weights**2).sum())
        note = (
            f"The weights are unequal: R2 is as uncertain as from {effective:,.0f} masks of "
            f"{len(weights):,}."
        )
        return _Measured(asked.name, weights, None, (note,) * (effective < len(weights) / 2))
    if not is_own and not asked.may_have_drawn(words, n):
        note = (
            f"The masks are no sample of {asked.masks}: {_what_is_off(words, n)}. R2 is measured "
            f"by cross-validation over masks like these. R2 over {asked.masks} is unknown, and so "
            "is how far values may be off."
        )
        return _Measured(GIVEN, None, None, (note,))
    return _Measured(asked.name, asked.weights(words, n), asked.groups(words, n), ())


def _what_is_off(words: WordArray, n: int) -> str:
    """Why masks are not a uniform sample, if the share of present features shows it."""
    share = float(unpack(words, n).mean())
    # By chance alone it is off by .5 / sqrt(masks times features).
    is_off = abs(share - 0.5) > _FAR_OFF * 0.5 / math.sqrt(len(words) * n)
    if is_off and round(100 * share) != 50:
        return f"{100 * share:.0f} % of the features are present on average"
    return "their sizes, or which features are present together, are not those of chance"


def _design_told(
    told: Told, stage: Stage, settings: Settings, rows: IntArray
) -> tuple[Design | None, IntArray]:
    """The largest design all of whose masks have a value, and their places among rows."""
    design, coded, size = stage.design, stage.coded, stage.size
    while design is not None and not told.is_told(coded).all():
        # A design for a smaller budget is part of that for a larger one.
        size //= 2
        design = coded_part(settings, size)
        if design is not None:
            coded = told.numbers(design.masks)
    if design is None:
        if settings.of_method.needs_coded:
            raise ArgumentError(
                "method 'spex' decodes coded masks, and too few of them have a value: tell "
                "those that were asked for, or use method 'auto'"
            )
        return None, rows[:0]
    places = np.argsort(rows, kind="stable")
    return design, places[np.searchsorted(rows, coded, sorter=places)]


def _notes(settings: Settings, n_told: int, design: Design | None) -> tuple[str, ...]:
    if not settings.of_method.needs_coded or design is None:
        return ()
    wanted = min(settings.max_degree, settings.n_features)
    reached = max(design.code.t, enumerable_order(settings.n_features, wanted))
    if reached >= wanted:
        return ()
    return (
        f"With {n_told} evaluations, interactions of order above {reached} are found "
        "only where parts of them are found as well; raise the budget to find others.",
    )
