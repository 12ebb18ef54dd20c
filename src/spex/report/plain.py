"""An explanation as a few lines of plain text: its `repr`."""

from typing import TYPE_CHECKING

from spex.report import facts
from spex.wording import counted

if TYPE_CHECKING:
    from spex.explanation import Explanation

_SHOWN = 10


def as_text(explanation: "Explanation") -> str:
    """What was explained, how faithfully and at what cost, and the ten largest interactions."""
    lines = [
        f"Explanation of {counted(explanation.n_features, 'feature')} "
        f"by {facts.one_line(explanation.method)}: {facts.fidelity_short(explanation)}, "
        f"{facts.cost(explanation)}"
    ]
    for key in ("model", "score", "answer"):
        text = facts.score(explanation) if key == "score" else facts.context_text(explanation, key)
        if text is not None:
            lines.append(f"{key}: {facts.short(text, 80)}")
    lines.append("everything kept: {}; nothing kept: {}".format(*facts.ends(explanation)))
    usage = facts.usage(explanation)
    if usage is not None:
        lines.append(f"server: {usage}")
    forecast = facts.forecast(explanation)
    if forecast is not None:
        lines.append(f"{forecast[0].lower()}{forecast[1:].removesuffix('.')}")
    lines += [f"note: {facts.one_line(note)}" for note in explanation.notes]

    values = explanation.interactions()
    top = values.top(_SHOWN)
    if not top:
        lines.append(facts.nothing_listed(explanation))
        return "\n".join(lines)
    lines.append(f"largest interactions ({facts.heading(values)}):")
    labels = facts.labels(explanation, 32)
    for interaction, value in top:
        mark = facts.UNCERTAIN if facts.is_uncertain(values, interaction) else ""
        lines.append(f"{facts.signed(value):>10} {mark:1} {facts.joined(labels, interaction)}")
    for rest in (facts.remainder(values, len(top)), facts.uncertain(values, len(top))):
        if rest is not None:
            lines.append(f"{'':>10}   {rest}")
    if basis := facts.basis(explanation, values.index):
        lines.append(basis)
    return "\n".join(lines)
