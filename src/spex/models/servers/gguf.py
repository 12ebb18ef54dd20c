"""Models in GGUF files, by llama.cpp.

The package xllamacpp runs the server of llama.cpp inside this process. spex talks to it over
127.0.0.1, with a random key, as to any other server: see `log_prob_routes`.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.models.servers.endpoint import Endpoint
from spex.models.servers.openai import OpenAIModel

_MAGIC = b"GGUF"
# Tokens of prompt and answer. The cache of longer contexts could take tens of gigabytes.
_CONTEXT = 8192
# For a long prompt on a slow machine.
_TIMEOUT_SECONDS = 600.0


class GGUFModel(OpenAIModel):
    """A model in a GGUF file; see `LanguageModel` for the methods' contract.

    Prompts go through the chat template in the file. Log-probabilities are teacher-forced over the
    whole answer, from the full distribution. With quantised weights llama.cpp also quantises the
    activations, and transformers does not. With SmolLM2-135M in Q4_1 the two differ by 0.1 nats per
    token (root mean square; at most 0.5); with the same weights in float32, by at most 0.01. The
    difference varies from mask to mask, so it hides effects of the same size.

    Args:
        file: the GGUF file.
        name: the model's name in reports; default: the file's name.
        notice: is told what takes long.

    Raises:
        ArgumentError: there is no such file.
        MissingExtraError: xllamacpp or openai is not installed.
        BackendError: the file cannot be read as a language model.
    """

    may_vary = False  # one question at a time

    def __init__(
        self,
        file: str | Path,
        *,
        name: str | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        # Import all before the server starts: a server that ends at once may hang.
        llama, *_ = (require(module, "gguf") for module in ("xllamacpp", "openai"))
        path = Path(file).expanduser()
        try:
            with path.open("rb") as content:
                magic = content.read(len(_MAGIC))
                content.seek(0)
                self._digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise ArgumentError(
                f"{path} cannot be read: {error.strerror}; name a GGUF file"
            ) from None
        if magic != _MAGIC:
            raise BackendError(f"{path} is no GGUF file: it does not begin with the letters GGUF")
        key = secrets.token_hex(16)
        params = llama.CommonParams()
        params.model.path = str(path)
        params.model_alias = {path.name}
        params.hostnames = ["127.0.0.1"]
        params.port = 0  # any that is free
        params.api_keys = [key]
        params.n_ctx = _CONTEXT
        params.n_parallel = 1
        params.cache_ram_mib = 0  # the last prompt stays cached anyway, and the next is like it
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _n_cores()
        params.verbosity = -1
        if notice is not None:
            notice(f"reading {path.name}")
        try:
            self._server = llama.Server(params)
        except RuntimeError:  # its message has no reason
            raise BackendError(
                f"{path} cannot be loaded as a language model by xllamacpp {version('xllamacpp')}: "
                "the file is damaged, needs more memory than there is, or holds a kind of model "
                "that this release does not know"
            ) from None
        address = f"{self._server.listening_address}/v1"
        endpoint = Endpoint(address, key, 1, _TIMEOUT_SECONDS, label=path.name)
        self._serve_from(endpoint, path.name, name or path.name)

    @property
    def identity(self) -> str:
        """A hash of the file, and the release of llama.cpp."""
        return f"gguf:sha256:{self._digest};xllamacpp={version('xllamacpp')}"


def _n_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
