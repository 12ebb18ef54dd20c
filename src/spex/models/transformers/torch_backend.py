"""Helpers on PyTorch: log-probabilities from logits, errors, devices and dtypes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from spex._typing import FloatArray, IntArray
from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.models.transformers.checkpoints.hub import first_line
from spex.wording import did_you_mean

# Logits in float32 take 200 kB per position for a vocabulary of 50,000.
LOGIT_POSITIONS = 2048
_NORMALISED_AT_ONCE = 128


def pick(torch: Any, logits: Any, rows: IntArray, tokens: IntArray) -> FloatArray:
    """Log softmax(logits)[rows[i], tokens[i]] in nats, computed in float32.

    Args:
        torch: the module.
        logits: (n, vocabulary), of any precision.
        rows: (m,) int64.
        tokens: (m,) int64.

    Returns:
        (m,) float64.
    """
    at, token = (torch.from_numpy(index).to(logits.device) for index in (rows, tokens))
    picked = torch.empty(len(rows), device=logits.device)
    # In parts, because log_softmax takes as much memory again; logsumexp is ten times less exact.
    for start in range(0, len(logits), _NORMALISED_AT_ONCE):
        scores = logits[start : start + _NORMALISED_AT_ONCE].float().log_softmax(dim=-1)
        here = (at >= start) & (at < start + len(scores))
        picked[here] = scores[at[here] - start, token[here]]
    return np.asarray(picked.cpu().numpy(), dtype=np.float64)


@contextmanager
def backend_errors(torch: Any, name: str) -> Iterator[None]:
    """Turn errors of a forward pass, such as a lack of memory, into a BackendError."""
    try:
        yield
    except BackendError:
        raise
    except torch.OutOfMemoryError as error:
        raise BackendError(
            f"{name!r} ran out of memory: {first_line(error)}; lower token_budget"
        ) from error
    except RuntimeError as error:
        raise BackendError(f"{name!r} failed: {first_line(error)}") from error


def parse_device(torch: Any, device: str | None) -> Any:
    """The device of a name; default: CUDA if there is any, else the CPU.

    Raises:
        ArgumentError: there is no such device here.
    """
    try:
        found = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise ArgumentError(f"device={device!r} is unknown: {first_line(error)}") from None
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (found.index or 0) >= count:
            has = f"has cuda:0 to cuda:{count - 1}" if count else "finds no CUDA device here"
            raise ArgumentError(
                f"device={device!r}: torch {torch.__version__} {has}; use "
                f"{'one of these' if count else 'cpu'}"
            )
    return found


def parse_dtype(torch: Any, dtype: str) -> Any:
    """The floating-point dtype of a name; "auto" is returned as it is, for transformers."""
    if dtype == "auto":
        return dtype
    value = getattr(torch, dtype, None)
    if not isinstance(value, torch.dtype) or not value.is_floating_point:
        close = did_you_mean(dtype, ("float32", "bfloat16", "float16"))
        raise ArgumentError(
            f"dtype={dtype!r} is unknown{close}; use 'float32', 'bfloat16' or 'float16'"
        )
    return value


def has_room(torch: Any, device: Any, n_bytes: int) -> bool:
    """Whether a device has that much free memory, and a fifth to spare.

    Args:
        torch: the module.
        device: a CPU or a CUDA device; of others nothing is known, so there is no room.
        n_bytes: what is wanted.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    elif device.type == "cpu":
        free = require("psutil", "hf").virtual_memory().available
    else:
        return False
    return bool(1.2 * n_bytes < free)
