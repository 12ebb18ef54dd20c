"""The result: one sparse spectrum, how faithful it is, what it cost, and what it explains."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spex._typing import BoolArray, FloatArray, Interaction
from spex._version import __version__
from spex.checks.arguments import MAX_FEATURES
from spex.checks.masks import check_masks
from spex.context import Context
from spex.errors import ArgumentError, FileFormatError
from spex.f2.packing import n_words
from spex.fourier.mask_distribution import SHAPLEY
from spex.fourier.spectrum import Spectrum
from spex.interactions.default import LISTABLE, default_index, default_order, telling_order
from spex.interactions.index import InteractionIndex
from spex.interactions.uncertainty import spectrum_errors, widened
from spex.interactions.values import InteractionValues, interactions
from spex.saving import REMEDY, Found, Saved
from spex.sets.results import CHANGE, SUFFICIENT, Sets, Smallest, smallest_set
from spex.sets.roles import Roles, find_roles
from spex.wording import counted, distinct

if TYPE_CHECKING:
    import pandas as pd
    import shap
    import shapiq
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Limits of a file: its coefficients, and the bytes of their packed frequencies.
_MOST_COEFFICIENTS, _MOST_BYTES = 1 << 20, 1 << 26
_MOST_SEED = 1 << 256
_LOST = "The input in the file is damaged or lacks a feature, so that only the labels are shown."
_LARGEST = 1e101  # largest coefficient; values are at most 1e100


@dataclass(frozen=True, eq=False)
class Explanation(Saved):
    """A surrogate of a value function and what can be read from it.

    Args:
        features: The n labels. Reports number repeated labels: `never#1`.
        spectrum: The surrogate; every prediction and every interaction is read from it.
        r2: Share of the variance over masks that the surrogate explains, from evaluations that the
            predicting fit has not seen; 1.0 when exact. NaN if unknown.
        r2_interval: 90 % confidence interval of `r2`.
        n_evaluations: Distinct masks evaluated, including those that measure R2.
        method: The method that made the spectrum.
        budget: The cap that was given.
        seed: The seed that was given.
        scores: Cross-fitted R2 of every candidate, by method.
        standard_errors: (k,) of the spectrum's coefficients, in its order, for this support, in the
            unit of the value function. Zero when exact, None if the method gives none.
        unexplained: Mean squared error over the masks that R2 is about, in the squared unit of the
            value function. From evaluations that the predicting fit has not seen. Zero when exact,
            None if unknown.
        r2_distribution: Which masks R2 is about: "uniform"; "shapley", all sizes equally often; or
            "given", masks like those of the evaluations (see `spex.fit`).
        correction: What is added to the spectrum before an index is read from it, by the name of
            the index; see `spex.fitting.correction`. Empty unless the weighting is "shapley".
        observed: The measured values with all features and with none; None if not evaluated.
        forecast: {evaluations: expected R2} at two and four times `n_evaluations`, from the growth
            of R2 over parts of the sample. Empty if unknown, shows no gain, or was not
            computed. `spex.Run.forecast` computes it, and `spex.explain` up to 500 masks.
        notes: Notes for the user, one sentence each.
        context: What was explained, as far as the source of values says.
        version: Version of spex that made it.
        stopped: What ended the run early, such as "the limit of 50 calls is reached"; None if
            nothing did. Such an explanation is partial.
        sets: Smallest sets and roles, if kept: `dataclasses.replace(e,
            sets=spex.Sets(change=e.smallest_change(f)))`, or `spex sets FILE --out FILE`.

    Example:
        >>> import spex
        >>> e = spex.explain(lambda m: 3.0 * m[:, 0] * m[:, 1], ["a", "b", "c"], budget=8)
        >>> e.r2, e.predict([[True, True, False], [True, False, False]]).tolist()
        (1.0, [3.0, 0.0])
        >>> e.interactions("SV").top(2)
        [((0,), 1.5), ((1,), 1.5)]
    """

    features: tuple[str, ...]
    spectrum: Spectrum
    r2: float
    r2_interval: tuple[float, float]
    n_evaluations: int
    method: str
    budget: int
    seed: int
    scores: Mapping[str, float] = field(default_factory=dict)
    standard_errors: FloatArray | None = None
    unexplained: float | None = None
    r2_distribution: str = "uniform"
    correction: Mapping[str, Spectrum] = field(default_factory=dict)
    observed: tuple[float | None, float | None] = (None, None)
    forecast: Mapping[int, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    context: Context = field(default_factory=Context)
    version: str = __version__
    stopped: str | None = None
    sets: Sets = field(default_factory=Sets)

    def __post_init__(self) -> None:
        if len(self.features) != self.spectrum.n_features:
            raise ArgumentError(
                f"{counted(len(self.features), 'label')} for a spectrum of "
                f"{counted(self.spectrum.n_features, 'feature')}"
            )
        if not isinstance(self.sets, Sets):
            raise ArgumentError(f"sets is of type {type(self.sets).__name__}; give a spex.Sets")
        self.sets.check_features(self.n_features)

    @property
    def n_features(self) -> int:
        """n, the number of features."""
        return len(self.features)

    def predict(self, masks: BoolArray) -> FloatArray:
        """The surrogate's value at masks: exactly the evaluation of `spectrum`.

        Args:
            masks: (m, n) bool, True = present.

        Returns:
            (m,) float64, in the unit of the value function.

        Raises:
            ArgumentError: the masks have another shape or are not boolean.
        """
        return self.spectrum.predict(check_masks(masks, self.n_features))

    def interactions(
        self, index: str | InteractionIndex | None = None, order: int | None = None
    ) -> InteractionValues:
        """Interaction values, ranked by size, in closed form from the spectrum.

        The page, the terminal, the plots and the command line show these, with the same defaults.

        Args:
            index: SV, BV, SII, k-SII, BII, STII, FSII, FBII, Moebius or Fourier. Default: FBII, or
                FSII with `weighting="shapley"`.
            order: Highest order. Default for SV and BV: 1. For FBII, FSII, STII and k-SII, which
                depend on it: the lowest order that holds 95 % of the surrogate's variance. For the
                others: the degree of the spectrum.

        Returns:
            A mapping from interaction to value, with `top(k)`, `to_frame()`, `interval(...)` for
            each value and `stability(k)`. Without index and order, if there are too many
            interactions to list: the Fourier coefficients.

        Raises:
            ArgumentError: the index or the order is wrong, or there are too many to list.
        """
        if index is not None or order is not None:
            return self._interactions(index, order)
        # At an order of thousands it takes long even to find out that there are too many.
        if telling_order(self.spectrum) > LISTABLE:
            return self._interactions("Fourier", None)
        try:
            return self._interactions(None, None)
        except ArgumentError:
            return self._interactions("Fourier", None)

    def _interactions(
        self, index: str | InteractionIndex | None, order: int | None
    ) -> InteractionValues:
        errors = None
        if self.standard_errors is not None and self.unexplained is not None:
            errors = spectrum_errors(self.spectrum, self.standard_errors, self.unexplained)
        chosen = (
            default_index(bool(self.correction)) if index is None else InteractionIndex.parse(index)
        )
        if order is None:
            order = default_order(self.spectrum, chosen)
        if errors is not None and self.r2_distribution == SHAPLEY.name:
            errors = widened(errors, chosen)
        correction = self.correction.get(chosen.corrected_as)
        return interactions(
            self.spectrum, chosen, order, distinct(self.features), errors, correction
        )

    def to_frame(self) -> "pd.DataFrame":
        """The spectrum as a table, the largest coefficient first.

        Returns:
            One row for each frequency: `interaction` (tuple of feature numbers), `features` (tuple
            of labels), `order`, `coefficient` and `standard_error`. The last two are in the unit of
            the value function; `standard_error` is NaN if unknown. The row of `()` is the mean over
            all masks.
        """
        frame = self.interactions("Fourier").to_frame()
        frame = frame.drop(columns=["low", "high"]).rename(columns={"value": "coefficient"})
        errors: dict[Interaction, float] = {}
        if self.standard_errors is not None:
            pairs = zip(self.spectrum.interactions, self.standard_errors.tolist(), strict=True)
            errors = dict(pairs)
        frame["standard_error"] = [errors.get(key, math.nan) for key in frame["interaction"]]
        return frame

    def to_shapiq(
        self, index: str | InteractionIndex = "FBII", order: int | None = None
    ) -> "shapiq.InteractionValues":
        """The interactions as shapiq's type, for its plots (needs the extra `shapiq`).

        shapiq's plots take labels as `feature_names=list(explanation.features)`.

        Args:
            index: See `interactions`; all but Fourier.
            order: See `interactions`.

        Returns:
            The same as `shapiq.ExactComputer` for the surrogate, with the value at the empty set
            and the baseline. With more than 1,000 interactions, zeros above order 1 are left out.
            shapiq reads these as zero. Only its beeswarm plot of several explanations needs them:
            use a lower order there.

        Raises:
            ArgumentError: see `interactions`; or the index is Fourier.
            MissingExtraError: shapiq is not installed.
        """
        from spex.report.shapiq_values import interaction_values

        return interaction_values(self, index, order)

    def to_shap(self) -> "shap.Explanation":
        """The Shapley values as shap's type, for its plots (needs the extra `shap`).

        `values` (n,) are the surrogate's Shapley values, and `base_values` is its value with
        nothing present. Their sum is the surrogate's value with everything present, not the
        model's. `feature_names` are the labels, and `data` is None. For a text, `data` (n,) are the
        units, which `shap.plots.text` shows; `feature_names` number them if they have no other
        labels. For a picture, `values[image.regions][..., None]` is the (height, width, 1) array
        for `shap.plots.image`.

        Raises:
            MissingExtraError: shap is not installed.
        """
        from spex.report.shap_values import shap_explanation

        return shap_explanation(self)

    def smallest_change(
        self,
        f: Callable[[BoolArray], Any],
        to: float | None = None,
        by: float | None = None,
        max_calls: int = 100,
        roles: Roles | None = None,
        time_limit: float = 60.0,
    ) -> Smallest:
        """The smallest set whose removal changes the answer: proposed here, verified by calls.

        Args:
            f: The value function that was explained: from bool masks (m, n) to m numbers.
            to: A threshold that the value has to cross. Where neither it nor `by` is given: 0 for
                log-odds, else half way between f(all) and f(none); `origin` of the result says so.
            by: Or how far the value has to move: -2.0 for a fall by 2 or more, 2.0 for a rise.
            max_calls: The most distinct masks that f is asked for.
            roles: What `roles` found before, of the same f; what it measured is not asked again,
                and helps.
            time_limit: Seconds of computing, HiGHS and all proposals together; the time of f itself
                does not count. After them the best set so far is returned.

        Returns:
            The set, its measured value, and how smaller sets are excluded.

        Raises:
            ArgumentError: an argument is wrong, or there is no half way.
            ValueFunctionError: f does not return one finite real number for each mask.
        """
        return self._smallest(CHANGE, f, max_calls, time_limit, roles, to=to, by=by)

    def smallest_sufficient(
        self,
        f: Callable[[BoolArray], Any],
        keep: float | None = None,
        max_calls: int = 100,
        time_limit: float = 60.0,
    ) -> Smallest:
        """The smallest set that alone keeps the answer: proposed here, verified by calls.

        Args:
            f: See `smallest_change`.
            keep: The value that the set alone has to have, or more; or less, where f(all) is below
                f(none) (for log-odds: below 0). Default: the threshold of `smallest_change`, to be
                on the side of f(all).
            max_calls: The most distinct masks that f is asked for.
            time_limit: See `smallest_change`.

        Raises:
            ArgumentError: see `smallest_change`; or not even everything has the value `keep`.
            ValueFunctionError: see `smallest_change`.
        """
        return self._smallest(SUFFICIENT, f, max_calls, time_limit, None, keep=keep)

    def _smallest(
        self,
        kind: str,
        f: Callable[[BoolArray], Any],
        max_calls: int,
        time_limit: float,
        roles: Roles | None,
        **thresholds: float | None,
    ) -> Smallest:
        labels, flip = distinct(self.features), self.context.score_threshold
        return smallest_set(
            kind, f, self.spectrum, labels, flip, max_calls, time_limit, roles, **thresholds
        )

    def roles(
        self,
        f: Callable[[BoolArray], Any],
        by: float | None = None,
        max_calls: int | None = None,
    ) -> Roles:
        """What each unit does for the answer: needed, redundant, harmful or unused.

        Every unit is removed alone, and so are the pairs that the surrogate proposes; see
        `spex.sets.roles.Role` for what the words mean.

        Args:
            f: See `smallest_change`.
            by: How far the value has to move to count; default: from f(all) to the threshold of
                `smallest_change`.
            max_calls: The most distinct masks that f is asked for, n + 2 or more; default:
                4 n + 2.

        Raises:
            ArgumentError: see `smallest_change`; or max_calls is less than n + 2.
            ValueFunctionError: see `smallest_change`.
        """
        labels, flip = distinct(self.features), self.context.score_threshold
        return find_roles(f, self.spectrum, labels, flip, by, max_calls)

    FORMAT = "spex-explanation"
    FORMAT_VERSION = 1

    def _content(self) -> dict[str, Any]:
        errors, observed = self.standard_errors, self.observed
        return {
            "version": self.version,
            "features": list(self.features),
            "spectrum": _entries(self.spectrum),
            "r2": None if math.isnan(self.r2) else self.r2,
            "r2_interval": [None if math.isnan(x) else x for x in self.r2_interval],
            "n_evaluations": self.n_evaluations,
            "method": self.method,
            "budget": self.budget,
            "seed": self.seed,
            "scores": dict(self.scores),
            "standard_errors": None if errors is None else errors.tolist(),
            "unexplained": self.unexplained,
            "r2_distribution": self.r2_distribution,
            **(
                {"correction": {name: _entries(each) for name, each in self.correction.items()}}
                if self.correction
                else {}
            ),
            **({} if observed == (None, None) else {"observed": list(observed)}),
            "forecast": [[size, r2] for size, r2 in self.forecast.items()],
            "notes": list(self.notes),
            "context": self.context.to_json(),
            **({} if self.stopped is None else {"stopped": self.stopped}),
            **({"sets": self.sets.to_json()} if self.sets != Sets() else {}),
        }

    @classmethod
    def _read(cls, found: Found) -> "Explanation":
        features = found["features"].texts(1, MAX_FEATURES)
        n = len(features)
        spectrum = _spectrum(found["spectrum"], n)
        bounds = [bound.number_or_none(most=1) for bound in found["r2_interval"].list(2, 2)]
        r2, low, high = (
            math.nan if x is None else x for x in (found["r2"].number_or_none(most=1), *bounds)
        )
        if low > high:
            raise found["r2_interval"].error("a lower and an upper bound")
        whole, nothing = (
            x.number_or_none() for x in found.get("observed", [None, None]).list(2, 2)
        )
        # Files of spex 0.1 lack standard errors and the unexplained variance.
        errors = found.get("standard_errors")
        pairs = [pair.list(2, 2) for pair in found.get("forecast", []).list()]
        context = Context.from_json(found["context"], n)
        stopped = found.get("stopped")
        lost = context.parts is None and found["context"].get("parts").value
        return cls(
            features=features,
            spectrum=spectrum,
            r2=r2,
            r2_interval=(low, high),
            n_evaluations=found["n_evaluations"].whole(most=1 << min(n, 62)),
            method=found["method"].text(),
            budget=found["budget"].whole(most=_MOST_SEED),
            seed=found["seed"].whole(most=_MOST_SEED),
            scores={name: score.number(most=1) for name, score in found["scores"].items()},
            standard_errors=None if errors.value is None else errors.numbers(len(spectrum), 0),
            unexplained=found.get("unexplained").number_or_none(0),
            r2_distribution=found.get("r2_distribution", "uniform").text(),
            correction={
                name: _spectrum(each, n) for name, each in found.get("correction", {}).items()
            },
            observed=(whole, nothing),
            forecast={size.whole(): expected.number(most=1) for size, expected in pairs},
            notes=found["notes"].texts() + ((_LOST,) if lost else ()),
            context=context,
            version=found["version"].text(),
            stopped=None if stopped.value is None else stopped.text(),
            sets=Sets.from_json(found.get("sets", {}), distinct(features)),
        )

    def to_html(
        self,
        path: str | Path,
        index: str | InteractionIndex | None = None,
        order: int | None = None,
    ) -> None:
        """Write a self-contained page: text, interactions, R2, cost and context.

        Args:
            path: The file.
            index: Index shown first; see `interactions`. The page has a switch.
            order: Highest order shown first.
        """
        from spex.files import write_text
        from spex.report.html import render_html

        write_text(Path(path), render_html([self], index=index, order=order))

    def plot(
        self,
        index: str | InteractionIndex | None = None,
        order: int | None = None,
        k: int | None = None,
        *,
        kind: str = "bar",
        ax: "Axes | None" = None,
    ) -> "Figure":
        """A plot by matplotlib (needs the extra `plot`); the functions of `spex.plots` by name.

        Args:
            index: See `to_html`. A learning curve takes neither index nor order nor k.
            order: See `to_html`.
            k: At most this many bars, lines or combinations; default: what suits the kind.
            kind: "bar", "heatmap", "image", "learning_curve", "network", "text" (with combinations
                above the words), "upset" or "waterfall".
            ax: The axis to draw into; None for one of a new figure, which pyplot does not know.

        Returns:
            The figure of the axis: `e.plot(kind="text").savefig("why.svg")`.

        Raises:
            MissingExtraError: matplotlib is not installed.
            ArgumentError: an argument is wrong.
        """
        from spex.plots import draw

        return draw(self, kind, index=index, order=order, k=k, ax=ax)

    def __repr__(self) -> str:
        from spex.report.plain import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from spex.report.notebook import explanation_html

        return explanation_html(self)


def _entries(spectrum: Spectrum) -> list[list[Any]]:
    return [[list(k), value] for k, value in spectrum.items()]


def _spectrum(found: Found, n: int) -> Spectrum:
    """The coefficients of a file, over n features."""
    entries = found.value
    if not isinstance(entries, list) or len(entries) > _MOST_COEFFICIENTS:
        raise found.error(f"a list of at most {_MOST_COEFFICIENTS:,} coefficients")
    if 8 * n_words(n) * len(entries) > _MOST_BYTES:
        raise FileFormatError(
            f"too large: {len(entries):,} coefficients over {n:,} features; the limit is "
            f"{_MOST_BYTES // (8 * n_words(n)):,}; keep fewer"
        )
    coefficients: dict[Interaction, float] = {}
    for number, entry in enumerate(entries):
        match entry:
            # Exclude bool, which is an int in Python.
            case [list(members), int() | float() as value] if (
                set(map(type, members)) <= {int}
                and type(value) is not bool
                and abs(value) <= _LARGEST
                and tuple(members) not in coefficients
            ):
                coefficients[tuple(members)] = float(value)
            case _:
                raise Found(entry, f"{found.place}[{number}]").error(
                    "a list of feature numbers that no other entry has, and a number of at most "
                    f"{_LARGEST:g} in absolute value"
                )
    try:
        return Spectrum.from_mapping(coefficients, n)
    except ArgumentError as error:
        raise FileFormatError(f"damaged at {found.place}: {error}; {REMEDY}") from None
