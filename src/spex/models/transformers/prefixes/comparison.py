"""Does a network give the same values for a prefix tree as for whole rows? It is tried."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.extras import require
from spex.models.transformers.precision import in_float32
from spex.models.transformers.prefixes.attention import TreeAttention

# Prompts and answers, and how they are attended to; None for whole rows.
_Score = Callable[
    [list[list[int]], list[list[int]], TreeAttention | None],
    Iterator[tuple[int, list[FloatArray]]],
]
# Prompts of four tokens and answers of two exceed it.
_WINDOW = 3


def agrees(model: Any, kernel: str, attention: TreeAttention, score: _Score) -> bool:
    """Compare a prefix tree with whole rows; if they agree, keep the attention kernel.

    The tree has a hundred nodes, more than a block of the blockwise kernel. Windows are narrowed
    meanwhile, for prompts as long as a real window would take too long. Weights of half precision
    are converted to float32 if there is room. In bfloat16 two correct ways differ by up to 2 nats
    on these prompts, because the prompts make no sense.

    Args:
        model: the network.
        kernel: the attention kernel, by its name in transformers.
        attention: what the model's layers see.
        score: scores token lists.
    """
    torch = require("torch", "hf")
    before = model.config._attn_implementation
    prompts = [list(tokens) for tokens in itertools.product(range(3), repeat=4)]
    answers = [[1, 2], [2]]
    try:
        with _narrowed(model, attention) as narrow, in_float32(torch, model):
            tolerance = torch.finfo(model.dtype).eps ** 0.5
            whole = dict(score(prompts, answers, None))
            model.set_attn_implementation(kernel)
            shared = dict(score(prompts, answers, narrow))
        alike = all(
            np.allclose(of_tree, of_row, rtol=tolerance, atol=tolerance)
            for number in whole
            for of_tree, of_row in zip(shared[number], whole[number], strict=True)
        )
    except Exception:  # an architecture may raise anything for such a mask or cache
        alike = False
    if not alike:
        model.set_attn_implementation(before)
    return alike


@contextmanager
def _narrowed(model: Any, attention: TreeAttention) -> Iterator[TreeAttention]:
    """The network with narrow windows."""
    if not attention.has_windows:
        yield attention
        return
    config = model.config.get_text_config()
    before = config.sliding_window
    config.sliding_window = _WINDOW
    try:
        yield attention.with_window(_WINDOW)
    finally:
        config.sliding_window = before
