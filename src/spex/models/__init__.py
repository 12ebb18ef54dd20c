"""Language models behind one narrow protocol. Heavy packages load only with a model."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

from spex.errors import ArgumentError
from spex.models.chat import ChatOptions
from spex.models.function import FunctionModel, import_function
from spex.models.protocol import LanguageModel, Message, Prompt, Reply, ToolCall
from spex.models.servers.address import SERVER_PREFIXES, refuse_secret
from spex.models.table import TableModel
from spex.models.transformers.checkpoints.loading import Placement
from spex.wording import did_you_mean

__all__ = [
    "FunctionModel",
    "LanguageModel",
    "Message",
    "Prompt",
    "Reply",
    "TableModel",
    "ToolCall",
    "load",
]

_HF_PREFIX = "hf:"
_GGUF_PREFIX = "gguf:"
_REPLY_PREFIX = "reply:"
SCORING_CHECKS = ("stop", "note")
_NAMES = ("smollm2", "hf", "gguf", "openai", "sglang", "reply", "predict", "efficientnet-lite0")

P = ParamSpec("P")


def _remembered(make: Callable[P, LanguageModel]) -> Callable[P, LanguageModel]:
    """Note on a model how it was made, so that another process can make it again."""

    @functools.wraps(make)
    def made(*args: P.args, **options: P.kwargs) -> LanguageModel:
        model = make(*args, **options)
        given = {name: value for name, value in options.items() if name != "notice"}
        name = args[0] if args else given.pop("name")
        with contextlib.suppress(AttributeError):  # the object does not allow new attributes
            model.made_by = (name, given)  # type: ignore[attr-defined]
            model.scoring_check = given.get("scoring_check", "stop")  # type: ignore[attr-defined]
        return model

    return made


@_remembered
def load(
    name: str,
    notice: Callable[[str], None] | None = None,
    *,
    device: str | None = None,
    device_map: str | Mapping[str, Any] | None = None,
    dtype: str | None = None,
    attn_implementation: str | None = None,
    price: tuple[float, float] | None = None,
    threads: int | None = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    answer_prefix: str = "",
    scoring_check: str = "stop",
) -> LanguageModel:
    """Load a model by name.

    Args:
        name: one of these:

            - "smollm2": the demonstration model.
            - "hf:NAME": a folder, or a name on the Hugging Face hub. The model may be a causal
              language model, a vision-language model, an encoder-decoder such as T5, or a sequence
              classifier.
            - "gguf:FILE": a GGUF file.
            - "openai:MODEL@BASE_URL": a model on an OpenAI-compatible server; "sglang:MODEL@URL":
              one on SGLang. The key is read from the environment variable OPENAI_API_KEY.
            - "reply:MODULE:FUNCTION": a function from a prompt to a reply; see `FunctionModel`.
        notice: called with a message before slow steps, such as a download.
        device: for a model of transformers ("smollm2", "hf:..."), such as "cpu" or "cuda:1";
            default: CUDA if present.
        device_map: for such a model, instead of a device: "auto" and so on, or a mapping from
            modules to devices, as in transformers.
        dtype: for such a model, such as "bfloat16"; default: float32 on a CPU, else the precision
            of the checkpoint.
        attn_implementation: for such a model: the attention kernel by its name in transformers,
            such as "eager", "sdpa" or "flash_attention_2"; default: transformers' choice.
        price: for a model on a server ("openai:...", "sglang:..."): dollars per million tokens
            read and written, such as (0.15, 0.60). Sets its `usage.cost`.
        threads: for "gguf:...": the number of threads; default: all cores that this process may
            use.
        chat_template_kwargs: variables for the chat template, such as {"enable_thinking": False} to
            turn reasoning off. Not for "reply:...".
        answer_prefix: text at the start of the model's answer, such as an empty reasoning block;
            the scored or generated text follows it. Not for "reply:...", classifiers, or servers
            other than vLLM, SGLang and llama.cpp.
        scoring_check: what to do if log-probabilities computed in two ways differ
            (`spex.values.scoring_check`): "stop" with an error before the first value, or "note" it
            in the report and go on.

    Raises:
        ArgumentError: the name is unknown or may contain a password or key, or an argument does
            not fit it.
        MissingExtraError: a package that the model needs is not installed.
        BackendError: the model cannot be found or loaded.
    """
    refuse_secret(name)
    check_name(name)
    if scoring_check not in SCORING_CHECKS:
        raise ArgumentError(
            f"scoring_check={scoring_check!r} is unknown"
            f"{did_you_mean(scoring_check, SCORING_CHECKS)}; use 'stop' or 'note'"
        )
    on_server, in_gguf = name.startswith(SERVER_PREFIXES), name.startswith(_GGUF_PREFIX)
    if price is not None and not on_server:
        only = "models on servers ('openai:...', 'sglang:...') have one"
        raise ArgumentError(f"price={price!r} does not go with model {name!r}; only {only}")
    if threads is not None and not in_gguf:
        only = "GGUF files ('gguf:...') take it"
        raise ArgumentError(f"threads={threads!r} does not go with model {name!r}; only {only}")
    placement = Placement(device, device_map, dtype, attn_implementation)
    chat = ChatOptions(chat_template_kwargs or {}, answer_prefix)
    if name == "smollm2":
        from spex.models.transformers.checkpoints.smollm2 import load_smollm2

        return load_smollm2(notice, placement, chat)
    if name.startswith(_HF_PREFIX):
        from spex.models.transformers.kinds import load_transformers

        source = name.removeprefix(_HF_PREFIX)
        return load_transformers(source, name=name, placement=placement, chat=chat, notice=notice)
    if placement.options:
        option, value = next(iter(placement.options.items()))
        raise ArgumentError(
            f"{option}={value!r} does not go with model {name!r}; only models of transformers "
            "('smollm2', 'hf:...') take it"
        )
    if in_gguf:
        from spex.models.servers.gguf import GGUFModel

        file = name.removeprefix(_GGUF_PREFIX)
        return GGUFModel(file, name=name, threads=threads, chat=chat, notice=notice)
    if on_server:
        from spex.models.servers.openai import connect

        return connect(name, price, chat, notice)
    for option, value in chat.given.items():
        raise ArgumentError(f"{option}={value!r} does not go with model {name!r}; leave it out")
    return FunctionModel(import_function(name.removeprefix(_REPLY_PREFIX)), name=name)


def check_name(name: object) -> None:
    """Refuse a name that `load` does not know, before anything is loaded.

    Raises:
        ArgumentError: the name is none of those of `load`.
    """
    kind, colon, rest = name.partition(":") if isinstance(name, str) else ("", "", "")
    if name == "smollm2" or (kind in ("hf", "gguf", "openai", "sglang") and rest):
        return
    if kind == "reply" and colon:  # `import_function` reads the rest
        return
    raise ArgumentError(
        f"model {name!r} is unknown{did_you_mean(name, _NAMES)}; use 'smollm2', "
        "'hf:FOLDER_OR_HUB_NAME', 'gguf:FILE', 'openai:MODEL@BASE_URL', 'sglang:MODEL@URL' or "
        "'reply:MODULE:FUNCTION'"
    )
