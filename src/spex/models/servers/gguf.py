"""Models in GGUF files, by llama.cpp.

The package xllamacpp runs the server of llama.cpp inside this process. spex talks to it over
127.0.0.1, with a random key, as to any other server: see `log_prob_routes`. It sends prompts as
tokens, because the server formats a chat in its own way where the file has no chat template.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spex._typing import FloatArray
from spex.checks.arguments import whole_number
from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.models.chat import (
    ChatOptions,
    ChatTemplate,
    added_tokens,
    check_no_variables,
    no_start,
    notes_on,
    without_template,
)
from spex.models.environment import usable_cores
from spex.models.protocol import Message, Prompt, Reply
from spex.models.servers.endpoint import Connection, Endpoint
from spex.models.servers.failures import UnusableReply
from spex.models.servers.gguf_header import MAGIC, read_metadata
from spex.models.servers.llama_cpp import TokenGrammar
from spex.models.servers.openai import OpenAIModel

# Tokens of prompt and answer. The cache of longer contexts could take tens of gigabytes.
_CONTEXT = 8192
# Long enough for a long prompt on a slow machine.
_TIMEOUT_SECONDS = 600.0
# Special tokens that a chat template may write, by their names in transformers.
_SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


class GGUFModel(OpenAIModel):
    """A model in a GGUF file; see `LanguageModel` for the methods' contract.

    Prompts go through the chat template in the file. If it has none, the contents of the messages
    are joined by blank lines, after the special token that begins a text. Both are as for a model
    of transformers.

    Log-probabilities are teacher-forced over the whole answer, from the full distribution. With
    quantised weights llama.cpp also quantises the activations, and transformers does not. With
    SmolLM2-135M in Q4_1 the two differ by 0.1 nats per token (root mean square; at most 0.5). With
    the same weights in float32 they differ by at most 0.01. The difference varies from mask to
    mask, so it hides effects of the same size.

    Args:
        file: the GGUF file.
        name: the model's name in reports; default: the file's name.
        threads: the number of threads; default: the cores that this process may use.
        chat: variables of the chat template, and the start of the answer.
        notice: is told what takes long.

    Raises:
        ArgumentError: there is no such file, or the chat template has no such variable.
        MissingExtraError: xllamacpp or openai is not installed.
        BackendError: the file cannot be read as a language model.
    """

    may_vary = False  # one request at a time

    def __init__(
        self,
        file: str | Path,
        *,
        name: str | None = None,
        threads: int | None = None,
        chat: ChatOptions | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        # Import all before the server starts: a server that ends at once may hang.
        llama, *_ = (require(module, "gguf") for module in ("xllamacpp", "openai"))
        n_threads = usable_cores() if threads is None else whole_number("threads", threads, 1)
        path = Path(file).expanduser()
        self._digest = _checked_digest(path)
        key = secrets.token_hex(16)
        params = llama.CommonParams()
        params.model.path = str(path)
        params.model_alias = {path.name}
        params.hostnames = ["127.0.0.1"]
        params.port = 0  # any free port
        params.api_keys = [key]
        params.n_ctx = _CONTEXT
        params.n_parallel = 1
        params.cache_ram_mib = 0  # the last prompt stays cached anyway, and the next is like it
        # With a sliding window, the small cache loses what the next prompt shares. Measured with a
        # tiny Gemma 3 and prompts of 1,440 tokens: within 0.006 nats of transformers with the full
        # cache (2.2 s of processor time), and 0.021 with the small one (2.7 s).
        params.swa_full = True
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = n_threads
        params.verbosity = -1
        if notice is not None:
            notice(f"reading {path.name}")
        try:
            self._server = llama.Server(params)
        except RuntimeError:  # its message gives no reason
            raise BackendError(
                f"{path} cannot be loaded as a language model by xllamacpp {version('xllamacpp')}: "
                "the file is damaged, needs more memory than there is, or holds a kind of model "
                "that this release does not know"
            ) from None
        self._metadata = read_metadata(path)
        address = f"{self._server.listening_address}/v1"
        endpoint = Endpoint(address, key, 1, _TIMEOUT_SECONDS, label=path.name)
        self._serve_from(endpoint, path.name, name or path.name, chat or ChatOptions())
        self._grammar = _OfTokens(path.name, address, self._chat, self._encode)
        self._route = self._grammar
        self._template = self._read_template()

    @property
    def identity(self) -> str:
        """A hash of the file, the release of llama.cpp, and what a user adds to a chat."""
        release = f"xllamacpp={version('xllamacpp')}"
        bare = "" if self._template else ";bare"
        return f"gguf:sha256:{self._digest};{release}{bare}{self._chat.identity}"

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a report should say of the chat template, a sentence each."""
        try:
            start = self._text(Prompt((Message("user", "a"),)))
        except ArgumentError:  # the template rejects this chat
            start = None
        return notes_on(self._metadata.get("tokenizer.chat_template") or None, start)

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """See `OpenAIModel.check_prompts`; what the chat template refuses is refused as well."""
        for prompt in prompts:
            self._text(prompt)
        super().check_prompts(prompts, answers)

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`."""
        self.check_prompts(prompts, answers)
        return super().log_probs(prompts, answers)

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`."""
        whole_number("max_new_tokens", max_new_tokens, 1)
        self.check_prompts(prompts, ())

        async def reply(session: Connection, number: int) -> str:
            tokens = await self._encode(session, prompts[number])
            body = {
                "model": self._model,
                "prompt": tokens,
                "max_tokens": max_new_tokens,
                "temperature": 0,
            }
            return await session.post("/completions", body, _completion)

        return self._stream(reply, len(prompts))

    # Prompts

    def _read_template(self) -> ChatTemplate | None:
        source = self._metadata.get("tokenizer.chat_template")
        variables = self._chat.chat_template_kwargs
        if not source:
            check_no_variables(variables, self.name)
            return None
        template = ChatTemplate(source, self.name)
        template.check(variables)
        return template

    def _text(self, prompt: Prompt) -> str:
        """A prompt up to the answer."""
        if self._template is None:
            return without_template(prompt) + self._chat.begun(prompt)
        variables = {**self._special_tokens, **self._chat.chat_template_kwargs}
        return self._template.render(prompt, variables) + self._chat.begun(prompt)

    @cached_property
    def _special_tokens(self) -> dict[str, str]:
        """The special tokens of the file, as variables of a chat template."""
        tokens = self._metadata.get("tokenizer.ggml.tokens", [])
        ids = {
            name: self._metadata.get(f"tokenizer.ggml.{kind}_token_id")
            for name, kind in _SPECIAL.items()
        }
        return {
            name: tokens[number]
            for name, number in ids.items()
            if number is not None and number < len(tokens)
        }

    @cached_property
    def _before(self) -> list[int]:
        """The special tokens that begin a text."""
        text = self._call(lambda session: self._grammar.tokenize(session, "a"))
        whole = self._call(lambda session: self._grammar.tokenize(session, "a", add_special=True))
        return added_tokens(text, whole)[0]

    async def _encode(self, session: Connection, prompt: Prompt) -> list[int]:
        tokens = await self._grammar.tokenize(session, self._text(prompt))
        if self._template is None:
            tokens = [*self._before, *tokens]
        if tokens:
            return tokens
        ids = (self._metadata.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("bos", "eos"))
        start = next((number for number in ids if number is not None), None)
        if start is None:
            raise ArgumentError(no_start(self.name))
        return [start]


class _OfTokens(TokenGrammar):
    """Scores answers after prompts that are sent as tokens.

    Args:
        model: the model's name on the server.
        base_url: ends in /v1; /tokenize is beside it.
        chat: variables of the chat template, and the start of the answer.
        encode: gives the tokens of a prompt.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        chat: ChatOptions,
        encode: Callable[[Connection, Prompt], Any],
    ) -> None:
        super().__init__(model, base_url, chat)
        self._encode = encode

    async def _request(self, session: Connection, prompt: Prompt) -> tuple[str, dict[str, Any]]:
        return "/completions", {"prompt": await self._encode(session, prompt), "logprobs": 1}


def _completion(reply: Any) -> Reply:
    choice = reply["choices"][0]
    if not isinstance(choice["text"], str):
        raise UnusableReply("its completion is no text")
    return Reply(choice["text"], cut_off=choice.get("finish_reason") == "length")


def _checked_digest(path: Path) -> str:
    """SHA-256 of a file that begins as a GGUF file does, in hexadecimal digits."""
    try:
        with path.open("rb") as content:
            magic = content.read(len(MAGIC))
            content.seek(0)
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}; name a GGUF file") from None
    if magic != MAGIC:
        raise BackendError(f"{path} is no GGUF file: it does not begin with the letters GGUF")
    return digest
