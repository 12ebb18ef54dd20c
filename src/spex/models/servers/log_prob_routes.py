"""Log-probabilities of given answers, by several routes; which one depends on the server.

The OpenAI API returns log-probabilities only for tokens that the model writes. A given answer is
scored like this:

- vLLM (`vllm`): answers of one token are looked up among the first tokens that the model may write.
  Longer answers are appended to the prompt and read from its `prompt_logprobs`.
- SGLang (`sglang`): the same by its own `/generate`. The request holds the tokens of prompt and
  answer, and says where log-probabilities begin.
- llama.cpp (`llama_cpp`): a grammar that allows the answer's tokens only makes the model write the
  answer. The log-probabilities returned are those before the grammar is applied.
- Other servers: `top_logprobs`, the most probable first tokens. This is enough for answers of one
  token, such as labels.

Prompt and answer go as tokens, so that those of an answer are the same after every prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError, BackendError
from spex.models.chat import ChatOptions
from spex.models.protocol import Message, Prompt
from spex.models.servers.endpoint import CONCURRENCY, WITHOUT_LOG_PROBS, Connection
from spex.models.servers.failures import RequestFailed, UnusableReply

T = TypeVar("T")

# The most that OpenAI allows.
TOP_LOG_PROBS = 20
# vLLM and OpenAI send this for a probability of 0.
_NO_LOG_PROB = -9999.0


class Route(Protocol):
    """A way to score given answers."""

    name: str
    concurrency: int  # most concurrent requests that do not change the values
    takes_images: bool  # whether answers can be scored after pictures

    async def tokens(self, session: Connection, answer: str) -> list[int]:
        """The token numbers of an answer. They are the same for every prompt."""
        ...

    async def spans(self, session: Connection, answer: str) -> list[tuple[int, int]]:
        """The tokens of an answer as spans (start, stop) of its characters."""
        ...

    async def log_probs(
        self, session: Connection, prompt: Prompt, answers: Sequence[str], tokens: list[list[int]]
    ) -> list[FloatArray]:
        """Log-probability of each token of each answer.

        Args:
            session: connections to the server.
            prompt: the prompt.
            answers: the answers.
            tokens: their token numbers; see `tokens`.

        Returns:
            For each answer (n_tokens,) float64, in nats.
        """
        ...

    async def written(
        self, session: Connection, prompt: Prompt, max_new_tokens: int
    ) -> tuple[str, list[float]]:
        """What the model writes, and the log-probability of each token as it wrote it, in nats."""
        ...


@dataclass(frozen=True)
class Kind:
    """A server that scores answers of one token only.

    Args:
        name: what messages call it; "" for one that is not known.
        most: how many first tokens it tells.
        remedy: what scores whole answers of the same model.
    """

    name: str = ""
    most: int = TOP_LOG_PROBS
    remedy: str = "use a server that scores whole answers (vLLM, SGLang, llama.cpp)"


# Ollama's models are GGUF files. Text-generation-inference allows five by default
# (--max-top-n-tokens). It gives nothing for a prompt's tokens unless --enable-prefill-logprobs is
# set, which a client cannot see.
OLLAMA = Kind(
    "Ollama", remedy="load the model's file by gguf:FILE (`ollama show --modelfile` names it)"
)
TGI = Kind(
    "text-generation-inference", 5, "serve the model by vLLM, SGLang or llama.cpp, or use hf:NAME"
)


class TopLogProbs:
    """Any server with `top_logprobs`: answers of one token.

    Args:
        model: the model's name on the server.
        base_url: for messages.
        chat: variables of the chat template, and the start of the answer.
        kind: what is known of the server.
    """

    name = "top_logprobs"
    concurrency = CONCURRENCY
    takes_images = True

    def __init__(
        self, model: str, base_url: str, chat: ChatOptions, kind: Kind | None = None
    ) -> None:
        self._model = model
        self._chat = chat
        self._base_url = base_url
        self._kind = kind or Kind()

    async def tokens(self, session: Connection, answer: str) -> list[int]:
        """One token; its number is unknown, so 0 stands for it."""
        if len(answer.split()) > 1:
            by = f" ({self._kind.name})" if self._kind.name else ""
            raise ArgumentError(
                f"the answer {answer!r} has several tokens, and {self._base_url}{by} gives only "
                f"the log-probabilities of the {self._kind.most} most probable first tokens; "
                f"compare answers of one token, {self._kind.remedy}, or {WITHOUT_LOG_PROBS}"
            )
        return [0]

    async def spans(self, session: Connection, answer: str) -> list[tuple[int, int]]:
        """See `Route.spans`."""
        await self.tokens(session, answer)
        return [(0, len(answer))]

    async def log_probs(
        self, session: Connection, prompt: Prompt, answers: Sequence[str], tokens: list[list[int]]
    ) -> list[FloatArray]:
        """See `Route.log_probs`. Takes one request per prompt."""
        body = {
            "model": self._model,
            **chat_fields(prompt, self._chat),
            first_tokens_limit(self._base_url): 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": self._kind.most,
        }
        try:
            return await session.post("/chat/completions", body, lambda r: self._read(r, answers))
        except RequestFailed as failure:
            if failure.status not in (400, 422) or failure.overlong:
                raise
            raise BackendError(
                f"{self._base_url} {failure}; if it does not give log-probabilities, "
                f"{WITHOUT_LOG_PROBS}"
            ) from None

    async def written(
        self, session: Connection, prompt: Prompt, max_new_tokens: int
    ) -> tuple[str, list[float]]:
        """See `Route.written`."""
        fields = chat_fields(prompt, self._chat)
        limit = first_tokens_limit(self._base_url)
        return await written_in_chat(session, self._model, fields, max_new_tokens, limit)

    def _read(self, reply: Any, answers: Sequence[str]) -> list[FloatArray]:
        choice = reply["choices"][0]
        if not isinstance(choice["message"], dict):
            raise UnusableReply("it has no message")
        log_probs = choice.get("logprobs")
        if not log_probs or not log_probs.get("content"):
            raise ArgumentError(
                f"{self._base_url} gives no log-probabilities for {self._model!r}; "
                f"{WITHOUT_LOG_PROBS}"
            )
        top = {
            entry["token"]: entry["logprob"] for entry in log_probs["content"][0]["top_logprobs"]
        }
        missing = [answer for answer in answers if answer not in top]
        if missing:
            likely = ", ".join(repr(token) for token in list(top)[:5])
            raise BackendError(
                f"{missing[0]!r} is not one of the {len(top)} first tokens whose log-probabilities "
                f"{self._base_url} gives (most probable: {likely}); compare answers that the model "
                f"gives after every masked prompt, or {WITHOUT_LOG_PROBS}"
            )
        return [np.array([log_prob(top[answer])]) for answer in answers]


class Tokenizing:
    """Base of routes that send prompt and answer as tokens, which the server's /tokenize makes.

    Args:
        model: the model's name on the server.
        base_url: ends in /v1; /tokenize is beside it.
        chat: variables of the chat template, and the start of the answer.
    """

    def __init__(self, model: str, base_url: str, chat: ChatOptions) -> None:
        self._model = model
        self._chat = chat
        self._root = root(base_url)
        self._begun: tuple[str, list[int]] = ("", [])  # the start of the last answer, its tokens

    async def tokens(self, session: Connection, answer: str) -> list[int]:
        """See `Route.tokens`."""
        return await self._tokenize(session, {"prompt": answer, "add_special_tokens": False})

    async def written(
        self, session: Connection, prompt: Prompt, max_new_tokens: int
    ) -> tuple[str, list[float]]:
        """See `Route.written`."""
        fields = chat_fields(prompt, self._chat, self._chat.begun(prompt))
        return await written_in_chat(session, self._model, fields, max_new_tokens)

    async def _start(self, session: Connection, prompt: Prompt) -> list[int]:
        """The tokens up to the answer."""
        fields = {"add_generation_prompt": True, **chat_fields(prompt, self._chat)}
        start = await self._tokenize(session, fields)
        begun = self._chat.begun(prompt)
        if not begun:
            return start
        text, tokens = self._begun
        if text != begun:
            # Tokenise it separately, because a template may rewrite a message of the assistant.
            tokens = await self.tokens(session, begun)
            self._begun = begun, tokens
        return start + tokens

    async def _tokenize(self, session: Connection, what: dict[str, Any]) -> list[int]:
        body = {"model": self._model, **what}
        return await asked_beside(
            session, f"{self._root}/tokenize", body, lambda reply: ints(reply["tokens"])
        )


def chat_fields(prompt: Prompt, chat: ChatOptions, begun: str = "") -> dict[str, Any]:
    """The fields of a request for a prompt; pictures are content parts with data URLs.

    Args:
        prompt: the prompt.
        chat: variables of the chat template.
        begun: the start of an answer, which vLLM and llama.cpp continue.
    """
    messages: list[dict[str, Any]] = [
        message.to_json() | ({"content": _parts(message)} if message.images else {})
        for message in prompt.messages
    ]
    fields: dict[str, Any] = {"messages": messages}
    if chat.chat_template_kwargs:
        fields["chat_template_kwargs"] = dict(chat.chat_template_kwargs)
    if begun:
        messages.append({"role": "assistant", "content": begun})
        fields |= {"add_generation_prompt": False, "continue_final_message": True}
    return fields


def _parts(message: Message) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": url}} for url in message.images
    ]
    # Some servers refuse an empty text part.
    text = [{"type": "text", "text": message.content}] if message.content else []
    return [*text, *parts] if message.text_first else [*parts, *text]


def first_tokens_limit(base_url: str) -> str:
    """The name of the parameter that limits generated tokens.

    OpenAI's newer models take only the new name; some other servers take only the old one.
    """
    host = base_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return "max_completion_tokens" if host.endswith("openai.com") else "max_tokens"


async def written_in_chat(
    session: Connection, model: str, fields: dict[str, Any], most: int, limit: str = "max_tokens"
) -> tuple[str, list[float]]:
    """See `Route.written`.

    Args:
        session: connections to the server.
        model: the model's name on the server.
        fields: those of the prompt; see `chat_fields`.
        most: where the reply is cut off, in tokens.
        limit: the name of the parameter for that.
    """
    body = {"model": model, **fields, limit: most, "temperature": 0}
    body |= {"logprobs": True, "top_logprobs": 1}
    return await session.post("/chat/completions", body, written_tokens)


def written_tokens(reply: Any, begun: str = "") -> tuple[str, list[float]]:
    """The text of a reply and the log-probabilities of its tokens, without one that ends it.

    Args:
        reply: of chat completions, or of completions with their kind of log-probabilities.
        begun: the start of the answer, where the server repeats it.
    """
    choice = reply["choices"][0]
    told = choice["message"].get("content") if "message" in choice else choice["text"]
    told = (told or "").removeprefix(begun)
    entries = (choice.get("logprobs") or {}).get("content") or []
    text, values = "", []
    for entry in entries:
        longer = text + text_of(entry["token"])
        if not told.startswith(longer):
            break
        text = longer
        values.append(log_prob(entry["logprob"]))
    return text, values


def root(base_url: str) -> str:
    """The address that /v1 is under."""
    return base_url.removesuffix("/").removesuffix("/v1")


async def asked_beside(
    session: Connection, url: str, body: dict[str, Any], parse: Callable[[Any], T]
) -> T:
    """Send a request outside /v1, which a proxy may not pass on."""
    try:
        return await session.post(url, body, parse)
    except RequestFailed as failure:
        if failure.status not in (404, 405):
            raise
        raise BackendError(
            f"{url} is missing (HTTP {failure.status}) and needed to score whole answers; give the "
            f"server's own address, not a proxy's, or {WITHOUT_LOG_PROBS}"
        ) from None


def log_prob(value: Any) -> float:
    """A log-probability in nats; raises UnusableReply if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableReply(f"{value!r} is no log-probability")
    if not _NO_LOG_PROB < value <= 1e-3:
        raise UnusableReply(f"{value!r} is no log-probability of a token that can be written")
    return min(0.0, float(value))  # rounding can leave it a little above 0


def ints(values: Any) -> list[int]:
    """A list of token numbers; raises UnusableReply if it is none."""
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise UnusableReply("its tokens are no list of whole numbers")
    return values


def text_of(value: Any) -> str:
    """A text; raises UnusableReply if it is none."""
    if not isinstance(value, str):
        raise UnusableReply(f"{value!r} is no text")
    return value


def spans(answer: str, texts: list[str]) -> list[tuple[int, int]]:
    """The characters (start, stop) of each token.

    A token may end inside a character, such as an emoji; the text up to it then ends in a
    replacement character. Its span includes the character, and so does that of the next token.

    Args:
        answer: the answer.
        texts: the text of the first token, of the first two, and so on.
    """
    spans = []
    start = 0
    for text in texts:
        whole = 0
        while whole < min(len(answer), len(text)) and answer[whole] == text[whole]:
            whole += 1
        is_inside = whole < len(text) and whole < len(answer)
        spans.append((start, whole + is_inside))
        start = whole
    return spans
