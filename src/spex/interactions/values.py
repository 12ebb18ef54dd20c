"""Interaction values, ranked, with standard errors and intervals."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from spex._typing import FloatArray, Interaction
from spex.errors import ArgumentError
from spex.f2.packing import pack
from spex.fourier.spectrum import Spectrum, weighted_sum
from spex.interactions.expansion import baseline_value, expand
from spex.interactions.index import FIRST_ORDER, InteractionIndex, exact_weight, highest_of_baseline
from spex.interactions.uncertainty import (
    SpectrumErrors,
    error_of_sum,
    share_containing,
    told_from_zero,
)
from spex.wording import distinct, short

if TYPE_CHECKING:
    import pandas as pd

_DRAWS = 1000
# Only this many of the largest values are tested against 0, because each error takes time.
_TESTED = 1000


class InteractionValues(Mapping[Interaction, float]):
    """Interactions and their values, the largest absolute value first.

    Equal absolute values are ranked by order, then by feature numbers. `values[()]` is the
    baseline for every index; iteration, `len` and `to_frame` include it only for Fourier and
    Moebius.

    Args:
        values: {interaction: value}, in any order.
        index: what the values are.
        order: the highest order that was asked for.
        features: the labels, one for each feature.
        baseline: the value of the empty set.
        standard_error: returns that of an interaction, listed or not; None if errors are unknown.

    Raises:
        ArgumentError: an interaction is not a sorted tuple of at most `order` different features.

    Example:
        >>> import spex
        >>> e = spex.explain(lambda masks: 2.0 * masks[:, 0] * masks[:, 1], 3, budget=8)
        >>> values = e.interactions("FBII", order=2)
        >>> values[0, 1], values.interval((0, 1)), len(values)
        (2.0, (2.0, 2.0), 1)
    """

    def __init__(
        self,
        values: Mapping[Interaction, float],
        index: InteractionIndex,
        order: int,
        features: Sequence[str],
        baseline: float,
        standard_error: Callable[[Interaction], float] | None = None,
    ) -> None:
        for interaction in values:
            _check_interaction(interaction, order, len(features))
        # Three stable sorts, the least important key first: faster than tuples as keys.
        tied = sorted(values)
        tied.sort(key=len)
        sizes = np.abs(np.fromiter(map(values.__getitem__, tied), np.float64, count=len(tied)))
        ranking = np.argsort(-sizes, kind="stable").tolist()
        self._values = {tied[rank]: float(values[tied[rank]]) for rank in ranking}
        self._index = index
        self._order = order
        self._features = tuple(features)
        self._baseline = float(baseline)
        self._standard_error = standard_error
        self._discoveries: dict[float, frozenset[Interaction]] = {}

    @property
    def index(self) -> InteractionIndex:
        """What the values are."""
        return self._index

    @property
    def order(self) -> int:
        """The highest order that was asked for; STII, FSII, FBII and k-SII depend on it."""
        return self._order

    @property
    def features(self) -> tuple[str, ...]:
        """The labels of the features."""
        return self._features

    @property
    def baseline(self) -> float:
        """The value of the empty set; see the head of `spex.interactions.index`."""
        return self._baseline

    def __getitem__(self, interaction: Interaction) -> float:
        if interaction == ():
            return self._baseline
        try:
            return self._values[interaction]
        except KeyError:
            raise KeyError(
                f"{interaction!r} is not listed; keys are sorted tuples of feature numbers, "
                "values.get(key, 0.0) gives 0.0 for one that is not listed"
            ) from None

    def __iter__(self) -> Iterator[Interaction]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def top(self, k: int = 10, order: int | None = None) -> list[tuple[Interaction, float]]:
        """The k interactions of largest absolute value, without the empty set.

        Args:
            k: how many, at most.
            order: only interactions of this order; default all.

        Raises:
            ArgumentError: k is negative, or no interaction can have that order.
        """
        if k < 0:
            raise ArgumentError(f"k={k} is negative; use k=0 or more")
        if order is not None:
            order = _checked_order(order, len(self._features))
        asked = (each for each in self._values.items() if each[0] and order in (None, len(each[0])))
        return list(islice(asked, min(k, len(self._values))))  # islice refuses 2^63 and more

    def standard_error(self, interaction: Interaction) -> float:
        """The standard error of a value, in its unit; see `spex.interactions.uncertainty`.

        Args:
            interaction: sorted tuple of feature numbers, listed or not.

        Returns:
            Zero where all masks were evaluated, NaN if errors are unknown.

        Raises:
            ArgumentError: not a sorted tuple of at most `order` features.
        """
        _check_interaction(interaction, self._order, len(self._features))
        return math.nan if self._standard_error is None else self._standard_error(interaction)

    def interval(self, interaction: Interaction, level: float = 0.9) -> tuple[float, float]:
        """Lower and upper bound of a confidence interval for the value function's own value.

        Args:
            interaction: sorted tuple of feature numbers, listed or not.
            level: confidence level, above 0 and below 1.

        Raises:
            ArgumentError: the level is out of range, or the interaction is not a sorted tuple of
                at most `order` features.
        """
        if not 0 < level < 1:
            raise ArgumentError(f"level={level}; it must be above 0 and below 1, such as 0.9")
        if not isinstance(interaction, tuple):
            raise ArgumentError(f"{interaction!r} is no interaction; give a tuple such as (0, 2)")
        width = float(ndtri((1 + level) / 2)) * self.standard_error(interaction)
        value = self.get(interaction, 0.0)
        return value - width, value + width

    def discoveries(self, rate: float = 0.1) -> frozenset[Interaction]:
        """The values that differ significantly from 0, with all listed values tested together.

        Of many intervals some miss 0 by chance. This uses the procedure of Benjamini and Hochberg
        (1995). A share of at most `rate` of the returned values is expected to be 0 in truth. If
        all values are 0, nothing is returned with probability 1 - `rate`.

        Args:
            rate: the false discovery rate, above 0 and below 1.

        Returns:
            Interactions among the 1,000 largest; the others count as tested without success. If
            errors are unknown or zero, all of these 1,000.

        Raises:
            ArgumentError: the rate is out of range.
        """
        if not 0 < rate < 1:
            raise ArgumentError(f"rate={rate}; it must be above 0 and below 1, such as 0.1")
        if rate not in self._discoveries:
            self._discoveries[rate] = self._discovered(rate)
        return self._discoveries[rate]

    def _discovered(self, rate: float) -> frozenset[Interaction]:
        tested = [interaction for interaction, _ in self.top(_TESTED)]
        n_listed = sum(1 for interaction in self._values if interaction)
        errors = np.array([self.standard_error(interaction) for interaction in tested])
        sizes = np.array([self._values[interaction] for interaction in tested])
        told = told_from_zero(sizes, errors, n_listed, rate)
        return frozenset(tested[place] for place in np.flatnonzero(told))

    def stability(self, k: int = 10) -> dict[Interaction, float]:
        """How likely each of the k largest interactions is to be among the k largest.

        Returns:
            {interaction: share of 1,000 draws in which it is one of the k largest}, the largest
            value first. A draw adds to every listed value independent Gaussian noise of its
            standard error. NaN if errors are unknown.

        Raises:
            ArgumentError: k is negative.
        """
        top = [interaction for interaction, _ in self.top(k)]
        if self._standard_error is None:
            return dict.fromkeys(top, math.nan)
        listed = [interaction for interaction in self._values if interaction]
        if len(listed) <= k:
            return dict.fromkeys(top, 1.0)
        values = np.array([self._values[interaction] for interaction in listed])
        errors = np.array([self._standard_error(interaction) for interaction in listed])
        rng = np.random.default_rng(0)
        stayed = np.zeros(len(top))
        for _ in range(_DRAWS):
            drawn = np.abs(values + errors * rng.normal(size=len(values)))
            stayed += drawn[: len(top)] >= np.partition(drawn, -k)[-k]
        return dict(zip(top, (stayed / _DRAWS).tolist(), strict=True))

    def to_frame(self) -> "pd.DataFrame":
        """The listed values as a table, ranked.

        Returns:
            One row for each interaction: `interaction` (tuple of feature numbers), `features`
            (tuple of labels), `order`, `value`, and `low` and `high`, the bounds of its 90 %
            interval (NaN if unknown).
        """
        # pandas takes half a second to load, and most programs need no table.
        import pandas as pd

        listed = list(self._values)
        bounds = np.array([self.interval(each) for each in listed]).reshape(-1, 2)
        return pd.DataFrame(
            {
                "interaction": pd.Series(listed, dtype=object),
                "features": pd.Series([self._labels(each) for each in listed], dtype=object),
                "order": np.fromiter(map(len, listed), dtype=np.int64, count=len(listed)),
                "value": np.fromiter(self._values.values(), dtype=np.float64, count=len(listed)),
                "low": bounds[:, 0],
                "high": bounds[:, 1],
            }
        )

    def _labels(self, interaction: Interaction) -> tuple[str, ...]:
        return tuple(self._features[member] for member in interaction)

    def _repr_html_(self) -> str:
        from spex.report.notebook import values_html

        return values_html(self)

    def __repr__(self) -> str:
        shown = self.top(10)
        head = f"{self._index} of order <= {self._order}, {len(self._features)} features"
        rounding = 1e-12 * max(map(abs, self._values.values()), default=0.0)
        baseline = 0.0 if abs(self._baseline) <= rounding else self._baseline
        lines = [f"{head}, baseline {baseline:.6g}, {len(self)} listed"]
        names = distinct([short(label, 24) for label in self._features])
        for interaction, value in shown:
            labels = " & ".join(names[member] for member in interaction[:6])
            more = f" & {len(interaction) - 6} more" if len(interaction) > 6 else ""
            lines.append(f"  {value:+12.6g}  {labels}{more}")
        n_hidden = sum(1 for interaction in self if interaction) - len(shown)
        if n_hidden:
            lines.append(f"  and {n_hidden} more")
        return "\n".join(lines)


def interactions(
    spectrum: Spectrum,
    index: str | InteractionIndex = "FBII",
    order: int | None = None,
    features: Sequence[str] | None = None,
    errors: SpectrumErrors | None = None,
    correction: Spectrum | None = None,
) -> InteractionValues:
    """Read interactions from a spectrum, by equation (2) of `spex.interactions.index`.

    Args:
        spectrum: the Fourier coefficients.
        index: the index or its name.
        order: the highest order returned, 1 to n. STII, FSII, FBII and k-SII depend on it. The
            default is 1 for SV and BV and the spectrum's degree for the others.
        features: n labels; the default is the feature numbers.
        errors: of the spectrum; None if unknown.
        correction: added to the spectrum, for values that have no errors.

    Returns:
        The interactions of orders 1 to `order`, for Fourier and Moebius also the coefficient of
        the empty set, in the unit of the value function. Zeros and rounding errors are not listed:
        an interaction of order s is listed if its absolute value is above
        1e-12 max_k |F(k)| max_d |W(s, d)|, d over the orders in the support.

    Raises:
        ArgumentError: the index is unknown, the order impossible, the labels are not n, a
            coefficient is not finite, or the expansion is too large to list or to represent.
    """
    index = InteractionIndex.parse(index)
    n_features = spectrum.n_features
    if features is None:
        features = [str(feature) for feature in range(n_features)]
    elif isinstance(features, str) or len(features) != n_features:
        given = "one string" if isinstance(features, str) else f"{len(features)} labels"
        raise ArgumentError(f"features is {given}; the spectrum needs {n_features} labels")
    order = _resolved_order(index, order, spectrum)
    if not np.isfinite(spectrum.coefficients).all():
        raise ArgumentError("the spectrum has coefficients that are not finite")

    read = spectrum if correction is None else weighted_sum([spectrum, correction], np.ones(2))
    values = expand(read, index, order)
    baseline = baseline_value(read, index, order)
    known = None if errors is None else _ErrorsOfValues(spectrum, errors, index, order)
    return InteractionValues(values, index, order, features, baseline, known)


class _ErrorsOfValues:
    """Standard errors of interaction values, which by equation (2) are sums over coefficients."""

    def __init__(
        self, spectrum: Spectrum, errors: SpectrumErrors, index: InteractionIndex, order: int
    ) -> None:
        self._spectrum, self._errors = spectrum, errors
        self._index, self._order = index, order
        self._orders = np.union1d(spectrum.orders, np.flatnonzero(errors.outside)).tolist()
        self._of_size: dict[int, FloatArray] = {}

    def __call__(self, interaction: Interaction) -> float:
        weights = self._weights(len(interaction))
        member = np.zeros((1, self._spectrum.n_features), dtype=np.bool_)
        member[0, list(interaction)] = True
        word = pack(member)
        rows = ((self._spectrum.support & word) == word).all(axis=1)
        inside = weights[self._spectrum.orders[rows]] * self._errors.standard_errors[rows]
        outside = self._errors.outside * share_containing(self._errors, interaction)
        return math.hypot(error_of_sum(inside), error_of_sum(weights * np.sqrt(outside)))

    def _weights(self, s: int) -> FloatArray:
        """(d + 1,) float64: |W(s, d)| by order d; zero for orders without coefficients."""
        if s not in self._of_size:
            weights = np.zeros(len(self._errors.outside))
            for d in self._orders:
                weights[d] = self._weight(s, d)
            self._of_size[s] = np.abs(weights)
        return self._of_size[s]

    def _weight(self, s: int, d: int) -> float:
        if s > d:
            return 0.0
        if s:
            return float(exact_weight(self._index, self._order, s, d))
        return float(d <= highest_of_baseline(self._index, self._order, self._spectrum.n_features))


def _check_interaction(interaction: Interaction, order: int, n_features: int) -> None:
    if interaction and not (
        interaction[0] >= 0
        and interaction[-1] < n_features
        and len(interaction) <= order
        and all(map(lt, interaction, interaction[1:]))
    ):
        raise ArgumentError(
            f"{interaction} is not a sorted tuple of at most {order} different features "
            f"between 0 and {n_features - 1}"
        )


def _checked_order(order: int, n_features: int) -> int:
    # bool is an int to Python, but order=True is a slip.
    if isinstance(order, bool) or not isinstance(order, int | np.integer):
        raise ArgumentError(f"order={order!r} is not an integer; use 1 to {n_features}")
    if not 1 <= order <= n_features:
        raise ArgumentError(f"order={order} is outside 1 to {n_features}, the number of features")
    return int(order)


def _resolved_order(index: InteractionIndex, order: int | None, spectrum: Spectrum) -> int:
    if order is None:
        return 1 if index in FIRST_ORDER else max(1, spectrum.degree)
    order = _checked_order(order, spectrum.n_features)
    if index in FIRST_ORDER and order != 1:
        others = "SII, k-SII, STII, FSII" if index is InteractionIndex.SV else "BII, FBII"
        raise ArgumentError(
            f"order={order} does not exist for {index}, which has order 1 only; "
            f"leave order out, or use one of {others}"
        )
    return order
