"""Planning of rows and batches, which needs no model."""

from hypothesis import given
from hypothesis import strategies as st

from spex.models.transformers.batching import AnswerContext, plan_batches, plan_contexts

answer_lists = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), max_size=6)
rows = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)).map(sorted), max_size=40)


def test_answers_of_one_token_share_one_row():
    assert plan_contexts([[5], [7], [9]]) == [AnswerContext((), (0, 1, 2))]


def test_an_answer_shares_the_row_of_one_that_continues_it():
    assert plan_contexts([[1], [1, 2, 3], [4, 5], [1, 9]]) == [
        AnswerContext((1, 2), (0, 1, 3)),
        AnswerContext((4,), (2,)),
    ]


@given(answers=answer_lists)
def test_contexts_hold_each_answer_once_and_none_begins_another(answers):
    contexts = plan_contexts(answers)
    assert sorted(a for context in contexts for a in context.answers) == list(range(len(answers)))
    for context in contexts:
        for answer in context.answers:
            needed = tuple(answers[answer][:-1])
            assert context.tokens[: len(needed)] == needed
    for first in contexts:
        for second in contexts:
            assert first is second or second.tokens[: len(first.tokens)] != first.tokens


def test_batches_are_sorted_by_length_longest_first():
    assert plan_batches([3, 9, 4, 9, 1], [1] * 5, 18, 100) == [[1, 3], [2, 0, 4]]


def test_positions_kept_are_bounded():
    assert plan_batches([10, 10, 10], [5, 5, 5], 1000, 10) == [[0, 1], [2]]


def test_a_row_above_a_budget_goes_alone():
    assert plan_batches([30, 2, 2], [1, 1, 1], 10, 100) == [[0], [1, 2]]
    assert plan_batches([], [], 10, 10) == []


@given(rows=rows, token_budget=st.integers(1, 200), logit_budget=st.integers(1, 200))
def test_batches_hold_each_row_once_within_the_budgets(rows, token_budget, logit_budget):
    kept = [row[0] for row in rows]
    lengths = [row[1] for row in rows]
    batches = plan_batches(lengths, kept, token_budget, logit_budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(rows)))
    flat = [lengths[row] for batch in batches for row in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in batches:
        assert batch
        if len(batch) > 1:
            assert len(batch) * max(lengths[row] for row in batch) <= token_budget
            assert len(batch) * max(kept[row] for row in batch) <= logit_budget
