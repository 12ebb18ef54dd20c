"""Log-probabilities of given answers, by three routes; which one depends on the server.

The OpenAI API returns log-probabilities only for tokens that the model writes. A given answer is
scored like this:

- vLLM: its `prompt_logprobs` are the log-probabilities of a prompt's tokens. The prompt is sent
  with the answer's tokens appended, so these are the same for every prompt.
- llama.cpp: a grammar that allows the answer's tokens only makes the model write the answer. The
  log-probabilities returned are those before the grammar is applied.
- Other servers: `top_logprobs`, the most probable first tokens. This is enough for answers of one
  token, such as labels.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError, BackendError
from spex.models.chat import ChatOptions
from spex.models.protocol import Message, Prompt
from spex.models.servers.endpoint import (
    CONCURRENCY,
    WITHOUT_LOG_PROBS,
    Connection,
    RequestFailed,
    UnusableReply,
)

T = TypeVar("T")

# The most that OpenAI allows.
TOP_LOG_PROBS = 20
# vLLM and OpenAI send this for a probability of 0.
_NO_LOG_PROB = -9999.0


class Route(Protocol):
    """A way to score given answers."""

    name: str
    concurrency: int  # the most requests at once that leave the values as they are

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


class PromptLogProbs:
    """vLLM: log-probabilities of the tokens of a prompt.

    Args:
        model: the model's name on the server.
        base_url: ends in /v1; /tokenize and /detokenize are beside it.
        chat: variables of the chat template, and the start of the answer.
    """

    name = "prompt_logprobs"
    concurrency = CONCURRENCY

    def __init__(self, model: str, base_url: str, chat: ChatOptions) -> None:
        self._model = model
        self._chat = chat
        self._root = _root(base_url)

    async def tokens(self, session: Connection, answer: str) -> list[int]:
        """See `Route.tokens`."""
        return await self._tokenize(session, {"prompt": answer, "add_special_tokens": False})

    async def spans(self, session: Connection, answer: str) -> list[tuple[int, int]]:
        """See `Route.spans`."""
        tokens = await self.tokens(session, answer)

        async def text(count: int) -> str:
            body = {"model": self._model, "tokens": tokens[:count]}
            return await session.post(f"{self._root}/detokenize", body, lambda r: _str(r["prompt"]))

        return _spans(answer, [await text(count) for count in range(1, len(tokens) + 1)])

    async def log_probs(
        self, session: Connection, prompt: Prompt, answers: Sequence[str], tokens: list[list[int]]
    ) -> list[FloatArray]:
        """See `Route.log_probs`. Takes two requests per prompt: tokenize, then score.

        With pictures it takes one request per answer, because only the server knows the tokens of
        a picture; see `_as_reply`.
        """
        if prompt.has_images:
            return [
                await self._as_reply(session, prompt, answer, of_answer)
                for answer, of_answer in zip(answers, tokens, strict=True)
            ]
        fields = {"add_generation_prompt": True, **chat_fields(prompt, self._chat)}
        start = await self._tokenize(session, fields)
        if begun := self._chat.begun(prompt):
            # By itself, because a template may rewrite a message of the assistant.
            start = start + await self.tokens(session, begun)
        body = {
            "model": self._model,
            "prompt": [start + answer for answer in tokens],
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,  # no alternatives to the prompt's own tokens
        }

        def parse(reply: Any) -> list[FloatArray]:
            choices = sorted(reply["choices"], key=lambda choice: choice["index"])
            if [choice["index"] for choice in choices] != list(range(len(tokens))):
                raise UnusableReply(f"it has {len(choices)} choices for {len(tokens)} prompts")
            return [
                _of_tokens(choice["prompt_logprobs"], len(start), answer)
                for choice, answer in zip(choices, tokens, strict=True)
            ]

        return await session.post("/completions", body, parse)

    async def _as_reply(
        self, session: Connection, prompt: Prompt, answer: str, tokens: list[int]
    ) -> FloatArray:
        """Score an answer that is sent as the beginning of the model's reply."""
        body = {
            "model": self._model,
            **chat_fields(prompt, self._chat, self._chat.begun(prompt) + answer),
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,
        }

        def parse(reply: Any) -> FloatArray:
            last = reply["prompt_logprobs"][-len(tokens) :]
            if len(last) < len(tokens) or not all(
                str(token) in entry for token, entry in zip(tokens, last, strict=True)
            ):
                raise ArgumentError(
                    f"after its chat template {self._model!r} has other tokens for the answer "
                    f"{answer!r} than by itself; give another one, such as without white space at "
                    f"its ends, or {WITHOUT_LOG_PROBS}"
                )
            return _of_tokens(last, 0, tokens)

        return await session.post("/chat/completions", body, parse)

    async def _tokenize(self, session: Connection, what: dict[str, Any]) -> list[int]:
        body = {"model": self._model, **what}
        return await _asked_beside(
            session, f"{self._root}/tokenize", body, lambda reply: _ints(reply["tokens"])
        )


