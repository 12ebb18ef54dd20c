"""Parts that all reports share: labels, numbers and sentences about an explanation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spex._typing import Interaction
from spex.fitting.methods import METHODS
from spex.fourier.mask_distribution import UNIFORM, WEIGHTINGS
from spex.inputs.parts import Part, TextPart
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.wording import counted, distinct, isolated, percent
from spex.wording import one_line as one_line
from spex.wording import short as short
from spex.wording import visible as visible

if TYPE_CHECKING:
    from spex.explanation import Explanation

# One line on what a value of each index means, for readers who do not know its name.
MEANINGS: Mapping[InteractionIndex, str] = {
    InteractionIndex.SV: "each feature's fair share of the score (Shapley value)",
    InteractionIndex.BV: "mean change of the score when the feature is kept (Banzhaf value)",
    InteractionIndex.SII: "what a group adds beyond its parts, averaged as Shapley does",
    InteractionIndex.K_SII: "the score shared out among features and groups (k-Shapley)",
    InteractionIndex.BII: "what a group adds beyond its parts, mean over all masks",
    InteractionIndex.STII: "the score shared out among features and groups (Shapley-Taylor)",
    InteractionIndex.FSII: "what a group adds beyond its parts when all of it is kept "
    "(Faith-Shapley)",
    InteractionIndex.FBII: "what a group adds beyond its parts when all of it is kept "
    "(Faith-Banzhaf)",
    InteractionIndex.MOEBIUS: "what a group adds beyond its parts, with nothing else kept",
    InteractionIndex.FOURIER: "amplitude: the score is higher by twice this when an even number of "
    "its features is kept than when an odd number is",
}

# As a share of the numbers that a value is the sum of.
ROUNDING = 1e-12
# At most this many labels of one interaction are listed.
LISTED = 12
UNCERTAIN = "?"  # marks a value that may be 0
TOGETHER = "all tested together; false discovery rate 10 %"
# Below this R2, the unexplained part could well change the picture.
_DOUBTFUL_R2 = 0.5
# Four times the evaluations are worth this gain in R2.
_WORTHWHILE_GAIN = 0.1


def labels(explanation: "Explanation", limit: int = 40) -> tuple[str, ...]:
    """The labels, all different, each on one line of about `limit` characters."""
    return distinct([short(label, limit) for label in explanation.features])


def joined(labels: Sequence[str], interaction: Interaction) -> str:
    """The labels of an interaction, the first twelve of them."""
    hidden = len(interaction) - LISTED
    more = [f"{hidden:,} more"] if hidden > 0 else []
    return " + ".join([labels[member] for member in interaction[:LISTED]] + more)


def signed(value: float, scale: float = 0.0) -> str:
    """A value with its sign and three significant digits, without an exponent if readable.

    Args:
        value: Any finite number.
        scale: Size of the numbers that it was computed from; a rounding error of these is 0.
    """
    if abs(value) <= ROUNDING * scale:
        return "0"
    # Take the exponent after rounding: with three digits, 9.999 is 10.0.
    decimals = 2 - int(f"{value:.2e}".partition("e")[2])
    if decimals > 6 or decimals < -6:
        return f"{value:+.2e}"
    return f"{round(value, decimals):+.{max(decimals, 0)}f}"


def typeset(number: str) -> str:
    """A number with a true minus sign, as wide as the plus sign above it in a column."""
    return number.replace("-", "\N{MINUS SIGN}")


def margin(values: InteractionValues, interaction: Interaction) -> str | None:
    """Half the width of the 90 % interval of a value; None if it is exact or unknown."""
    low, high = values.interval(interaction)
    half = (high - low) / 2
    if not half > ROUNDING * max(abs(low), abs(high)):
        return None
    return signed(half).removeprefix("+")


def scale(explanation: "Explanation") -> float:
    """The sum of the absolute coefficients: no value of the surrogate exceeds it."""
    return math.fsum(abs(value) for _, value in explanation.spectrum.items())


def ends(explanation: "Explanation") -> tuple[str, str]:
    """The score with everything and with nothing, by the model and by the surrogate."""
    n, unit, size = explanation.n_features, isolated_unit(explanation), scale(explanation)
    predicted = explanation.predict(np.array([[True] * n, [False] * n])).tolist()
    whole, nothing = (
        _end(own, of_surrogate, unit, size)
        for own, of_surrogate in zip(explanation.observed, predicted, strict=True)
    )
    return whole, nothing


def _end(own: float | None, of_surrogate: float, unit: str, size: float) -> str:
    fitted = signed(of_surrogate, size)
    if own is None:
        return f"{fitted} {unit}".rstrip() + " by the surrogate"
    told = signed(own, max(size, abs(of_surrogate)))
    by_surrogate = "" if told == fitted else f", by the surrogate {fitted}"
    return f"{told} {unit}".rstrip() + by_surrogate


def _coefficients(explanation: "Explanation") -> dict[Interaction, float]:
    """The Fourier coefficients without the mean and without rounding errors."""
    least = ROUNDING * scale(explanation)
    return {k: value for k, value in explanation.spectrum.items() if k and abs(value) > least}


def variance_shares(explanation: "Explanation") -> dict[Interaction, float]:
    """The share of the surrogate's variance over uniform masks of each Fourier coefficient."""
    squares = {k: f * f for k, f in _coefficients(explanation).items()}
    total = math.fsum(squares.values())
    return {k: square / total for k, square in squares.items()} if total > 0 else {}


