"""The prefix tree, which needs no model, against sets of prefixes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spex.models.transformers.prefixes.prefix_tree import plan_tree

sequences = st.lists(st.integers(0, 2), min_size=1, max_size=6)
some = st.lists(sequences, max_size=6)


def row(tree, node):
    """The tokens from the beginning of a prompt to a node."""
    return tuple(tree.tokens[[*tree.ancestors(node), node]])


@given(prompts=some, answers=some)
def test_every_distinct_beginning_is_one_node(prompts, answers):
    tree = plan_tree(prompts, answers)
    rows = [[*prompt, *answer[:-1]] for prompt in prompts for answer in answers]
    beginnings = {tuple(row[: stop + 1]) for row in rows for stop in range(len(row))}
    found = [row(tree, node) for node in range(len(tree.tokens))]
    assert sorted(found) == sorted(beginnings)
    assert [len(beginning) - 1 for beginning in found] == tree.depths.tolist()


@given(prompts=some, answers=some)
def test_every_token_of_every_answer_is_read_after_its_whole_prefix(prompts, answers):
    tree = plan_tree(prompts, answers)
    flat = [(which, place) for which, answer in enumerate(answers) for place in range(len(answer))]
    readings = tree.readings
    assert np.all(np.diff(readings.nodes) >= 0)
    read = set()
    for node, token, number, column in zip(
        readings.nodes, readings.tokens, readings.prompts, readings.columns, strict=True
    ):
        which, place = flat[column]
        assert token == answers[which][place]
        assert row(tree, node) == (*prompts[number], *answers[which][:place])
        read.add((number, column))
    assert len(read) == len(readings.nodes) == len(prompts) * len(flat)


@given(prompts=some, answers=some, size=st.integers(1, 9))
def test_a_piece_sees_ancestors_among_the_path_to_its_first_node_and_itself(prompts, answers, size):
    tree = plan_tree(prompts, answers)
    nodes = range(len(tree.tokens))
    n_readings = 0
    for start in range(0, len(nodes), size):
        piece = nodes[start : start + size]
        slots = np.array([*tree.ancestors(start), *piece])
        for visible, node in zip(tree.visible(piece), piece, strict=True):
            assert slots[visible].tolist() == [*tree.ancestors(node), node]
        within = tree.readings.within(piece)
        assert np.isin(within.nodes, piece).all()
        n_readings += len(within.nodes)
    assert n_readings == len(tree.readings.nodes)


def test_a_shared_beginning_is_computed_once():
    tree = plan_tree([[1, 2, 3], [1, 2, 4], [1, 2, 3, 5]], [[7], [8]])
    assert tree.tokens.tolist() == [1, 2, 3, 5, 4]
    assert tree.parents.tolist() == [-1, 0, 1, 2, 1]
