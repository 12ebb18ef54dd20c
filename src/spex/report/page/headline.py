"""The findings in plain words, and the warnings that a reader needs."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from spex._typing import Interaction
from spex.inputs.parts import ImagePart, TextPart
from spex.interactions.values import InteractionValues
from spex.report import facts
from spex.report.page.data import Fact, Headline
from spex.wording import isolated, percent, shorten

if TYPE_CHECKING:
    from spex.explanation import Explanation

# Below this share of the largest single value, a combination is not mentioned first.
_NOTEWORTHY = 0.2
# As a share of the standard deviation over masks.
_BARELY = 0.25
_IMPROBABLE = 0.01
# Long answers are improbable as a whole, so this limit is for each word, in nats.
_IMPROBABLE_WORD = -3.0
_NEARLY_ALL = 0.95
_MOST_WORDS = 6
# Lines around the parts that are shown below.
_NOT_ASKED = ("[...]", "<tool_response>", "</tool_response>")
# If the interval of R2 ends below this, the surrogate explains next to nothing.
_NEXT_TO_NOTHING = 0.05


def headline(
    explanation: "Explanation", values: InteractionValues, labels: Sequence[str]
) -> Headline:
    """The strongest combination, or the strongest single unit if none is worth telling.

    Of those that are surely not 0; the picture and the button of the page take the same one.
    """
    top = values.top(len(values))
    if not top:
        return Headline(((facts.nothing_listed(explanation), False),))
    sure = [pair for pair in top if not facts.is_uncertain(values, pair[0])]
    if explanation.r2_interval[1] <= _NEXT_TO_NOTHING or not sure:
        return _nothing_sure(explanation, values, top[0], labels)
    single = next((pair for pair in sure if len(pair[0]) == 1), None)
    joint = next((pair for pair in sure if len(pair[0]) > 1), None)
    is_joint = joint is not None and not _is_small(joint, single)
    first, second = (joint, single) if is_joint else (single, joint)
    assert first is not None  # at least one of them exists
    words = [*_named(first[0], labels), (_effect(explanation, values, first), False)]
    details = [_certainty(explanation, values, first[0])]
    if second is not None:
        kind = "combination" if len(second[0]) > 1 else "single unit"
        size = facts.typeset(facts.signed(second[1]))
        details.append(f"Strongest {kind}: {_quoted(labels, second[0])}: {size}.")
    share = facts.joint_share(explanation)
    if share > 0:
        details.append(
            f"{percent(share)} of the explained variation comes from units acting together."
        )
    return Headline(tuple(words), tuple(details))


def _nothing_sure(
    explanation: "Explanation",
    values: InteractionValues,
    largest: tuple[Interaction, float],
    labels: Sequence[str],
) -> Headline:
    """If all may be noise: say so, before any number."""
    told = "The surrogate explains almost nothing of the score"
    if facts.is_uncertain(values, largest[0]) and not values.discoveries():
        told = "No unit or combination has an effect clearly different from 0"
    size = facts.typeset(facts.signed(largest[1]))
    names = _quoted(labels, largest[0])
    certainty = _certainty(explanation, values, largest[0])
    return Headline(((told, False),), (f"The largest: {names}: {size}.", certainty))


def _quoted(labels: Sequence[str], members: Interaction) -> str:
    """A label in quotes if it has a mark that would end the sentence around it."""
    told = [isolated(label) for label in labels]
    if any(not labels[member].replace(" ", "").isalnum() for member in members):
        told = [f"\u201c{each}\u201d" for each in told]
    return facts.joined(told, members)


def _is_small(joint: tuple[Interaction, float], single: tuple[Interaction, float] | None) -> bool:
    return single is not None and abs(joint[1]) < _NOTEWORTHY * abs(single[1])


def _named(members: Interaction, labels: Sequence[str]) -> Iterator[tuple[str, bool]]:
    for place, member in enumerate(members[:_MOST_WORDS]):
        if place:
            yield " + ", False
        yield labels[member], True
    if len(members) > _MOST_WORDS:
        yield f" + {len(members) - _MOST_WORDS:,} more", False


def _effect(
    explanation: "Explanation", values: InteractionValues, found: tuple[Interaction, float]
) -> str:
    members, value = found
    unit = facts.isolated_unit(explanation)
    if not facts.has_direction(values.index):
        size = facts.signed(2 * abs(value)).removeprefix("+")
        kept = "an even number" if value > 0 else "an odd number"
        whole = "it is" if len(members) == 1 else f"{kept} of them is"
        if len(members) == 1:
            whole = "it is left out" if value > 0 else "it is kept"
        return (
            f": the score is higher by {size} {unit}".rstrip()
            + f" when {whole}"
            + (" kept" if len(members) > 1 else "")
        )
    size = f"{facts.signed(value).lstrip('+-')} {unit}".strip()
    verb = "raise" if value > 0 else "lower"
    if len(members) == 1:
        return f" {verb}s the score by {size}"
    beyond = "each does alone" if len(members) == 2 else "fewer of them do"
    return f" {verb} the score by {size} beyond what {beyond}"


def _certainty(explanation: "Explanation", values: InteractionValues, members: Interaction) -> str:
    told = facts.heading(values)
    if facts.margin(values, members) is None:
        return f"By {told}."
    low, high = (facts.typeset(facts.signed(bound)) for bound in values.interval(members))
    return f"By {told}; 90 % interval {low} to {high}{_doubt(values, members)}."


def _doubt(values: InteractionValues, members: Interaction) -> str:
    if not facts.is_uncertain(values, members):
        return ""
    low, high = values.interval(members)
    if low < 0 < high:
        return ", which holds 0"
    listed = sum(1 for key in values if key)
    return f"; of {listed:,} such intervals some miss 0 by chance"


def cautions(explanation: "Explanation", values: InteractionValues) -> tuple[str, ...]:
    """Warnings for the reader, a sentence each."""
    found = (
        facts.caution(explanation),
        _no_interaction(explanation, values),
        _barely_moves(explanation),
        _improbable(explanation),
    )
    return tuple(sentence for sentence in found if sentence is not None)


def _no_interaction(explanation: "Explanation", values: InteractionValues) -> str | None:
    r2 = explanation.r2
    if facts.is_constant(explanation) or explanation.n_features < 2 or r2 >= _NEARLY_ALL:
        return None
    if explanation.spectrum.degree < 2:
        return (
            f"No combination was found with {facts.cost(explanation)}. An important one may have "
            "been missed."
        )
    joint = [members for members in values if len(members) > 1]
    if joint and all(facts.is_uncertain(values, members) for members in joint):
        return (
            f"With {facts.cost(explanation)} no combination is clearly different from noise. So "
            "none is drawn; those that the slider draws are guesses."
        )
    return None


def _barely_moves(explanation: "Explanation") -> str | None:
    whole, nothing = explanation.observed
    if whole is None or nothing is None or facts.is_constant(explanation):
        return None
    spread = math.sqrt(math.fsum(f * f for k, f in explanation.spectrum.items() if k))
    if abs(whole - nothing) > _BARELY * spread:
        return None
    told = " and ".join(facts.typeset(facts.signed(value, spread)) for value in (whole, nothing))
    return (
        f"The score barely moves between everything and nothing ({told}). The explanation is about "
        "its variation in between."
    )


def _improbable(explanation: "Explanation") -> str | None:
    """For log P and P of one answer: whether the model would hardly have given it."""
    context, whole = explanation.context, explanation.observed[0]
    score, answer = context.score or "", context.answer
    if whole is None or not answer or " - " in score or "mean" in score:
        return None
    if score.startswith("log P"):
        least = _IMPROBABLE_WORD * max(1, len(answer.split()))
        improbable = whole < min(math.log(_IMPROBABLE), least)
        share = math.exp(min(whole, 0.0))
    elif score.startswith("P("):
        improbable, share = whole < _IMPROBABLE, whole
    else:
        return None
    if not improbable:
        return None
    return (
        f"Even with everything, the model gives this answer a probability of only "
        f"{percent(max(share, 0.0))}."
    )


def asked(explanation: "Explanation") -> tuple[Fact, ...]:
    """The question around the input, and the answer, as far as they are known."""
    question = _last_message(explanation) or _question(explanation)
    asked = [Fact("Asked", question, block=True)] if question else []
    return (*asked, *answers_and_score(explanation, "Answer"))


def answers_and_score(explanation: "Explanation", name: str) -> tuple[Fact, ...]:
    """The answer that is explained, under a name, the other one if there is any, and the score.

    Two answers that the score tells in full are left out; one that it cuts, it names.
    """
    context, score = explanation.context, facts.isolated_score(explanation)
    told = {name: context.answer}
    if context.compared is not None:
        told = dict(zip((name, "Compared with"), context.compared, strict=True))
        if all(f'"{answer}"' in (context.score or "") for answer in context.compared):
            told = {}
    answers = {name: facts.visible(answer) for name, answer in told.items() if answer}
    cut = {name: shorten(text) for name, text in answers.items() if shorten(text) != text}
    if score and len(answers) == 2:
        first, second = map(str.lower, answers)
        score = f"log P({first}) - log P({second})"
        score = ", ".join(filter(None, [score, facts.isolated_unit(explanation)]))
    elif score:
        for of, text in cut.items():
            score = score.replace(f'"{facts.visible(text)}"', of.lower(), 1)
    found = [Fact(of, text, block=True) for of, text in answers.items()]
    return (*found, *([Fact("Score", score)] if score else []))


def _last_message(explanation: "Explanation") -> str | None:
    """What the user of a chat said last; None if the input is no chat."""
    parts = facts.parts(explanation) or ()
    if len(parts) < 2:
        return None
    said = [part for part in parts if isinstance(part, TextPart) and part.heading == "user"]
    return "".join(text for text, _ in said[-1].pieces).strip() if said else None


def _question(explanation: "Explanation") -> str | None:
    """The prompt with dots in place of the input, which is shown below; None if nothing is left."""
    prompt = facts.context_text(explanation, "prompt")
    if prompt is None:
        return None
    for part in facts.parts(explanation) or ():
        if isinstance(part, ImagePart):
            continue
        whole = "".join(text for text, _ in part.pieces).strip()
        titled = f"{part.heading}\n{whole}"
        for shown in (titled, whole):
            if shown and shown in prompt:
                prompt = prompt.replace(shown, "[...]", 1)
                break
    lines = [line.strip() for line in prompt.split("\n")]
    left = "\n".join(line for line in lines if line and line not in _NOT_ASKED)
    return left if left.replace("[...]", "").strip() else None
