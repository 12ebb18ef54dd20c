"""Attention in blocks of queries: each block is compared only with the keys that it may see.

In a prefix tree laid out in one row, a token sees its ancestors, a small part of a piece. The usual
kernels compare it with the whole piece and mask the rest. This kernel is registered with
transformers' AttentionInterface; calls that it does not support go to `sdpa`.
"""

import functools
from collections.abc import Mapping
from typing import Any

from spex.extras import require

NAME = "spex_blockwise"
# Smaller blocks waste fewer keys, larger ones need fewer calls: 32 and 64 take the same time.
_BLOCK = 64


@functools.cache
def register() -> str:
    """Register the kernel with transformers and return its name there."""
    torch = require("torch", "hf")
    transformers = require("transformers", "hf")
    masking_utils = require("transformers.masking_utils", "hf")
    attentions = require("transformers.modeling_utils", "hf").ALL_ATTENTION_FUNCTIONS
    whole = attentions["sdpa"]

    def blockwise(
        module: Any,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any,
        dropout: float = 0.0,
        scaling: float | None = None,
        **others: Any,
    ) -> tuple[Any, None]:
        batch, heads, length, _ = query.shape
        if dropout or batch > 1 or length <= _BLOCK or not _is_plain(attention_mask, others):
            result: tuple[Any, None] = whole(
                module, query, key, value, attention_mask,
                dropout=dropout, scaling=scaling, **others,
            )  # fmt: skip
            return result
        bias = attention_mask[0, 0]
        seen = bias > torch.finfo(bias.dtype).min
        found = query.new_empty(batch, heads, length, value.shape[-1])
        for start in range(0, length, _BLOCK):
            rows = slice(start, start + _BLOCK)
            columns = seen[rows].any(dim=0).nonzero()[:, 0]
            found[:, :, rows] = torch.nn.functional.scaled_dot_product_attention(
                query[:, :, rows],
                key[:, :, columns],
                value[:, :, columns],
                attn_mask=bias[rows][:, columns][None, None],
                scale=scaling,
                enable_gqa=key.shape[1] != heads,
            )
        return found.transpose(1, 2).contiguous(), None

    transformers.AttentionInterface.register(NAME, blockwise)
    # Its masks are those of sdpa.
    masking_utils.AttentionMaskInterface.register(NAME, masking_utils.sdpa_mask)
    return NAME


def _is_plain(mask: Any, others: Mapping[str, Any]) -> bool:
    """Whether the mask is one of numbers for all heads, and nothing else is asked for."""
    if any(others.get(name) is not None for name in ("position_bias", "softcap", "s_aux")):
        return False
    return mask is not None and mask.is_floating_point() and mask.shape[1] == 1
