"""Who gets which rows: every row is done once, whatever becomes of the workers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spex.engines.blocks import Blocks, Pace


@given(
    st.integers(1, 200),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
    st.floats(0, 0.4),
)
def test_every_row_is_done_once(count, n_workers, random, share_lost):
    blocks, paces = Blocks(count), {worker: Pace() for worker in range(n_workers)}
    flying, done, n_made = [], np.zeros(count, dtype=int), n_workers
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
        done[block.rows[new]] += 1
    assert (done == 1).all()


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


def test_blocks_take_about_a_second():
    pace = Pace()
    sizes = [pace.size]
    for _ in range(6):
        pace.note(pace.size, pace.size * 0.01)
        sizes.append(pace.size)
    assert sizes == [4, 16, 64, 100, 100, 100, 100]
    pace.note(100, 20.0)
    assert pace.size == 5
