"""Interaction indices, read from a sparse Fourier spectrum in closed form.

With spex's convention f(m) = sum_k F(k) (-1)^<k,m>, m_i = 1 for a present feature, the Moebius
transform f(m) = sum_{T <= m} a(T) is

    a(T) = (-2)^|T| sum_{k >= T} F(k),                                                        (1)

because (-1)^{m_i} = 1 - 2 m_i. Every index below is linear and treats features alike, hence is
a sum over Moebius coefficients with weights that depend on sizes only, and by (1) also

    I(S) = sum_{k >= S} W(|S|, |k|) F(k),                                                     (2)
    W(s, d) = sum_{t=s}^{d} binom(d-s, t-s) (-2)^t w(s, t),    I(S) = sum_{T >= S} w(|S|, |T|) a(T).

So an index is one small table W (`_weight`, exact fractions), and one expansion turns any of
them into values: each frequency of the support sends W(|S|, |k|) F(k) to its own subsets S of the
orders asked for. A powerset of all n features is never listed. Where nearly all of 2^n
frequencies are there, sums over supersets do the same work faster (`_dense`).

The baseline is what the attributions are measured from: v(empty) = f(0...0), except that for FBII
it is the intercept of the fit, the sum of F(k) over |k| <= order, and for Fourier F(()), the mean.

Values and baseline agree with shapiq 1.4.1 (`ExactComputer`, its values and `.baseline_value`) in
every order of every index that it has. What shapiq stores at the empty set is the baseline too,
but for SII above order 1, BII and BV: there it is the index's formula applied to the empty set, a
weighted mean of f.
"""

import enum
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import chain, combinations
from operator import lt
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtri

from spex._typing import FloatArray, IntArray, Interaction
from spex.errors import ArgumentError
from spex.f2.packing import pack, unpack
from spex.fourier.spectrum import Spectrum
from spex.interactions.uncertainty import SpectrumErrors, error_of_sum, share_containing

if TYPE_CHECKING:
    import pandas as pd

# Terms W F(k) that one conversion may expand: at most 20 s and 2 GB, if hardly any coincide.
_MAX_TERMS = 1 << 22
# Up to here arrays over all 2^n interactions are small (8 MB each).
_DENSE_FEATURES = 20
# A term of the sparse expansion is sorted, one of the dense expansion only added.
_DENSE_ADVANTAGE = 4
# Values this far below the largest that one coefficient could cause are rounding errors.
_DUST = 1e-12
_DRAWS = 1000

# Interactions of one order, one row each, and their values.
_Block: TypeAlias = tuple[IntArray, FloatArray]


class InteractionIndex(enum.StrEnum):
    """The indices that a spectrum can be read as.

    SV: Shapley value. BV: Banzhaf value. SII, BII: Shapley and Banzhaf interaction index
    (Grabisch & Roubens 1999). K_SII: k-Shapley values (Bordt & von Luxburg 2023). STII:
    Shapley-Taylor (Sundararajan et al. 2020). FSII, FBII: Faith-Shap and Faith-Banzhaf
    (Tsai et al. 2023). MOEBIUS and FOURIER: the coefficients of the two transforms.
    """

    SV = "SV"
    BV = "BV"
    SII = "SII"
    K_SII = "k-SII"
    BII = "BII"
    STII = "STII"
    FSII = "FSII"
    FBII = "FBII"
    MOEBIUS = "Moebius"
    FOURIER = "Fourier"

    @classmethod
    def parse(cls, index: "str | InteractionIndex") -> "InteractionIndex":
        """Read the name of an index; case does not matter, and kSII and Möbius are known too.

        Raises:
            ArgumentError: there is no such index.
        """
        if isinstance(index, str):
            # NFC, because some keyboards send the o and its dots as two characters.
            name = unicodedata.normalize("NFC", index).strip().casefold()
            found = _NAMES.get(name)
            if found is not None:
                return found
        raise ArgumentError(
            f"index={index!r} is not known; use one of {', '.join(InteractionIndex)}"
        )

    @property
    def is_transform(self) -> bool:
        """Whether the values are coefficients of f itself, the empty set's among them."""
        return self in (InteractionIndex.MOEBIUS, InteractionIndex.FOURIER)