def shares_of(explanation: "Explanation", index: InteractionIndex) -> Mapping[Interaction, float]:
    """Shares of variance for the values of an index; only Fourier coefficients have one."""
    return variance_shares(explanation) if index is InteractionIndex.FOURIER else {}


def is_uncertain(values: InteractionValues, interaction: Interaction) -> bool:
    """Whether a value may be 0, tested together with all listed values: it may be noise."""
    return margin(values, interaction) is not None and interaction not in values.discoveries()


def uncertain(values: InteractionValues, n_listed: int) -> str | None:
    """A sentence on how many of the largest values may be 0; None if none may be."""
    listed = values.top(n_listed)
    count = sum(is_uncertain(values, interaction) for interaction, _ in listed)
    if not count:
        return None
    return f"{UNCERTAIN}: {count:,} of {len(listed):,} listed may be 0 ({TOGETHER})"


def joint_share(explanation: "Explanation") -> float:
    """The share of the surrogate's variance that features have only together (order >= 2)."""
    return math.fsum(v for k, v in variance_shares(explanation).items() if len(k) > 1)


def has_direction(index: InteractionIndex) -> bool:
    """Whether a positive value raises the score; a Fourier coefficient's sign says something else.

    It is that of the masks that hold an even number of its features, none at all among them.
    """
    return index is not InteractionIndex.FOURIER


def is_constant(explanation: "Explanation") -> bool:
    """Whether the surrogate has the same value at every mask."""
    return not _coefficients(explanation)


def _is_same(explanation: "Explanation") -> bool:
    """Whether the score is the same at every known mask."""
    r2, (whole, nothing) = explanation.r2, explanation.observed
    is_known_to_vary = r2 < 1 or whole != nothing
    return is_constant(explanation) and explanation.n_evaluations > 0 and not is_known_to_vary


def _where_same(explanation: "Explanation") -> str:
    if _is_exhaustive(explanation):
        return "whatever is left out"
    return f"at all {counted(explanation.n_evaluations, 'mask')} evaluated"


def fidelity(explanation: "Explanation") -> str:
    """How faithful the explanation is, in one sentence."""
    r2, (low, high) = explanation.r2, explanation.r2_interval
    everything = _is_exhaustive(explanation)
    if _is_same(explanation):
        return f"The score is the same {_where_same(explanation)}: there is nothing to attribute."
    if math.isnan(r2):
        return (
            "The explained share of the variation is unknown: too few evaluations to measure it. "
            "Raise the budget."
        )
    if everything and r2 == 1:
        return (
            "Explains all of the variation: exact, from all "
            f"{counted(explanation.n_evaluations, 'mask')}."
        )
    if everything and low == high:
        return f"Explains {percent(max(r2, 0.0))} of the variation, measured on all masks."
    if r2 <= 0:
        known = not math.isnan(low) and not math.isnan(high)
        bounds = f"{rounded_r2(low)} to {rounded_r2(high)}" if known else "unknown"
        interval = f"90 % interval {bounds}"
        return (
            f"Explains none of the variation (R2 {rounded_r2(r2)}, {interval}): do not rely on it."
        )
    if math.isnan(low) or math.isnan(high):
        share, interval = percent(r2).removesuffix(" %"), "unknown"
    else:
        share, least, most = _percents(r2, low, high)
        interval = f"{least} to {most} %"
    return (
        f"Explains {share} % of the variation{_over(explanation)} (90 % interval {interval}), "
        "measured on evaluations that the fit has not seen."
    )