class TokenGrammar:
    """llama.cpp's server: a grammar makes the model write the answer.

    Args:
        model: the model's name on the server.
        base_url: ends in /v1; /tokenize is beside it.
        chat: variables of the chat template, and the start of the answer.
    """

    name = "grammar"
    # Requests that are worked on together, in one cache for all slots, change each other's
    # rounding. Quantised activations make much of it: 0.6 nats with SmolLM2 in Q4_1.
    concurrency = 1

    def __init__(self, model: str, base_url: str, chat: ChatOptions) -> None:
        self._model = model
        self._chat = chat
        self._root = _root(base_url)

    async def tokens(self, session: Connection, answer: str) -> list[int]:
        """See `Route.tokens`.

        Raises:
            ArgumentError: a token ends inside a character. The server sends no log-probability for
                such a token.
        """
        pieces = await self._pieces(session, answer)
        if not all(isinstance(piece["piece"], str) for piece in pieces):
            raise ArgumentError(
                f"the answer {answer!r} has a character that is made of several tokens, and "
                "llama.cpp does not tell their log-probabilities; leave the character out"
            )
        return [piece["id"] for piece in pieces]

    async def spans(self, session: Connection, answer: str) -> list[tuple[int, int]]:
        """See `Route.spans`."""
        await self.tokens(session, answer)
        ends = list(
            itertools.accumulate(len(p["piece"]) for p in await self._pieces(session, answer))
        )
        # Some tokenizers add a space before the text.
        lead = ends[-1] - len(answer)
        return [(max(0, a - lead), max(0, b - lead)) for a, b in itertools.pairwise([0, *ends])]

    async def tokenize(
        self, session: Connection, text: str, *, add_special: bool = False
    ) -> list[int]:
        """The tokens of a text, in which special tokens may be written out.

        Args:
            session: connections to the server.
            text: the text.
            add_special: whether to add the special tokens that begin or end a text.
        """
        body = {"content": text, "add_special": add_special, "parse_special": True}
        return await _asked_beside(
            session, f"{self._root}/tokenize", body, lambda reply: _ints(reply["tokens"])
        )

    async def _pieces(self, session: Connection, answer: str) -> list[dict[str, Any]]:
        body = {
            "content": answer,
            "add_special": False,
            "parse_special": False,
            "with_pieces": True,
        }

        def parse(reply: Any) -> list[dict[str, Any]]:
            pieces: list[dict[str, Any]] = reply["tokens"]
            if not all(type(p["id"]) is int and isinstance(p["piece"], str | list) for p in pieces):
                raise UnusableReply("its tokens have no numbers and pieces")
            return pieces

        return await _asked_beside(session, f"{self._root}/tokenize", body, parse)

    async def log_probs(
        self, session: Connection, prompt: Prompt, answers: Sequence[str], tokens: list[list[int]]
    ) -> list[FloatArray]:
        """See `Route.log_probs`. Takes one request per answer; the server caches the prompt."""
        path, fields = await self._request(session, prompt)
        return [await self._write(session, path, fields, answer) for answer in tokens]

    async def _request(self, session: Connection, prompt: Prompt) -> tuple[str, dict[str, Any]]:
        """Where a request for log-probabilities goes, and its fields for the prompt."""
        asked = {"logprobs": True, "top_logprobs": 1}
        fields = chat_fields(prompt, self._chat, self._chat.begun(prompt))
        return "/chat/completions", {**fields, **asked}

    async def _write(
        self, session: Connection, path: str, fields: dict[str, Any], tokens: list[int]
    ) -> FloatArray:
        body = {
            "model": self._model,
            **fields,
            "max_tokens": len(tokens),
            "temperature": 0,
            "grammar": "root ::= " + " ".join(f"<[{token}]>" for token in tokens),
        }

        def parse(reply: Any) -> FloatArray:
            written = reply["choices"][0]["logprobs"]["content"]
            if [entry["id"] for entry in written] != tokens:
                raise UnusableReply("its tokens are not those of the answer")
            return np.array([_log_prob(entry["logprob"]) for entry in written])

        return await session.post(path, body, parse)


