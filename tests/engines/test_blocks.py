"""Who gets which rows: every row is done once, whatever becomes of the workers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spex.engines.blocks import Blocks, Pace


@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=4),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
    st.floats(0, 0.4),
)
def test_every_row_is_done_once(counts, n_workers, random, share_lost):
    blocks, paces = Blocks(*counts), {worker: Pace() for worker in range(n_workers)}
    flying, done, n_made = [], [np.zeros(count, dtype=int) for count in counts], n_workers
    while not blocks.are_done:
        for worker, pace in paces.items():
            while block := blocks.give(worker, pace, len(paces)):
                flying.append((worker, block))
        assert flying
        assert all(sum(w == worker for w, _ in flying) <= 2 for worker in paces)
        worker, block = flying.pop(random.randrange(len(flying)))
        if random.random() < share_lost:
            blocks.lose(worker)
            flying = [one for one in flying if one[0] != worker]
            del paces[worker]
            paces[n_made], n_made = Pace(), n_made + 1
            continue
        paces[worker].note(len(block.rows), random.random())
        new = blocks.finish(worker, block, np.ones(len(block.rows), dtype=bool))
        done[block.part][block.rows[new]] += 1
    assert all((of_part == 1).all() for of_part in done)


def test_a_straggler_is_asked_of_another_worker():
    blocks, pace = Blocks(4), Pace(size=4)
    slow = blocks.give(0, pace, 1)
    while other := blocks.give(0, pace, 1):
        blocks.finish(0, other, np.ones(len(other.rows), dtype=bool))
    assert blocks.give(0, pace, 2) is None  # not of itself
    again = blocks.give(1, pace, 2)
    assert again is slow and blocks.give(2, pace, 3) is None  # twice is enough
    assert blocks.finish(1, again, np.ones(len(again.rows), dtype=bool)).all()
    assert blocks.are_done
    assert not blocks.finish(0, slow, np.ones(len(slow.rows), dtype=bool)).any()


def test_a_part_that_is_dropped_costs_the_others_nothing():
    blocks, pace = Blocks(3, 5, 2), Pace(size=4)
    first = blocks.give(0, pace, 2)
    assert (first.part, first.rows.tolist()) == (0, [0, 1, 2])
    second = blocks.give(0, pace, 2)
    assert second.part == 1  # a block has rows of one part
    third = blocks.give(1, pace, 2)
    blocks.drop(1)
    assert blocks.finish(0, second, np.zeros(len(second.rows), dtype=bool)).sum() == 0
    blocks.lose(1)  # with what it was given of the part dropped, or of another
    done = {0: 0, 1: 0, 2: 0}
    blocks.finish(0, first, np.ones(3, dtype=bool))
    while block := blocks.give(2, pace, 2):
        done[block.part] += blocks.finish(2, block, np.ones(len(block.rows), dtype=bool)).sum()
    assert blocks.are_done and done == {0: 0, 1: 0, 2: 2} and third.part in (1, 2)


def test_blocks_take_about_a_second():
    pace = Pace()
    sizes = [pace.size]
    for _ in range(6):
        pace.note(pace.size, pace.size * 0.01)
        sizes.append(pace.size)
    assert sizes == [4, 16, 64, 100, 100, 100, 100]
    pace.note(100, 20.0)
    assert pace.size == 5
