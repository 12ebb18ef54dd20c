"""Load a network with transformers and put it on a device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.models.environment import quiet
from spex.models.transformers.checkpoints.hub import ModelFiles, first_line
from spex.models.transformers.torch_backend import parse_device, parse_dtype


@dataclass(frozen=True)
class Placement:
    """Where and how a network runs; None means the default.

    Args:
        device: such as "cpu" or "cuda:1"; default: CUDA if there is any, else the CPU.
        device_map: instead of a device, how accelerate spreads the network over several: "auto",
            "balanced" and so on, or a mapping from modules to devices, as transformers takes it.
        dtype: such as "float32" or "bfloat16"; default: float32 on a CPU and the
            checkpoint's own on another device.
        attn_implementation: the attention kernel by its name in transformers, such as "eager",
            "sdpa" or "flash_attention_2"; default: transformers' choice.

    Raises:
        ArgumentError: both device and device_map are given.
    """

    device: str | None = None
    device_map: str | Mapping[str, Any] | None = None
    dtype: str | None = None
    attn_implementation: str | None = None

    def __post_init__(self) -> None:
        if self.device is not None and self.device_map is not None:
            raise ArgumentError(
                f"device={self.device!r} and device_map={self.device_map!r} contradict each other; "
                "give one of them"
            )

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that are not None."""
        return {name: value for name, value in vars(self).items() if value is not None}


def load_network(
    auto_class: str, files: ModelFiles, name: str, kind: str, placement: Placement
) -> Any:
    """Load the network of a model, ready for use.

    Args:
        auto_class: the class of transformers that loads it.
        files: where it is.
        name: what messages call it.
        kind: the kind of model expected, for messages.
        placement: where and how it runs.

    Raises:
        MissingExtraError: torch, transformers or, for a device map, accelerate is not installed.
        ArgumentError: no such device or dtype.
        BackendError: it cannot be loaded as this.
    """
    torch = require("torch", "hf")
    device = parse_device(torch, "cpu" if placement.device_map == "cpu" else placement.device)
    dtype = parse_dtype(torch, placement.dtype or ("float32" if device.type == "cpu" else "auto"))
    options: dict[str, Any] = {}
    if placement.device_map is not None:
        require("accelerate", "hf")
        options["device_map"] = placement.device_map
    if placement.attn_implementation is not None:
        options["attn_implementation"] = placement.attn_implementation
    network = from_files(auto_class, files, name, kind, dtype=dtype, **options)
    try:
        # A device map has already put every part on its device.
        return (network if placement.device_map is not None else network.to(device)).eval()
    except RuntimeError as error:  # for example, not enough memory
        raise BackendError(f"{name!r} cannot be put on {device}: {first_line(error)}") from error


def from_files(auto_class: str, files: ModelFiles, name: str, kind: str, **options: Any) -> Any:
    """Load the files of a model with a class of transformers, silently.

    Raises:
        BackendError: loading failed.
    """
    transformers = require("transformers", "hf")
    load: Callable[..., Any] = getattr(transformers, auto_class).from_pretrained
    try:
        with quiet():
            return load(files.folder, local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # a broken or foreign file can raise anything
        raise BackendError(f"{name!r} cannot be loaded as a {kind}: {first_line(error)}") from error
