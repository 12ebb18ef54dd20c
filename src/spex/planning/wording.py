"""A plan as text: what a budget buys and recovers, next to twice and four times the budget."""

from typing import TYPE_CHECKING

from spex.wording import counted, percent

if TYPE_CHECKING:
    from spex.planning.plan import Offer, Plan

_WIDTH = 12


def as_text(plan: "Plan") -> str:
    """A plan as a few sentences and a table of at most 80 columns."""
    lines = [
        f"{counted(plan.n_features, 'feature')}, interactions up to order {plan.max_degree}, "
        f"{percent(plan.noise)} of the variance in noise or a tail of small coefficients",
        "",
        _bought(plan),
    ]
    if not plan.offers[0].exact:
        lines += ["", *_table(plan), "", *plan.advice]
        if any(offer.graph for offer in plan.offers):
            lines += ["", _ASSUMPTIONS]
    return "\n".join(lines)


_ASSUMPTIONS = (
    "Expected values for method spex, by density evolution, for coefficients that decay and mix "
    "their orders as published spectra of language models do; auto fits other surrogates as well."
)


def _bought(plan: "Plan") -> str:
    offer = plan.offers[0]
    if offer.exact:
        return (
            f"A budget of {offer.budget:,} evaluates all {1 << plan.n_features:,} masks: every "
            "coefficient is exact."
        )
    if offer.graph is None:
        return (
            f"A budget of {offer.budget:,} buys no coded design for "
            f"{counted(plan.n_features, 'feature')}; method auto takes any budget."
        )
    graph = offer.graph
    bins = " + ".join(f"{1 << b:,}" for b in graph.log2_bins)
    noun = "bin" if bins == "1" else "bins"
    return (
        f"A budget of {offer.budget:,} buys up to {counted(offer.n_coded, 'coded mask')}: "
        f"{bins} {noun} of {counted(graph.n_offsets, 'value')}, which decode interactions "
        f"up to order {offer.order}; the others are uniform and measure R2."
    )


def _table(plan: "Plan") -> list[str]:
    """A row for each number of coefficients, two columns for each budget."""
    budgets = [counted(offer.budget, "mask") for offer in plan.offers]
    lines = [
        " " * _WIDTH + "".join(f"{budget:>{2 * _WIDTH - 2}}" for budget in budgets),
        "coefficients" + ("recovered".rjust(_WIDTH) + "R2".rjust(_WIDTH - 2)) * len(budgets),
    ]
    for row in zip(*(offer.recoveries for offer in plan.offers), strict=True):
        cells = [
            f"{100 * recovery.recovered:.0f} %".rjust(_WIDTH)
            + f"{recovery.explained:.2f}".rjust(_WIDTH - 2)
            for recovery in row
        ]
        lines.append(f"{row[0].n_coefficients:>{_WIDTH},}" + "".join(cells))
    for label, most in (("95 % of", "most_nearly_all"), ("50 % of", "most_half")):
        cells = [_up_to(offer, most).rjust(_WIDTH) + " " * (_WIDTH - 2) for offer in plan.offers]
        lines.append(label.rjust(_WIDTH) + "".join(cells).rstrip())
    return lines


def _up_to(offer: "Offer", most: str) -> str:
    count: int = getattr(offer, most)
    if offer.exact:
        return "any"
    return f"up to {count:,}" if count else "none"
