"""Greedy replies to many prompts at once, from the network of a causal language model.

`write_tree` computes once what prompts share, and goes on with one row. Each pass adds a token to
every reply, and that token sees its own prompt and reply. `write_rows`, for models that cannot
share prefixes, goes on with a batch that is padded on the left.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import BoolArray, IntArray
from spex.errors import BackendError
from spex.models.transformers.batching import padded, plan_batches
from spex.models.transformers.network import Network
from spex.models.transformers.prefixes.attention import TreeAttention
from spex.models.transformers.prefixes.prefix_tree import common, plan_tree
from spex.models.transformers.torch_backend import backend_errors

Tokens = Sequence[int]
# (prompt number, tokens of its reply), of those that a pass has ended
_Ended = list[tuple[int, list[int]]]


@dataclass(frozen=True)
class Limits:
    """Where replies end.

    Attributes:
        ends: the tokens that end one, which are left out.
        lengths: the most tokens of the reply to each prompt.
    """

    ends: frozenset[int]
    lengths: Sequence[int]


class _Group:
    """Replies that are being written together.

    Args:
        prompts: the numbers of their prompts.
        limits: where replies end.

    Attributes:
        prompts: of those that go on.
        replies: their tokens so far.
    """

    def __init__(self, prompts: Sequence[int], limits: Limits) -> None:
        self.prompts = list(prompts)
        self.replies: list[list[int]] = [[] for _ in prompts]
        self._limits = limits

    def take(self, logits: Any) -> tuple[_Ended, BoolArray]:
        """Add the most probable token to each reply.

        Args:
            logits: (m, vocabulary) after each of the m replies.

        Returns:
            What ends, and (m,) whether a reply goes on.
        """
        goes_on = np.zeros(len(self.prompts), dtype=np.bool_)
        for place, token in enumerate(logits.argmax(dim=-1).tolist()):
            if token not in self._limits.ends:
                self.replies[place].append(token)
                most = self._limits.lengths[self.prompts[place]]
                goes_on[place] = len(self.replies[place]) < most
        pairs = list(zip(self.prompts, self.replies, strict=True))
        kept = [pair for pair, more in zip(pairs, goes_on, strict=True) if more]
        self.prompts = [prompt for prompt, _ in kept]
        self.replies = [reply for _, reply in kept]
        return [pair for pair, more in zip(pairs, goes_on, strict=True) if not more], goes_on

    @property
    def last(self) -> IntArray:
        """(m,) the last token of each reply."""
        return np.array([reply[-1] for reply in self.replies])


def write_tree(
    network: Network,
    attention: TreeAttention,
    prompts: Sequence[Tokens],
    limits: Limits,
    size: int,
    at_once: int,
) -> Iterator[tuple[int, list[int]]]:
    """Yield (prompt number, reply) as soon as one ends, in any order.

    Args:
        network: the network.
        attention: what its layers see of a prefix tree.
        prompts: the tokens of each, all different.
        limits: where replies end.
        size: the most tokens of a pass over prompts.
        at_once: the most nodes of the prefix tree of prompts whose replies are written together.
    """
    groups = _alike(prompts, at_once)
    return _in_groups(
        network,
        groups,
        lambda group: _write_group(network, attention, prompts, group, limits, size),
    )


def write_rows(
    network: Network, prompts: Sequence[Tokens], limits: Limits, token_budget: int
) -> Iterator[tuple[int, list[int]]]:
    """The same by whole rows, in batches of at most `token_budget` tokens, padding included."""
    lengths = [len(tokens) + most for tokens, most in zip(prompts, limits.lengths, strict=True)]
    groups = plan_batches(lengths, [1] * len(prompts), token_budget, len(prompts))
    return _in_groups(network, groups, lambda group: _write_padded(network, prompts, group, limits))


def _in_groups(
    network: Network,
    groups: Sequence[list[int]],
    write: Callable[[list[int]], Iterator[_Ended]],
) -> Iterator[tuple[int, list[int]]]:
    """Write group after group. If memory runs out, what remains is halved and begun again.

    Raises:
        BackendError: a pass failed.
    """
    torch = network.torch
    waiting = list(groups[::-1])
    while waiting:
        missing = dict.fromkeys(waiting[-1])
        passes = write(list(missing))
        while missing:
            try:
                with torch.inference_mode(), backend_errors(torch, network.name):
                    ended = next(passes)
            except BackendError as error:
                out_of_memory = isinstance(error.__cause__, torch.OutOfMemoryError)
                if not out_of_memory or len(missing) == 1:
                    raise
                waiting[-1] = list(missing)
                halves = [(group[len(group) // 2 :], group[: len(group) // 2]) for group in waiting]
                waiting = [half for pair in halves for half in pair if half]
                break
            for prompt, _ in ended:
                del missing[prompt]
            yield from ended
        else:
            waiting.pop()


def _alike(prompts: Sequence[Tokens], at_once: int) -> list[list[int]]:
    """Groups of prompts with long common prefixes, whose tree has at most `at_once` nodes."""
    groups: list[list[int]] = []
    nodes = 0
    before: Tokens = ()
    for number in sorted(range(len(prompts)), key=lambda number: list(prompts[number])):
        tokens = prompts[number]
        nodes += len(tokens) - common(before, tokens)
        if not groups or nodes > at_once:
            groups.append([])
            nodes = len(tokens)
        groups[-1].append(number)
        before = tokens
    return groups


def _write_group(
    network: Network,
    attention: TreeAttention,
    prompts: Sequence[Tokens],
    numbers: list[int],
    limits: Limits,
    size: int,
) -> Iterator[_Ended]:
    """What each pass ends."""
    cache = network.new_cache()
    group = _Group(numbers, limits)
    own = [prompts[number] for number in numbers]
    visible, depths, logits = _read_group(network, attention, own, size, cache)
    while True:
        ended, goes_on = group.take(logits)
        yield ended
        if not all(goes_on):
            # Drop the tokens that only finished replies have seen.
            visible = visible[goes_on]
            seen = visible.any(axis=0)
            visible, depths = visible[:, seen], depths[seen]
            cache = network.selected(cache, np.flatnonzero(seen))
        n_open = len(group.prompts)
        visible = np.hstack([visible, np.eye(n_open, dtype=np.bool_)])
        places = np.array([len(prompts[number]) - 1 for number in group.prompts])
        places += [len(reply) for reply in group.replies]
        logits = attention.forward(
            network, group.last, places, depths, visible, np.arange(n_open), cache
        )
        depths = np.concatenate([depths, places])


def _read_group(
    network: Network, attention: TreeAttention, prompts: Sequence[Tokens], size: int, cache: Any
) -> tuple[BoolArray, IntArray, Any]:
    """Read the prefix tree of prompts into an empty cache.

    Returns:
        (m, n): whether a prompt holds a node; (n,): the places of the nodes in their prompts;
        (m, vocabulary): the logits after each prompt.
    """
    tree = plan_tree(prompts, [[0]])  # the answer [0] is read once, after the prompt
    n_nodes = len(tree.tokens)
    after = []
    for start in range(0, n_nodes, size):
        nodes = range(start, min(start + size, n_nodes))
        path = tree.ancestors(start)
        seen = tree.visible(nodes)
        visible = np.zeros((len(nodes), nodes.stop), dtype=np.bool_)
        visible[:, path] = seen[:, : len(path)]
        visible[:, start:] = seen[:, len(path) :]
        piece = slice(start, nodes.stop)
        after.append(
            attention.forward(
                network,
                tree.tokens[piece],
                tree.depths[piece],
                tree.depths[:start],
                visible,
                tree.readings.within(nodes).nodes - start,
                cache,
            )
        )
    logits = network.torch.cat(after)[np.argsort(tree.readings.prompts)]
    of_prompts = np.zeros((len(prompts), n_nodes), dtype=np.bool_)
    for number, node in zip(tree.readings.prompts, tree.readings.nodes, strict=True):
        of_prompts[number, [*tree.ancestors(node), node]] = True
    return of_prompts, tree.depths, logits


def _write_padded(
    network: Network, prompts: Sequence[Tokens], numbers: list[int], limits: Limits
) -> Iterator[_Ended]:
    """What each pass ends."""
    rows, attended = padded([prompts[number] for number in numbers], left=True)
    group = _Group(numbers, limits)
    cache, fed = None, 0
    last_only = {"logits_to_keep": 1} if "logits_to_keep" in network.accepted else {}
    while True:
        inputs = {"input_ids": network.tensor(rows[:, fed:])}
        if not attended.all():
            inputs["attention_mask"] = network.tensor(attended)
            if "position_ids" in network.accepted:
                positions = np.maximum(attended.cumsum(axis=1) - 1, 0)[:, fed:]
                inputs["position_ids"] = network.tensor(positions + network.first_position)
        if cache is not None:
            inputs[network.cache_name] = cache
        output = network(**inputs, use_cache=True, **last_only)
        # A model without a key-value cache reads everything again each time.
        cache = getattr(output, network.cache_name, None)
        fed = rows.shape[1] if cache is not None else 0
        ended, goes_on = group.take(output.logits[:, -1])
        yield ended
        if not all(goes_on):
            rows, attended = rows[goes_on], attended[goes_on]
            if cache is not None:
                cache.reorder_cache(network.tensor(np.flatnonzero(goes_on)))
        rows = np.hstack([rows, group.last[:, None]])
        attended = np.hstack([attended, np.ones((len(rows), 1), dtype=np.int64)])
