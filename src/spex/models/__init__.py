"""Language models behind one narrow protocol. Heavy packages load only with a model."""

from collections.abc import Callable

from spex.errors import ArgumentError
from spex.models.function import FunctionModel, import_function
from spex.models.protocol import LanguageModel, Message, Prompt
from spex.models.table import TableModel

__all__ = ["FunctionModel", "LanguageModel", "Message", "Prompt", "TableModel", "load"]

_HF_PREFIX = "hf:"
_GGUF_PREFIX = "gguf:"
_OPENAI_PREFIX = "openai:"
_REPLY_PREFIX = "reply:"


def load(name: str, notice: Callable[[str], None] | None = None) -> LanguageModel:
    """Load a model by name.

    Args:
        name: "smollm2", the demonstration model; "hf:NAME", where NAME is a folder or a name on
            the Hugging Face hub of a causal language model, an encoder-decoder such as T5, or a
            sequence classifier; "gguf:FILE", a GGUF file; "openai:MODEL@BASE_URL", a model on
            an OpenAI-compatible server, with the key in the environment variable OPENAI_API_KEY;
            or "reply:MODULE:FUNCTION", a function from a prompt to a reply; see `FunctionModel`.
        notice: is told what takes long, such as a download.

    Raises:
        ArgumentError: the name is none of these.
        MissingExtraError: a package that the model needs is not installed.
        BackendError: the model cannot be found or loaded.
    """
    if name == "smollm2":
        from spex.models.smollm2 import load_smollm2

        return load_smollm2(notice)
    if isinstance(name, str) and name.startswith(_HF_PREFIX) and len(name) > len(_HF_PREFIX):
        from spex.models.kinds import load_transformers

        return load_transformers(name.removeprefix(_HF_PREFIX), name=name, notice=notice)
    if isinstance(name, str) and name.startswith(_GGUF_PREFIX) and len(name) > len(_GGUF_PREFIX):
        from spex.models.gguf import GGUFModel

        return GGUFModel(name.removeprefix(_GGUF_PREFIX), name=name, notice=notice)
    if isinstance(name, str) and name.startswith(_OPENAI_PREFIX):
        from spex.models.openai_http import connect

        return connect(name)
    if isinstance(name, str) and name.startswith(_REPLY_PREFIX):
        return FunctionModel(import_function(name.removeprefix(_REPLY_PREFIX)), name=name)
    raise ArgumentError(
        f"model {name!r} is unknown; use 'smollm2', 'hf:FOLDER_OR_HUB_NAME', "
        "'gguf:FILE', 'openai:MODEL@BASE_URL' or 'reply:MODULE:FUNCTION'"
    )
