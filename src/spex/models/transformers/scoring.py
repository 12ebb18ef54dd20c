"""Log-probabilities of answers after prompts, from the network of a causal language model.

Prompts and answers are tokens. `score_tree` and `score_rows` yield the readings of one batch after
the other; `collected` puts them together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spex._typing import FloatArray
from spex.models.transformers.batching import (
    AnswerContext,
    padded,
    plan_batches,
    plan_contexts,
)
from spex.models.transformers.network import Network
from spex.models.transformers.prefixes.attention import TreeAttention
from spex.models.transformers.prefixes.prefix_tree import Readings, plan_tree
from spex.models.transformers.torch_backend import LOGIT_POSITIONS, pick

Tokens = Sequence[int]


@dataclass(frozen=True)
class TokenRow:
    """One sequence for the network: a prompt and the context of some answers.

    Attributes:
        prompt: the number of the prompt.
        context: the tokens after the prompt, and the answers that they score.
        tokens: the tokens of both.
    """

    prompt: int
    context: AnswerContext
    tokens: list[int]

    @property
    def kept(self) -> int:
        """Positions whose logits are needed: the last one of the prompt, all of the context."""
        return len(self.context.tokens) + 1

    def readings(
        self, first: int, answers: Sequence[Tokens], starts: Sequence[int]
    ) -> list[tuple[int, int, int, int]]:
        """(place in the logits, token, prompt, column) of each reading, as in `Readings`.

        Args:
            first: the place of the prompt's last position.
            answers: the tokens of each answer.
            starts: the first column of each answer.
        """
        return [
            (first + place, token, self.prompt, starts[answer] + place)
            for answer in self.context.answers
            for place, token in enumerate(answers[answer])
        ]


def plan_rows(prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> list[TokenRow]:
    """The rows that score all answers after all prompts."""
    contexts = plan_contexts(answers)
    return [
        TokenRow(number, context, [*tokens, *context.tokens])
        for number, tokens in enumerate(prompts)
        for context in contexts
    ]


def columns(answers: Sequence[Tokens]) -> list[int]:
    """The first column of each answer, and the number of columns."""
    return [0, *np.cumsum([len(answer) for answer in answers]).tolist()]


def collected(
    results: Iterator[tuple[Readings, FloatArray]], n_prompts: int, answers: Sequence[Tokens]
) -> Iterator[tuple[int, list[FloatArray]]]:
    """Yield (prompt number, log-probabilities of each answer) once a prompt has all of them."""
    starts = columns(answers)
    values = np.empty((n_prompts, starts[-1]))
    missing = np.full(n_prompts, starts[-1])
    for readings, of_readings in results:
        values[readings.prompts, readings.columns] = of_readings
        np.subtract.at(missing, readings.prompts, 1)
        for prompt in np.unique(readings.prompts):
            if not missing[prompt]:
                yield int(prompt), np.split(values[prompt].copy(), starts[1:-1])


def score_tree(
    network: Network,
    attention: TreeAttention,
    prompts: Sequence[Tokens],
    answers: Sequence[Tokens],
    size: int,
) -> Iterator[tuple[Readings, FloatArray]]:
    """Each token of the prefix tree once, in pieces of one row of `size` tokens."""
    tree = plan_tree(prompts, answers)
    cache = network.new_cache()
    cached = np.empty(0, dtype=np.int64)

    def forward(nodes: range) -> tuple[Readings, FloatArray]:
        nonlocal cache, cached
        path = tree.ancestors(nodes.start)
        # A new cache, so that a pass that fails can be repeated in halves.
        grown = network.selected(cache, np.searchsorted(cached, path))
        piece = slice(nodes.start, nodes.stop)
        readings = tree.readings.within(nodes)
        kept, places = np.unique(readings.nodes - nodes.start, return_inverse=True)
        logits = attention.forward(
            network,
            tree.tokens[piece],
            tree.depths[piece],
            np.arange(len(path)),
            tree.visible(nodes),
            kept,
            grown,
        )
        cache, cached = grown, np.concatenate([path, np.arange(nodes.start, nodes.stop)])
        return readings, pick(network.torch, logits, places, readings.tokens)

    nodes = range(len(tree.tokens))
    return network.run([nodes[start : start + size] for start in nodes[::size]], forward)


def score_rows(
    network: Network, prompts: Sequence[Tokens], answers: Sequence[Tokens], token_budget: int
) -> Iterator[tuple[Readings, FloatArray]]:
    """Padded batches of whole rows, for models that cannot share prefixes."""
    rows = plan_rows(prompts, answers)
    batches = plan_batches(
        [len(row.tokens) for row in rows],
        [row.kept for row in rows],
        token_budget,
        LOGIT_POSITIONS,
    )
    return network.run(
        [[rows[number] for number in batch] for batch in batches],
        lambda batch: _forward_rows(network, batch, answers),
    )


def _forward_rows(
    network: Network, rows: Sequence[TokenRow], answers: Sequence[Tokens]
) -> tuple[Readings, FloatArray]:
    kept = max(row.kept for row in rows)
    # Padded on the left, so that the last logits of every row are the ones needed.
    tokens, attended = padded([row.tokens for row in rows], left=True)
    inputs = {"input_ids": network.tensor(tokens)}
    if not attended.all():
        # Only padding needs a mask: without one, attention takes its fast causal path.
        inputs["attention_mask"] = network.tensor(attended)
        if "position_ids" in network.accepted:
            positions = np.maximum(attended.cumsum(axis=1) - 1, 0)
            inputs["position_ids"] = network.tensor(positions + network.first_position)
    if "logits_to_keep" in network.accepted:
        inputs["logits_to_keep"] = kept
    logits = network(**inputs, use_cache=False).logits[:, -kept:]
    starts = columns(answers)
    read = [
        reading
        for number, row in enumerate(rows)
        for reading in row.readings(kept * (number + 1) - row.kept, answers, starts)
    ]
    readings = Readings(*np.array(read, dtype=np.int64).T)
    return readings, pick(network.torch, logits.flatten(0, 1), readings.nodes, readings.tokens)
