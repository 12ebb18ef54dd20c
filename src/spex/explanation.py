"""The result: one sparse spectrum, how faithful it is, what it cost, and what it explains."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import BoolArray, FloatArray, Interaction
from spex._version import __version__
from spex.checks.masks import check_masks
from spex.context import Context
from spex.errors import ArgumentError, FileFormatError
from spex.fourier.spectrum import Spectrum
from spex.interactions.index import InteractionIndex
from spex.interactions.uncertainty import spectrum_errors
from spex.interactions.values import InteractionValues, interactions

if TYPE_CHECKING:
    import pandas as pd
    import shap
    import shapiq
    from matplotlib.figure import Figure

FORMAT = "spex-explanation"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Explanation:
    """A surrogate of a value function and what can be read from it.

    Args:
        features: The n labels.
        spectrum: The surrogate; every prediction and every interaction is read from it.
        r2: Share of the variance over masks that the surrogate explains, from evaluations that the
            predicting fit has not seen; 1.0 when exact. NaN where it is unknown.
        r2_interval: 90 % confidence interval of `r2`.
        n_evaluations: Distinct masks evaluated, those that measure R2 included.
        method: The method that made the spectrum.
        budget: The cap that was given.
        seed: The seed that was given.
        scores: Cross-fitted R2 of every candidate, by method.
        standard_errors: (k,) of the spectrum's coefficients in its order, given the support, in the
            unit of the value function; zero when exact, None where the method does not tell.
        unexplained: Mean squared error over uniform masks, from evaluations that the predicting fit
            has not seen, in the squared unit of the value function; zero when exact, None where
            unknown.
        r2_distribution: Which masks R2 is about: "uniform"; or "given", masks like those that
            were told (see `spex.fit`).
        observed: The value function's own values with all features and with none, beside which
            `predict` shows what the surrogate makes of them; None where not evaluated.
        forecast: {evaluations: R2 to expect} at two and four times `n_evaluations`, from how R2 has
            grown over parts of the sample; empty where it cannot be said, nothing is to be won, or
            it was not computed (`spex.Run.forecast` does; `spex.explain` up to 500 masks).
        notes: What a user should know about this result, a sentence each.
        context: What was explained, as far as the source of values tells.
        version: Version of spex that made it.
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
    observed: tuple[float | None, float | None] = (None, None)
    forecast: Mapping[int, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    context: Context = field(default_factory=Context)
    version: str = __version__

    def __post_init__(self) -> None:
        if len(self.features) != self.spectrum.n_features:
            raise ArgumentError(
                f"{len(self.features)} labels for a spectrum of {self.spectrum.n_features} features"
            )

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
        self, index: str | InteractionIndex = "FBII", order: int | None = None
    ) -> InteractionValues:
        """Interaction values, ranked by size, in closed form from the spectrum.

        Args:
            index: SV, BV, SII, k-SII, BII, STII, FSII, FBII, Moebius or Fourier.
            order: Highest order; None for the spectrum's degree (1 for SV and BV).

        Returns:
            A mapping from interaction to value, with `top(k)`, `to_frame()`, `interval(...)` for
            each value and `stability(k)`.
        """
        errors = None
        if self.standard_errors is not None and self.unexplained is not None:
            errors = spectrum_errors(self.spectrum, self.standard_errors, self.unexplained)
        return interactions(self.spectrum, index, order, self.features, errors)

    def to_frame(self) -> "pd.DataFrame":
        """The spectrum as a table, the largest coefficient first.

        Returns:
            One row for each frequency: `interaction` (tuple of feature numbers), `features` (tuple
            of labels), `order`, `coefficient` and `standard_error` (see `standard_errors`; NaN
            where they are not known), both in the unit of the value function. The row of `()` is
            the mean over all masks.
        """
        frame = interactions(self.spectrum, "Fourier", None, self.features).to_frame()
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
            What `shapiq.ExactComputer` gives for the surrogate, the value at the empty set and the
            baseline included. Interactions that are zero are left out above order 1 where there
            are more than 1,000 interactions; shapiq reads them as zero, but its beeswarm plot of
            several explanations needs them: give it a lower order.

        Raises:
            ArgumentError: see `interactions`; or the index is Fourier.
            MissingExtraError: shapiq is not installed.
        """
        from spex.report.shapiq_values import interaction_values

        return interaction_values(self, index, order)

    def to_shap(self) -> "shap.Explanation":
        """The Shapley values as shap's type, for its plots (needs the extra `shap`).

        `values` (n,) are the surrogate's Shapley values and `base_values` is its value with nothing
        present, so that their sum is `predict` with everything present: the surrogate's value
        there, not the model's. `feature_names` are the labels, and `data` is None. For a text,
        `data` (n,) are the units, which `shap.plots.text` shows, and `feature_names` count them
        where they have no other labels. For a picture, `values[image.regions][..., None]` is the
        (height, width, 1) array that `shap.plots.image` takes.

        Raises:
            MissingExtraError: shap is not installed.
        """
        from spex.report.shap_values import shap_explanation

        return shap_explanation(self)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON content; `from_dict` undoes it."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "version": self.version,
            "features": list(self.features),
            "spectrum": [[list(k), value] for k, value in self.spectrum.items()],
            "r2": None if math.isnan(self.r2) else self.r2,
            "r2_interval": [None if math.isnan(x) else x for x in self.r2_interval],
            "n_evaluations": self.n_evaluations,
            "method": self.method,
            "budget": self.budget,
            "seed": self.seed,
            "scores": dict(self.scores),
            "standard_errors": None
            if self.standard_errors is None
            else self.standard_errors.tolist(),
            "unexplained": self.unexplained,
            "r2_distribution": self.r2_distribution,
            **({} if self.observed == (None, None) else {"observed": list(self.observed)}),
            "forecast": [[size, r2] for size, r2 in self.forecast.items()],
            "notes": list(self.notes),
            "context": self.context.to_json(),
        }

    @classmethod
    def from_dict(cls, content: object) -> "Explanation":
        """Make an explanation from what `to_dict` gave.

        Raises:
            FileFormatError: it is something else, or of a version that this spex does not know.
        """
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise FileFormatError(f'no explanation of spex: it lacks "format": "{FORMAT}"')
        if content.get("format_version") != FORMAT_VERSION:
            raise FileFormatError(
                f"an explanation of format version {content.get('format_version')!r}; this spex "
                f"({__version__}) reads version {FORMAT_VERSION}: use the spex that wrote it "
                f"({content.get('version')!r})"
            )
        try:
            features = tuple(str(label) for label in content["features"])
            coefficients = {tuple(k): float(value) for k, value in content["spectrum"]}
            if not np.isfinite(list(coefficients.values())).all():
                raise ValueError("a coefficient is not finite")
            whole, nothing = (_finite(x) for x in content.get("observed", (None, None)))
            low, high = (math.nan if x is None else float(x) for x in content["r2_interval"])
            return cls(
                features=features,
                spectrum=Spectrum.from_mapping(coefficients, len(features)),
                r2=math.nan if content["r2"] is None else float(content["r2"]),
                r2_interval=(low, high),
                n_evaluations=int(content["n_evaluations"]),
                method=str(content["method"]),
                budget=int(content["budget"]),
                seed=int(content["seed"]),
                scores={str(k): float(v) for k, v in content["scores"].items()},
                standard_errors=_errors(content.get("standard_errors"), len(coefficients)),
                unexplained=_not_negative(content.get("unexplained")),
                r2_distribution=str(content.get("r2_distribution", "uniform")),
                observed=(whole, nothing),
                forecast={int(m): float(r2) for m, r2 in content.get("forecast", [])},
                notes=tuple(str(note) for note in content["notes"]),
                context=Context.from_json(dict(content["context"]), len(features)),
                version=str(content["version"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(
                f"a damaged explanation: {type(error).__name__}: {error}"
            ) from error

    def save(self, path: str | Path) -> None:
        """Write versioned JSON; the file is replaced as a whole or not at all."""
        from spex.files import write_text

        write_text(Path(path), json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False))

    @classmethod
    def load(cls, path: str | Path) -> "Explanation":
        """Read what `save` wrote.

        Raises:
            FileFormatError: the file cannot be read as an explanation.
        """
        from spex.files import read_json

        content = read_json(Path(path))
        try:
            return cls.from_dict(content)
        except FileFormatError as error:
            raise FileFormatError(f"{path} is {error}") from error

    def to_html(
        self,
        path: str | Path,
        index: str | InteractionIndex | None = None,
        order: int | None = None,
    ) -> None:
        """Write a self-contained page: text, interactions, R2, cost and context.

        Args:
            path: The file.
            index: Index of the table. Where neither index nor order is given: FBII up to the lowest
                order that holds 95 % of the surrogate's variance.
            order: Highest order of the table.
        """
        from spex.files import write_text
        from spex.report.html import render_html

        write_text(Path(path), render_html([self], index=index, order=order))

    def plot(
        self,
        index: str | InteractionIndex | None = None,
        order: int | None = None,
        k: int = 15,
    ) -> "Figure":
        """A bar chart of the k largest interactions (needs the extra `plot`).

        Args:
            index: See `to_html`.
            order: See `to_html`.
            k: At most this many bars.
        """
        from spex.report.plots import interaction_figure

        return interaction_figure(self, index=index, order=order, k=k)

    def __repr__(self) -> str:
        from spex.report.plain import as_text

        return as_text(self)


def _errors(given: object, count: int) -> FloatArray | None:
    """Standard errors from a file; files of spex 0.1 and methods that do not tell have none."""
    if given is None:
        return None
    errors = np.asarray(given, dtype=np.float64)
    if errors.shape != (count,) or not (errors >= 0).all():
        raise ValueError(f"standard errors of shape {errors.shape} for {count} coefficients")
    return errors


def _finite(given: object) -> float | None:
    """A value from a file, or None; files of before spex 0.2 have none."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"a value of {given!r}")
    return float(given)


def _not_negative(given: object) -> float | None:
    """An unexplained variance from a file; files of spex 0.1 have none."""
    if given is None:
        return None
    if not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise ValueError(f"an unexplained variance of {given!r}")
    return float(given)
