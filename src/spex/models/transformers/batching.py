"""Rows of a causal language model, and their batches. Pure functions.

One forward pass over prompt + context gives the next-token distribution after the prompt and
after every token of the context. So an answer (t1 .. tk) needs the row prompt + (t1 .. tk-1), its
context. An answer whose context is a prefix of another answer's context shares that row: two
answers of one token take one row without context.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spex._typing import IntArray


@dataclass(frozen=True)
class AnswerContext:
    """The part of a row after the prompt, and the answers that it scores.

    Attributes:
        tokens: the tokens after the prompt.
        answers: the numbers of the answers whose context is `tokens` or a prefix of it.
    """

    tokens: tuple[int, ...]
    answers: tuple[int, ...]


def plan_contexts(answers: Sequence[Sequence[int]]) -> list[AnswerContext]:
    """The fewest contexts that score all answers.

    Args:
        answers: the tokens of each answer, at least one each.

    Returns:
        Contexts, none a prefix of another; each answer is in exactly one.
    """
    # Longest first, so that a context comes after those that it is a prefix of.
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
    """Group rows of similar length into batches, longest first.

    A batch is padded to its longest row. With the longest rows first, a lack of memory shows at
    once.

    Args:
        lengths: tokens of each row.
        kept: positions of each row whose logits are needed.
        token_budget: the most tokens of a batch, padding included.
        logit_budget: the most positions of a batch whose logits are computed, padding included.

    Returns:
        Row numbers per batch; every row is in exactly one. A row above a budget is alone in one.
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


def padded(
    rows: Sequence[Sequence[int]], fill: int = 0, *, left: bool = False
) -> tuple[IntArray, IntArray]:
    """Pad rows to the longest.

    Args:
        rows: the tokens of each, m rows.
        fill: the padding token.
        left: pad on the left, so that all rows end together; default: on the right.

    Returns:
        Tokens and attention mask (1 for a token, 0 for padding), each (m, longest) int64.
    """
    width = max(map(len, rows))
    tokens = np.full((len(rows), width), fill, dtype=np.int64)
    attended = np.zeros((len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        place = slice(width - len(row), None) if left else slice(len(row))
        tokens[number, place] = row
        attended[number, place] = 1
    return tokens, attended
