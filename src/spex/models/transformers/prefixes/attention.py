"""What tokens of a prefix tree may see, layer by layer: all of their prefix, or a window of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import BoolArray, IntArray
from spex.extras import require
from spex.models.transformers.network import Network

_FULL, _SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class TreeAttention:
    """The windows of a network's layers, and passes over nodes of a prefix tree.

    In a window of w tokens a token sees itself and the w - 1 before it in its own prompt. What it
    reads so is what it reads in a whole row. The cache keeps the keys of the whole path all the
    same: of two nodes of one piece, each has its own window.

    Attributes:
        windows: by the type of layer in the network's configuration, its window in tokens; None for
            all of the prefix. One mask serves a network whose configuration has no types.
        by_type: whether the network takes one mask for each type.
    """

    windows: Mapping[str, int | None]
    by_type: bool

    @classmethod
    def of(cls, config: Any) -> "TreeAttention | None":
        """The windows in a configuration; None if layers keep anything else.

        Recurrent layers, chunks and layers that compress their cache are such.
        """
        transformers = require("transformers", "hf")
        layers = transformers.DynamicCache(config=config).layers
        cache = transformers.cache_utils
        types = getattr(config.get_text_config(), "layer_types", None)
        windows: dict[str, int | None] = {}
        for place, layer in enumerate(layers):
            if type(layer) is cache.DynamicLayer:
                kind, window = _FULL, None
            elif type(layer) is cache.DynamicSlidingWindowLayer:
                kind, window = _SLIDING, int(layer.sliding_window)
            else:
                return None
            if (types is not None and types[place] != kind) or windows.get(kind, window) != window:
                return None
            windows[kind] = window
        by_type = types is not None and _SLIDING in windows
        return cls(windows, by_type) if by_type or len(windows) == 1 else None

    def with_window(self, window: int) -> "TreeAttention":
        """The same with windows of another size."""
        narrow = {kind: window if size else None for kind, size in self.windows.items()}
        return TreeAttention(narrow, self.by_type)

    @property
    def has_windows(self) -> bool:
        """Whether any layer has a window."""
        return any(self.windows.values())

    def forward(
        self,
        network: Network,
        tokens: IntArray,
        depths: IntArray,
        cached_depths: IntArray,
        visible: BoolArray,
        kept: IntArray,
        cache: Any,
    ) -> Any:
        """One pass over nodes of a prefix tree, whose keys and values are added to the cache.

        Args:
            network: the network.
            tokens: (k,) of the nodes.
            depths: (k,) their places in their prompts.
            cached_depths: (c,) the places of what the cache holds.
            visible: (k, c + k) True for a node's ancestors and itself.
            kept: (m,) the nodes whose logits are wanted, from 0.
            cache: of the network.

        Returns:
            (m, vocabulary) logits.
        """
        torch = network.torch
        lowest = torch.finfo(network.model.dtype).min
        before = np.concatenate([cached_depths, depths])

        def mask(window: int | None) -> Any:
            seen = visible
            if window is not None:
                seen = visible & (depths[:, None] - before[None] < window)
            bias = torch.zeros(seen.shape, dtype=network.model.dtype, device=network.device)
            return bias.masked_fill_(~network.tensor(seen), lowest)[None, None]

        masks = {kind: mask(window) for kind, window in self.windows.items()}
        output = network(
            input_ids=network.tensor(tokens[None]),
            position_ids=network.tensor(depths[None] + network.first_position),
            attention_mask=masks if self.by_type else next(iter(masks.values())),
            use_cache=True,
            logits_to_keep=network.tensor(kept),
            **{network.cache_name: cache},
        )
        return output.logits[0]