def _over(explanation: "Explanation") -> str:
    """The masks that R2 refers to, if not uniform ones."""
    distribution = explanation.r2_distribution
    if distribution == UNIFORM.name:
        return ""
    known = WEIGHTINGS.get(distribution)
    return " over masks like those given" if known is None else f" over {known.masks}"


def basis(explanation: "Explanation", index: InteractionIndex) -> str | None:
    """What values of an index are based on, in one sentence; None if there is nothing to say."""
    if index.corrected_as in explanation.correction:
        return (
            f"{index} is corrected for the residuals of the surrogate; R2 is about the surrogate "
            "without this."
        )
    if index.weighs_sizes and not _is_exhaustive(explanation) and not explanation.correction:
        return (
            f"{index} gives small and large sets more weight than this fit; "
            "weighting='shapley' (--weighting shapley) suits it better."
        )
    return None


def _is_exhaustive(explanation: "Explanation") -> bool:
    n = explanation.n_features
    return n <= 62 and explanation.n_evaluations == 1 << n


def caution(explanation: "Explanation") -> str | None:
    """What to do about a poor fit, in one sentence; None for a good one."""
    r2 = explanation.r2
    if math.isnan(r2) or r2 >= _DOUBTFUL_R2:
        return None
    told = "Much of the variation is left unexplained"
    gain = max(explanation.forecast.values(), default=math.nan) - r2
    if math.isnan(gain):
        return f"{told}: raise the budget, or use coarser units."
    if gain >= _WORTHWHILE_GAIN:
        return f"{told}: raise the budget, use coarser units, or trust only what is explained."
    return (
        f"{told}, and more evaluations would hardly help: use coarser units, or trust only what is "
        "explained."
    )


def forecast(explanation: "Explanation") -> str | None:
    """What more evaluations would gain, in one sentence; None if unknown."""
    if not explanation.forecast:
        return None
    parts = [
        f"{percent(max(r2, 0.0))} with {counted(size, 'evaluation')}"
        for size, r2 in sorted(explanation.forecast.items())
    ]
    return f"Expected: {', '.join(parts)}."


def fidelity_short(explanation: "Explanation") -> str:
    """Such as `R2 0.93 (90 % interval 0.91 to 0.95)`."""
    if math.isnan(explanation.r2):
        return "R2 unknown"
    low, high = explanation.r2_interval
    name = f"R2{_over(explanation)}"
    if math.isnan(low) or math.isnan(high):
        return f"{name} {rounded_r2(explanation.r2)}"
    if low == high and _is_exhaustive(explanation):
        return f"R2 {rounded_r2(explanation.r2)} (not estimated: all masks evaluated)"
    interval = f"90 % interval {rounded_r2(low)} to {rounded_r2(high)}"
    return f"{name} {rounded_r2(explanation.r2)} ({interval})"


def unit_of_score(explanation: "Explanation") -> str:
    """The unit of the values, such as `nats`; empty if they have none."""
    return context_text(explanation, "score_unit") or ""


def context_text(explanation: "Explanation", key: str) -> str | None:
    """A text of the context, made visible; None if there is none."""
    value = explanation.context.get(key)
    return visible(value) if value else None


def score(explanation: "Explanation") -> str | None:
    """The score and its unit, on one line; None if unknown."""
    measured, unit = context_text(explanation, "score"), unit_of_score(explanation)
    return f"{measured}, {unit}" if measured and unit else measured


def isolated_unit(explanation: "Explanation") -> str:
    """The unit, to stand next to numbers on a page; see `spex.wording.isolated`."""
    return isolated(unit_of_score(explanation))


def isolated_score(explanation: "Explanation") -> str | None:
    """The score and its unit, for a page; neither changes the order of the text around it."""
    measured, unit = context_text(explanation, "score"), isolated_unit(explanation)
    if measured is None:
        return None
    return f"{isolated(measured)}, {unit}" if unit else isolated(measured)