class TopLogProbs:
    """Any server with `top_logprobs`: answers of one token.

    Args:
        model: the model's name on the server.
        base_url: for messages.
        chat: variables of the chat template, and the start of the answer.
    """

    name = "top_logprobs"
    concurrency = CONCURRENCY

    def __init__(self, model: str, base_url: str, chat: ChatOptions) -> None:
        self._model = model
        self._chat = chat
        self._base_url = base_url

    async def tokens(self, session: Connection, answer: str) -> list[int]:
        """One token; its number is unknown, so 0 stands for it."""
        if len(answer.split()) > 1:
            raise ArgumentError(
                f"the answer {answer!r} has several tokens, and {self._base_url} gives only the "
                f"log-probabilities of the {TOP_LOG_PROBS} most probable first tokens; compare "
                "answers of one token, use a server that scores whole answers (vLLM, llama.cpp), "
                f"or {WITHOUT_LOG_PROBS}"
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
            "top_logprobs": TOP_LOG_PROBS,
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
        return [np.array([_log_prob(top[answer])]) for answer in answers]


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
    return [*parts, {"type": "text", "text": message.content}] if message.content else parts


def first_tokens_limit(base_url: str) -> str:
    """The name of the parameter that limits generated tokens.

    OpenAI's newer models take only the new name; some other servers take only the old one.
    """
    host = base_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return "max_completion_tokens" if host.endswith("openai.com") else "max_tokens"


def _root(base_url: str) -> str:
    return base_url.removesuffix("/").removesuffix("/v1")


async def _asked_beside(
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


def _of_tokens(of_prompt: Any, start: int, tokens: list[int]) -> FloatArray:
    """The log-probabilities of tokens, from `prompt_logprobs` in which they begin at start."""
    if len(of_prompt) != start + len(tokens):
        raise UnusableReply(
            f"it has {len(of_prompt)} prompt_logprobs for {start + len(tokens)} tokens"
        )
    # Keys are token numbers as strings: JSON has no others.
    entries = of_prompt[start:]
    return np.array(
        [
            _log_prob(entry[str(token)]["logprob"])
            for entry, token in zip(entries, tokens, strict=True)
        ]
    )


def _log_prob(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableReply(f"{value!r} is no log-probability")
    if not _NO_LOG_PROB < value <= 1e-3:
        raise UnusableReply(f"{value!r} is no log-probability of a token that can be written")
    return min(0.0, float(value))  # rounding can leave it a little above 0


def _ints(values: Any) -> list[int]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise UnusableReply("its tokens are no list of whole numbers")
    return values


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise UnusableReply(f"{value!r} is no text")
    return value


def _spans(answer: str, texts: list[str]) -> list[tuple[int, int]]:
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