_NAMES = {index.value.casefold(): index for index in InteractionIndex} | {
    "ksii": InteractionIndex.K_SII,
    "möbius": InteractionIndex.MOEBIUS,
    "mobius": InteractionIndex.MOEBIUS,
}
_FIRST_ORDER = (InteractionIndex.SV, InteractionIndex.BV)


class InteractionValues(Mapping[Interaction, float]):
    """Interactions and their values, the largest absolute value first.

    Equal absolute values are ranked by order, then by feature numbers. Iteration, `len`, `top`
    and `to_frame` see what is listed; `values[()]`, `values.get(())` and `() in values` see the
    baseline in every index, though only Fourier and Moebius list it.

    Args:
        values: {interaction: value}, in any order.
        index: what the values are.
        order: the highest order that was asked for.
        features: the labels, one for each feature.
        baseline: the value of the empty set.
        standard_error: gives that of any interaction up to the order; None where it is not known.

    Raises:
        ArgumentError: an interaction is not a sorted tuple of at most `order` different features.
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
        # Three stable sorts, the least important key first: a million values need no million keys.
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
        """The value of the empty set: f with nothing present, but see the head of this module."""
        return self._baseline

    def __getitem__(self, interaction: Interaction) -> float:
        if interaction == ():
            return self._baseline
        try:
            return self._values[interaction]
        except KeyError:
            raise KeyError(
                f"{interaction!r} is not listed; keys are sorted tuples of feature numbers, "
                "values.get(key, 0.0) reads interactions that are zero as such"
            ) from None

    def __iter__(self) -> Iterator[Interaction]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def top(self, k: int = 10, order: int | None = None) -> list[tuple[Interaction, float]]:
        """The k interactions of the largest absolute value, the empty set left out.

        Args:
            k: how many; fewer when fewer are listed.
            order: only those of this order.

        Raises:
            ArgumentError: k is negative, or no interaction can have that order.
        """
        if k < 0:
            raise ArgumentError(f"k={k} is negative; use k=0 or more")
        if order is not None:
            order = _checked_order(order, len(self._features))
        found: list[tuple[Interaction, float]] = []
        for interaction, value in self._values.items():
            if len(found) >= k:
                break
            if interaction and order in (None, len(interaction)):
                found.append((interaction, value))
        return found

    def standard_error(self, interaction: Interaction) -> float:
        """The standard error of a value, of interactions that are not listed (zero) as well.

        See `spex.interactions.uncertainty`: it counts the errors of the coefficients found and what
        those not found may add. Zero where all masks were evaluated, NaN where errors are
        unknown.

        Raises:
            ArgumentError: no interaction of this order.
        """
        _check_interaction(interaction, self._order, len(self._features))
        return math.nan if self._standard_error is None else self._standard_error(interaction)

    def interval(self, interaction: Interaction, level: float = 0.9) -> tuple[float, float]:
        """Lower and upper bound of a confidence interval for the value function's own value.

        Args:
            interaction: sorted tuple of feature numbers, listed or not.
            level: its confidence, above 0 and below 1.

        Raises:
            ArgumentError: the level, or no interaction of this order.
        """
        if not 0 < level < 1:
            raise ArgumentError(f"level={level}; it must be above 0 and below 1, such as 0.9")
        width = float(ndtri((1 + level) / 2)) * self.standard_error(interaction)
        value = self.get(interaction, 0.0)
        return value - width, value + width

    def stability(self, k: int = 10) -> dict[Interaction, float]:
        """How surely each of the k largest interactions is among them.

        Returns:
            {interaction: share of 1,000 draws in which it is one of the k largest}, the largest
            value first; a draw moves every listed value by its standard error, independently. NaN
            where errors are not known.

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
        """What is listed as a table, ranked.

        Returns:
            One row for each interaction: `interaction` (tuple of feature numbers), `features`
            (tuple of labels), `order`, `value`, and `low` and `high`, the bounds of its 90 %
            interval (NaN where not known).
        """
        # Most calls never ask for a table, and pandas takes half a second to load.
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

    def __repr__(self) -> str:
        shown = self.top(10)
        head = f"{self._index} of order <= {self._order}, {len(self._features)} features"
        lines = [f"{head}, baseline {self._baseline:.6g}, {len(self)} listed"]
        for interaction, value in shown:
            labels = " & ".join(_short(label) for label in self._labels(interaction)[:6])
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
) -> InteractionValues:
    """Read interactions from a spectrum, by equation (2) of this module.

    Args:
        spectrum: the Fourier coefficients.
        index: the index or its name.
        order: the highest order returned, between 1 and n. SII, BII, Moebius and Fourier are
            merely cut there; STII, FSII, FBII and k-SII are other values for each order. By
            default 1 for SV and BV and the spectrum's degree for the others.
        features: n labels; by default the feature numbers.
        errors: of the spectrum, where they are known.

    Returns:
        The interactions of orders 1 to `order`, for Fourier and Moebius also the empty set's
        coefficient, in the unit of the value function. Left out are zeros, and with them what
        rounding makes of zeros: an interaction of order s is listed if its absolute value is
        above 1e-12 max_k |F(k)| max_d |W(s, d)|, d over the orders in the support.

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

    weights, n_terms = _plan(spectrum, index, order)
    largest = float(np.abs(spectrum.coefficients).max(initial=0.0))
    if n_features <= _DENSE_FEATURES and n_terms * _DENSE_ADVANTAGE > n_features << n_features:
        blocks = _dense(spectrum, weights)
    else:
        blocks = _sparse(spectrum, weights)
    values: dict[Interaction, float] = {}
    # Overflow is an error with a remedy below, not a warning.
    with np.errstate(over="ignore", invalid="ignore"):
        for members, found in blocks:
            s = members.shape[1]
            if not np.isfinite(found).all():
                raise ArgumentError(_overflow(index, s))
            scale = max(abs(weight) for weight in weights[s].values())
            kept = np.abs(found) > _DUST * scale * largest
            listed = map(tuple, members[kept].tolist())
            values.update(zip(listed, found[kept].tolist(), strict=True))
    baseline = _baseline(spectrum, index, order)
    if index.is_transform and abs(baseline) > _DUST * largest:
        values[()] = baseline
    known = None if errors is None else _ErrorsOfValues(spectrum, errors, index, order)
    return InteractionValues(values, index, order, features, baseline, known)


class _ErrorsOfValues:
    """Standard errors of interaction values: by equation (2) sums of errors of coefficients."""

    def __init__(
        self, spectrum: Spectrum, errors: SpectrumErrors, index: InteractionIndex, order: int
    ) -> None:
        self._spectrum, self._errors = spectrum, errors
        self._index, self._order = index, order
        self._orders = np.union1d(spectrum.orders, np.flatnonzero(errors.left_out)).tolist()
        self._of_size: dict[int, FloatArray] = {}

    def __call__(self, interaction: Interaction) -> float:
        weights = self._weights(len(interaction))
        member = np.zeros((1, self._spectrum.n_features), dtype=np.bool_)
        member[0, list(interaction)] = True
        word = pack(member)
        rows = ((self._spectrum.support & word) == word).all(axis=1)
        inside = weights[self._spectrum.orders[rows]] * self._errors.standard_errors[rows]
        left_out = self._errors.left_out * share_containing(self._errors, interaction)
        return math.hypot(error_of_sum(inside), error_of_sum(weights * np.sqrt(left_out)))

    def _weights(self, s: int) -> FloatArray:
        """(d + 1,) absolute weights of coefficients of each order, zero where none is needed."""
        if s not in self._of_size:
            weights = np.zeros(len(self._errors.left_out))
            for d in self._orders:
                weights[d] = self._weight(s, d)
            self._of_size[s] = np.abs(weights)
        return self._of_size[s]

    def _weight(self, s: int, d: int) -> float:
        if s > d:
            return 0.0
        if s:
            return float(_weight(self._index, self._order, s, d))
        return float(d <= _highest_of_baseline(self._index, self._order, self._spectrum.n_features))


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


def _short(label: str) -> str:
    """A label on one line, at most 24 characters."""
    label = " ".join(label.split())
    return label if len(label) <= 24 else label[:21] + "..."


def _checked_order(order: int, n_features: int) -> int:
    # bool is an int to Python, but order=True is a slip.
    if isinstance(order, bool) or not isinstance(order, int | np.integer):
        raise ArgumentError(f"order={order!r} is not an integer; use 1 to {n_features}")
    if not 1 <= order <= n_features:
        raise ArgumentError(f"order={order} is outside 1 to {n_features}, the number of features")
    return int(order)


def _resolved_order(index: InteractionIndex, order: int | None, spectrum: Spectrum) -> int:
    if order is None:
        return 1 if index in _FIRST_ORDER else max(1, spectrum.degree)
    order = _checked_order(order, spectrum.n_features)
    if index in _FIRST_ORDER and order != 1:
        others = "SII, k-SII, STII, FSII" if index is InteractionIndex.SV else "BII, FBII"
        raise ArgumentError(
            f"order={order} does not exist for {index}, which has order 1 only; "
            f"leave order out, or use one of {others}"
        )
    return order


def _baseline(spectrum: Spectrum, index: InteractionIndex, order: int) -> float:
    highest = _highest_of_baseline(index, order, spectrum.degree)
    return math.fsum(spectrum.coefficients[spectrum.orders <= highest].tolist())


def _highest_of_baseline(index: InteractionIndex, order: int, degree: int) -> int:
    """The highest order of the coefficients whose sum is the baseline."""
    if index is InteractionIndex.FOURIER:
        return 0
    return order if index is InteractionIndex.FBII else degree


# --- the weights ---------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 16)
def _weight(index: InteractionIndex, order: int, s: int, d: int) -> Fraction:
    """W(s, d) of equation (2) for 1 <= s <= min(order, d), exactly.

    SII: w(s, t) = 1 / (t-s+1), Grabisch, Marichal & Roubens (2000), eq. 7. In (2) that sums to
    (-2)^s times the integral of (1 - 2x)^(d-s) over [0, 1], zero for odd d - s. SV is its order 1.

    BII: w(s, t) = 2^(s-t), eq. 6 there, which leaves (-2)^s F(S). BV is its order 1.

    k-SII: the recursion of the n-Shapley values of Bordt & von Luxburg (2023), unrolled:
    I(S) = sum_{T >= S, |T| <= order} B_{|T|-|S|} SII(T) with Bernoulli numbers, B_1 = -1/2.

    STII: Sundararajan, Dhamdhere & Agarwal (2020): a(S) below the highest order; there, each
    T >= S shares its a(T) equally among its binom(|T|, order) subsets of that order.

    FSII: Tsai, Yeh & Ravikumar (2023), eq. 16: a(S) plus, from each T > S with |T| > order,
    (-1)^(order-s) s/(order+s) binom(order, s) binom(t-1, order) / binom(t+order-1, order+s) a(T).

    FBII: the least-squares fit of degree <= order under the uniform measure (eq. 13 there). The
    functions (-1)^<k,m> are orthonormal under it, so the fit is F cut at the order, and FBII its
    Moebius transform (1).
    """
    sign_and_power = Fraction((-2) ** s)
    match index:
        case InteractionIndex.FOURIER:
            return Fraction(int(s == d))
        case InteractionIndex.BII | InteractionIndex.BV:
            return sign_and_power * int(s == d)
        case InteractionIndex.FBII:
            return sign_and_power * int(d <= order)
        case InteractionIndex.MOEBIUS:
            return sign_and_power
        case InteractionIndex.SII | InteractionIndex.SV:
            return sign_and_power / (d - s + 1) * ((d - s + 1) % 2)
        case InteractionIndex.K_SII:
            return sum(
                (
                    math.comb(d - s, t - s)
                    * _bernoulli(t - s)
                    * _weight(InteractionIndex.SII, order, t, d)
                    for t in range(s, min(order, d) + 1)
                ),
                start=Fraction(0),
            )
        case InteractionIndex.STII if s < order:
            return sign_and_power
        case InteractionIndex.STII:
            return sum(
                (
                    Fraction(math.comb(d - s, t - s) * (-2) ** t, math.comb(t, s))
                    for t in range(s, d + 1)
                ),
                start=Fraction(0),
            )
        case InteractionIndex.FSII:
            shared = sum(
                (
                    Fraction(
                        math.comb(d - s, t - s) * (-2) ** t * math.comb(t - 1, order),
                        math.comb(t + order - 1, order + s),
                    )
                    for t in range(order + 1, d + 1)
                ),
                start=Fraction(0),
            )
            factor = Fraction((-1) ** (order - s) * s * math.comb(order, s), order + s)
            return sign_and_power + factor * shared


@lru_cache(maxsize=1 << 10)
def _bernoulli(m: int) -> Fraction:
    """The Bernoulli number B_m with B_1 = -1/2: sum_{j=0}^{m} binom(m+1, j) B_j = 0 for m > 0."""
    if m == 0:
        return Fraction(1)
    # B_3, B_5, ... are zero; asking for lower ones first keeps the recursion shallow.
    lower = [_bernoulli(j) for j in range(m)]
    return -sum((math.comb(m + 1, j) * b for j, b in enumerate(lower)), start=Fraction(0)) / (m + 1)


def _plan(
    spectrum: Spectrum, index: InteractionIndex, order: int
) -> tuple[dict[int, dict[int, float]], int]:
    """The weights that are not zero, {s: {d: W(s, d)}}, and how many terms (2) has with them.

    Raises:
        ArgumentError: more terms than can be listed.
    """
    sizes, counts = np.unique(spectrum.orders, return_counts=True)
    population = [(d, m) for d, m in zip(sizes.tolist(), counts.tolist(), strict=True) if d > 0]
    dense = spectrum.n_features <= _DENSE_FEATURES
    weights: dict[int, dict[int, float]] = {}
    n_terms = 0
    # From low orders up, so that a hopeless expansion is noticed before its weights are computed.
    for s in range(1, min(order, spectrum.degree) + 1):
        for d, m in population:
            if d < s:
                continue
            weight = _weight(index, order, s, d)
            if not weight:
                continue
            n_terms += m * math.comb(d, s)
            if n_terms > _MAX_TERMS and not dense:
                raise ArgumentError(_too_many(population, index, order))
            try:
                weights.setdefault(s, {})[d] = float(weight)
            except OverflowError:
                raise ArgumentError(_overflow(index, s)) from None
    return weights, n_terms


def _too_many(population: list[tuple[int, int]], index: InteractionIndex, order: int) -> str:
    def up_to(highest: int) -> int:
        return sum(m * math.comb(d, s) for d, m in population for s in range(1, highest + 1))

    feasible = 0
    while feasible < order and up_to(feasible + 1) <= _MAX_TERMS:
        feasible += 1
    smaller = f"order={feasible} or less, or " if feasible else ""
    return (
        f"index={str(index)!r} with order={order} would expand up to {float(up_to(order)):.3g} "
        f"terms, the limit is {_MAX_TERMS}; use {smaller}index='Fourier', 'BII' or 'SV', "
        "which need no expansion"
    )


def _overflow(index: InteractionIndex, s: int) -> str:
    return (
        f"index={str(index)!r}: values of order {s} exceed the largest float, 1.8e308; "
        "use a smaller order or index='Fourier'"
    )


# --- the expansion -------------------------------------------------------------------------------


def _sparse(spectrum: Spectrum, weights: dict[int, dict[int, float]]) -> Iterator[_Block]:
    """Equation (2), term by term: each k to its own subsets, then equal subsets are added up."""
    groups: dict[int, _Block] = {}
    for d in sorted(set().union(*weights.values())):
        rows = np.nonzero(spectrum.orders == d)[0]
        members = np.nonzero(unpack(spectrum.support[rows], spectrum.n_features))[1]
        groups[d] = members.reshape(len(rows), d), spectrum.coefficients[rows]
    for s, of_size in weights.items():
        parts = [(*groups[d], _choices(d, s), weight) for d, weight in of_size.items()]
        columns = (
            np.concatenate([members[:, chosen[:, j]].ravel() for members, _, chosen, _ in parts])
            for j in range(s)
        )
        first, which = _distinct(columns, spectrum.n_features)
        terms = np.concatenate([np.repeat(w * f, len(chosen)) for _, f, chosen, w in parts])
        # astype for the type checker alone: with weights, bincount returns floats.
        values = np.bincount(which, weights=terms).astype(np.float64, copy=False)
        # Only now, one row for each distinct subset, are the subsets written out.
        subsets = np.empty((len(first), s), dtype=np.int64)
        start = 0
        for members, _, chosen, _ in parts:
            end = start + len(members) * len(chosen)
            here = (first >= start) & (first < end)
            row, choice = np.divmod(first[here] - start, len(chosen))
            subsets[here] = members[row[:, None], chosen[choice]]
            start = end
        yield subsets, values


def _choices(d: int, s: int) -> IntArray:
    """(binom(d, s), s): every choice of s out of d positions."""
    n_choices = math.comb(d, s)
    flat = chain.from_iterable(combinations(range(d), s))
    return np.fromiter(flat, dtype=np.int64, count=n_choices * s).reshape(n_choices, s)


def _distinct(columns: Iterator[IntArray], n_features: int) -> tuple[IntArray, IntArray]:
    """Find equal rows of a table that is given column by column.

    Returns:
        first: the first row of each distinct kind. which: for each row, its kind.
    """
    key = next(columns)
    bound = n_features
    for column in columns:
        if bound * n_features >= 1 << 63:
            # The digits no longer fit; the rank of what was read so far says the same.
            key = np.unique(key, return_inverse=True)[1]
            bound = len(key)
        key = key * n_features + column
        bound *= n_features
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return first, which


def _dense(spectrum: Spectrum, weights: dict[int, dict[int, float]]) -> Iterator[_Block]:
    """Equation (2) over all 2^n subsets: for each order d, sums over supersets of that order."""
    n_features = spectrum.n_features
    size = 1 << n_features
    every = np.arange(size, dtype=np.uint64)
    orders = np.bitwise_count(every)
    position = spectrum.support[:, 0].astype(np.int64)
    values = np.zeros(size)
    for d in sorted(set().union(*weights.values())):
        rows = spectrum.orders == d
        sums = np.bincount(position[rows], weights=spectrum.coefficients[rows], minlength=size)
        for feature in range(n_features):
            pairs = sums.reshape(-1, 2, 1 << feature)
            pairs[:, 0] += pairs[:, 1]
        by_order = np.zeros(n_features + 1)
        for s, of_size in weights.items():
            by_order[s] = of_size.get(d, 0.0)
        values += by_order[orders] * sums
    for s in weights:
        chosen = np.nonzero(orders == s)[0]
        members = np.nonzero(unpack(every[chosen, None], n_features))[1]
        yield members.reshape(len(chosen), s), values[chosen]