def method(explanation: "Explanation") -> str:
    """The method in a few words."""
    known = METHODS.get(explanation.method)
    name = one_line(explanation.method)
    return name if known is None else f"{name} ({known.sentence})"


def cost(explanation: "Explanation") -> str:
    """Such as `300 evaluations`; for a stopped run, `50 evaluations (partial)`."""
    partial = "" if explanation.stopped is None else " (partial)"
    return counted(explanation.n_evaluations, "evaluation") + partial


def dollars(amount: float) -> str:
    """Such as `$12.30`, with at least two significant digits."""
    if amount == 0 or amount >= 1:
        return f"${amount:,.2f}"
    decimals = max(2, 1 - int(f"{amount:.1e}".partition("e")[2]))
    return f"${amount:.{decimals}f}"


def usage(explanation: "Explanation") -> str | None:
    """The usage that a server counted, and the cost if known; None without a server.

    Such as `65 requests, 1,200 tokens read, 65 written, $0.0002`. If the server reported no tokens
    for some replies, their number instead of the cost, which is then unknown.
    """
    counts = explanation.context.usage or {}
    whole = [counts.get(key) for key in ("requests", "prompt_tokens", "completion_tokens")]
    if not all(isinstance(number, int) and number >= 0 for number in whole):
        return None
    requests, read, written = (int(number or 0) for number in whole)
    told = f"{counted(requests, 'request')}, {counted(read, 'token')} read, {written:,} written"
    cost, uncounted = counts.get("cost"), counts.get("uncounted")
    if isinstance(uncounted, int) and uncounted > 0:
        return f"{told}; the server told no tokens of {counted(uncounted, 'reply', 'replies')}"
    return f"{told}, {dollars(cost)}" if isinstance(cost, float) and cost >= 0 else told


def parts(explanation: "Explanation") -> tuple[Part, ...] | None:
    """The input explained, visible; None if unknown."""
    found = explanation.context.parts
    return None if found is None else tuple(map(_visible_part, found))


def _visible_part(part: Part) -> Part:
    heading = None if part.heading is None else one_line(part.heading)
    if isinstance(part, TextPart):
        pieces = tuple((visible(string), number) for string, number in part.pieces)
        return replace(part, pieces=pieces, heading=heading)
    return replace(part, heading=heading)


def nothing_listed(explanation: "Explanation") -> str:
    """Why a table has no rows, in one sentence."""
    if _is_same(explanation):
        return f"No interactions: the score is the same {_where_same(explanation)}."
    if is_constant(explanation):
        return "No interactions were found: no fit does better than the mean; raise the budget."
    return "Every value of this index and order is zero; a higher order or Fourier shows the rest."


def heading(values: InteractionValues) -> str:
    """Such as `FBII up to order 3`."""
    return named(values.index, values.order)


def named(index: InteractionIndex, order: int) -> str:
    """Such as `FBII up to order 3`."""
    return f"{index} up to order {order}" if order > 1 else f"{index}"


def remainder(values: InteractionValues, shown: int) -> str | None:
    """What a table of the `shown` largest leaves out; None if it shows all."""
    ranked = [value for interaction, value in values.items() if interaction]
    hidden = len(ranked) - shown
    if hidden <= 0:
        return None
    size = signed(abs(ranked[shown])).removeprefix("+")
    return f"{hidden:,} more, each at most {size} in absolute value"


def rounded_r2(value: float) -> str:
    """R2 to two digits, or more if it is near 1."""
    if 0.995 <= value < 1:
        return f"{math.floor(value * 1e4) / 1e4:.4f}"
    return f"{round(value, 2) + 0.0:.2f}"  # not -0.00


def _percents(*shares: float) -> list[str]:
    """Shares as percentages with equally many decimals, never rounded to 0 or to 100."""
    size = max(abs(share) for share in shares)
    decimals = 2 if any(0.995 <= share < 1 for share in shares) else 1 if size < 0.0995 else 0
    rounded = [
        math.floor(1e4 * share) / 100 if 0.995 <= share < 1 else round(100 * share, decimals) + 0.0
        for share in shares
    ]
    return [
        "< 0.1" if 0 < share < 0.001 and not number else f"{number:.{decimals}f}"
        for share, number in zip(shares, rounded, strict=True)
    ]
