"""The files of a model: where they are, and a hash of their content."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spex.errors import BackendError
from spex.extras import require
from spex.models.environment import quiet

HUB_TIMEOUT_SECONDS = 5.0

_TEXT_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
_WEIGHT_FILES = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model.

    Attributes:
        source: the folder or the name, as asked for.
        folder: where they are.
        revision: the hub's commit; None for a folder of the user.
    """

    source: str
    folder: Path
    revision: str | None


def locate(name: str, notice: Callable[[str], None] | None = None) -> ModelFiles:
    """Find the files of a local folder, or of a model on the Hugging Face hub; fetch if needed.

    The hub is asked once, with a short time-out: by itself, its client retries for most of a
    minute. If it cannot be reached, files fetched earlier are used.

    Args:
        name: a folder, or a name such as "HuggingFaceTB/SmolLM2-135M-Instruct".
        notice: is told what takes long.

    Raises:
        BackendError: there is no such folder or model, or it cannot be fetched.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return ModelFiles(name, folder, None)
    hub = require("huggingface_hub", "hf")
    errors = require("huggingface_hub.errors", "hf")
    utils = require("huggingface_hub.utils", "hf")
    try:
        utils.validate_repo_id(name)
    except errors.HFValidationError:
        raise BackendError(
            f"{name!r} is neither a folder nor a name on the Hugging Face hub ('owner/model')"
        ) from None
    with quiet():
        try:
            info = hub.HfApi().model_info(name, timeout=HUB_TIMEOUT_SECONDS)
        except errors.GatedRepoError:
            raise BackendError(
                f"the model {name!r} needs its owner's permission; ask for it on its page at "
                "huggingface.co, then log in with 'hf auth login'"
            ) from None
        except errors.RepositoryNotFoundError:
            raise BackendError(
                f"{name!r} is no folder here and no public model on the Hugging Face hub; "
                "check the spelling, or log in with 'hf auth login' if it is private"
            ) from None
        except Exception as error:  # the network, a proxy or the hub's client may raise anything
            return _fetched_earlier(hub, name, error)
        if notice is not None:
            notice(f"fetching {name} from the Hugging Face hub (kept for the next time)")
        try:
            path = hub.snapshot_download(
                name, revision=info.sha, allow_patterns=_wanted_files(info)
            )
        except Exception as error:
            raise BackendError(f"{name!r} could not be fetched: {first_line(error)}") from error
    return ModelFiles(name, Path(path), info.sha)


def content_hash(folder: Path) -> str:
    """SHA-256 of the names and contents of a model's files, as 64 hexadecimal digits."""
    weights = [path for pattern in _WEIGHT_FILES for path in folder.glob(pattern)]
    safe = [path for path in weights if path.suffix == ".safetensors"]
    texts = [path for pattern in _TEXT_FILES for path in folder.glob(pattern)]
    digest = hashlib.sha256()
    for path in sorted([*texts, *(safe or weights)]):
        with path.open("rb") as file:
            digest.update(
                f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return digest.hexdigest()


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _fetched_earlier(hub: Any, name: str, error: Exception) -> ModelFiles:
    try:
        folder = Path(hub.snapshot_download(name, local_files_only=True))
    except Exception:
        raise BackendError(
            f"{name!r} is no folder here, was not fetched before, and the Hugging Face hub cannot "
            f"be reached ({first_line(error)}); connect to the internet, or name a local folder"
        ) from None
    # The folder of a snapshot is named after its commit.
    return ModelFiles(name, folder, folder.name)


def _wanted_files(info: Any) -> list[str]:
    """All text files, and the weights in one format of several."""
    names = [sibling.rfilename for sibling in info.siblings or []]
    safe = any(name.endswith(".safetensors") for name in names)
    return [*_TEXT_FILES, _WEIGHT_FILES[0] if safe else _WEIGHT_FILES[1]]
