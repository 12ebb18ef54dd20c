"""The error of half precision: the network reads the same prompts again in float32."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import BackendError
from spex.models.transformers.torch_backend import backend_errors, has_room
from spex.wording import counted


@dataclass(frozen=True)
class HalfPrecision:
    """By how much the values of a network in half precision are off.

    Attributes:
        dtype: "bfloat16" or "float16".
        n_prompts: how many prompts were read twice.
        unit: of the values, "nats" or none.
        off: the largest difference from float32, in this unit; None if unknown.
        missing: why it is unknown.
    """

    dtype: str
    n_prompts: int
    unit: str
    off: float | None = None
    missing: str = ""

    @property
    def note(self) -> str:
        """What a report says."""
        what = "log-probabilities of answers" if self.unit else "outputs"
        if self.off is None:
            return (
                f"{self.dtype}: how far {what} are off was not measured: {self.missing}; "
                "dtype='float32' (--dtype float32) is exact"
            )
        return (
            f"{self.dtype}: {what} are off by up to {f'{self.off:.2g} {self.unit}'.strip()} "
            f"({counted(self.n_prompts, 'masked prompt')} also read in float32)"
        )


def half_precision(torch: Any, model: Any) -> str | None:
    """The dtype of a network, "bfloat16" or "float16"; None for a wider one."""
    if model.dtype in (torch.bfloat16, torch.float16):
        return str(model.dtype).removeprefix("torch.")
    return None


def compared_with_float32(
    torch: Any,
    model: Any,
    name: str,
    values: FloatArray,
    read: Callable[[], FloatArray],
    unit: str,
) -> HalfPrecision:
    """Compare values of a network with those of the same network in float32.

    Args:
        torch: the module.
        model: the network.
        name: what messages call it.
        values: (n_prompts, ...), what `read` gives in half precision.
        read: reads the values from the network.
        unit: of the values, "nats" or none.
    """
    dtype = str(model.dtype).removeprefix("torch.")
    off, missing = None, ""
    try:
        with backend_errors(torch, name), in_float32(torch, model) as missing:
            if not missing:
                off = float(np.abs(read() - values).max())
    except BackendError as error:  # an attention kernel may support only half precision
        missing = str(error)
    return HalfPrecision(dtype, len(values), unit, off, missing)


@contextmanager
def in_float32(torch: Any, model: Any) -> Iterator[str]:
    """The network with its weights in float32, if possible.

    Yields:
        Why it is as it was; empty if its weights are in float32 now.
    """
    tensors = [
        tensor
        for tensor in (*model.parameters(), *model.buffers())
        if tensor.dtype in (torch.bfloat16, torch.float16)
    ]
    n_bytes = sum(4 * tensor.numel() for tensor in tensors)
    missing = ""
    if getattr(model, "is_quantized", False):
        missing = "its weights are quantised"
    elif model.device.type == "meta" or {tensor.device for tensor in tensors} - {model.device}:
        missing = "its weights are on several devices or on disk"
    elif tensors and not has_room(torch, model.device, n_bytes):
        missing = f"no room was found for its weights in float32, {n_bytes / 1e9:.1f} GB"
    if missing:
        yield missing
        return
    before = [tensor.dtype for tensor in tensors]
    try:
        for tensor in tensors:
            tensor.data = tensor.data.float()
        yield ""
    finally:
        for tensor, dtype in zip(tensors, before, strict=True):
            tensor.data = tensor.data.to(dtype)  # restores the same numbers
