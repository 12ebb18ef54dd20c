"""Which rows go through a causal language model, and in which batches. Pure functions.

One forward pass over prompt + context gives the next-token distribution after the prompt and
after every token of the context. So the answers (t1 .. tk) need the rows prompt + (t1 .. tk-1), and
an answer whose context begins another answer's context needs no row of its own: the log-odds of two
answers of one token cost one row without context.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AnswerContext:
    """Answer tokens that are fed to the model, and the answers that can be read off then.

    Attributes:
        tokens: the tokens that follow the prompt.
        answers: the numbers of the answers whose context is `tokens` or begins it.
    """

    tokens: tuple[int, ...]
    answers: tuple[int, ...]


def plan_contexts(answers: Sequence[Sequence[int]]) -> list[AnswerContext]:
    """The fewest contexts from which the log-probabilities of all answers can be read.

    Args:
        answers: the tokens of each answer, at least one each.

    Returns:
        Contexts none of which begins another; each answer is in exactly one.
    """
    # From the longest on, so that a context that begins another comes after it.
    order = sorted(range(len(answers)), key=lambda number: -len(answers[number]))
    readers: dict[tuple[int, ...], list[int]] = {}
    for number in order:
        context = tuple(answers[number][:-1])
        longer = next((c for c in readers if c[: len(context)] == context), context)
        readers.setdefault(longer, []).append(number)
    return [AnswerContext(tokens, tuple(sorted(who))) for tokens, who in readers.items()]


def plan_batches(
    lengths: Sequence[int],
    kept: Sequence[int],
    token_budget: int,
    logit_budget: int,
) -> list[list[int]]:
    """Group rows of similar length into batches.

    A batch is padded to its longest row, so neighbours in length go together, longest first: the
    largest batch comes first, and what does not fit in memory fails at once.

    Args:
        lengths: tokens of each row.
        kept: positions of each row whose logits are needed.
        token_budget: the most tokens of a batch, padding included.
        logit_budget: the most positions of a batch whose logits are computed, padding included.

    Returns:
        Row numbers per batch; every row is in exactly one. A row above a budget is a batch alone.
    """
    batches: list[list[int]] = []
    longest = most_kept = 0
    # Equal lengths stay in order (sorted is stable), so the plan is deterministic.
    for row in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        most_kept = max(most_kept, kept[row])
        size = len(batches[-1]) + 1 if batches else 1
        if batches and size * longest <= token_budget and size * most_kept <= logit_budget:
            batches[-1].append(row)
        else:
            batches.append([row])
            longest, most_kept = lengths[row], kept[row]
    return batches
