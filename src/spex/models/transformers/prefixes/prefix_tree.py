"""The prefix tree of prompts and answers, laid out for a causal language model. Pure functions.

The prompts of one explanation share long prefixes. In their prefix tree each distinct prefix is one
node, so each token is computed once. The nodes are laid out depth first in a single row, which goes
through the model in pieces. By tree attention (Miao et al., SpecInfer, ASPLOS 2024, section 4.2) a
token sees only its ancestors and itself. Depth first, all ancestors outside a piece are ancestors
of its first node. So the cache holds the keys and values of one path, and nothing is padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spex._typing import BoolArray, IntArray


@dataclass(frozen=True)
class Readings:
    """Log-probabilities to read off, m of them, each (m,) int64.

    Attributes:
        nodes: the node after which each is read, in ascending order.
        tokens: the token whose log-probability it is.
        prompts: the number of the prompt.
        columns: the number of the token among those of all answers, one answer after the other.
    """

    nodes: IntArray
    tokens: IntArray
    prompts: IntArray
    columns: IntArray

    @classmethod
    def joined(cls, parts: Sequence["Readings"]) -> "Readings":
        """The readings of all parts, in their order."""
        fields = [(part.nodes, part.tokens, part.prompts, part.columns) for part in parts]
        return cls(*map(np.concatenate, zip(*fields, strict=True)))

    def within(self, nodes: range) -> "Readings":
        """The readings after the nodes of a range."""
        start, stop = np.searchsorted(self.nodes, (nodes.start, nodes.stop))
        part = slice(int(start), int(stop))
        return Readings(self.nodes[part], self.tokens[part], self.prompts[part], self.columns[part])


@dataclass(frozen=True)
class PrefixTree:
    """Tokens in depth-first order, n of them, each (n,) int64.

    Attributes:
        tokens: the token of each node.
        parents: the node before each; -1 at the beginning of a prompt. A parent has the smaller
            number.
        depths: the position of each token in its prompt, from 0.
        readings: what to read off.
    """

    tokens: IntArray
    parents: IntArray
    depths: IntArray
    readings: Readings

    def ancestors(self, node: int) -> IntArray:
        """The nodes from the first token of the prompt to a node's parent, (depth,) int64."""
        path = np.empty(self.depths[node], dtype=np.int64)
        for place in range(len(path) - 1, -1, -1):
            node = self.parents[node]
            path[place] = node
        return path

    def visible(self, nodes: range) -> BoolArray:
        """What each node of a piece attends to.

        Args:
            nodes: consecutive nodes.

        Returns:
            (len(nodes), d + len(nodes)): True for a node's ancestors and itself among the d
            ancestors of the first node, followed by `nodes`.
        """
        n_past = self.depths[nodes.start]
        visible = np.zeros((len(nodes), n_past + len(nodes)), dtype=np.bool_)
        for row, node in enumerate(nodes):
            parent = self.parents[node]
            if parent >= nodes.start:
                visible[row] = visible[parent - nodes.start]
            else:
                # A parent before the piece is an ancestor of the piece's first node.
                visible[row, : self.depths[node]] = True
            visible[row, n_past + row] = True
        return visible


def plan_tree(prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> PrefixTree:
    """The prefix tree of every prompt followed by every answer.

    The last token of an answer is only read off, so it is not in the tree.

    Args:
        prompts: the tokens of each, at least one each.
        answers: the tokens of each, at least one each.
    """
    starts = np.cumsum([0, *map(len, answers)])
    rows = sorted(
        ([*prompt, *answer[:-1]], number, which)
        for number, prompt in enumerate(prompts)
        for which, answer in enumerate(answers)
    )
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    readings: list[tuple[int, int, int, int]] = []
    before: list[int] = []
    path: list[int] = []
    # Sorted, a row shares its longest prefix with the row before it.
    for row, number, which in rows:
        shared = common(before, row)
        del path[shared:]
        for depth in range(shared, len(row)):
            parents.append(path[-1] if path else -1)
            path.append(len(tokens))
            tokens.append(row[depth])
            depths.append(depth)
        last = len(prompts[number]) - 1
        readings += [
            (path[last + place], token, number, int(starts[which]) + place)
            for place, token in enumerate(answers[which])
        ]
        before = row
    columns = np.array(sorted(readings), dtype=np.int64).reshape(-1, 4).T
    return PrefixTree(
        np.array(tokens, dtype=np.int64),
        np.array(parents, dtype=np.int64),
        np.array(depths, dtype=np.int64),
        Readings(*columns),
    )


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """The length of the common prefix."""
    pairs = zip(first, second, strict=False)
    differing = (place for place, (one, other) in enumerate(pairs) if one != other)
    return next(differing, min(len(first), len(second)))
