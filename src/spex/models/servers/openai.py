"""Language models behind an OpenAI-compatible server, by the official client."""

import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.chat import ChatOptions
from spex.models.protocol import Prompt, Reply
from spex.models.servers.address import (
    PREFIX,
    SGLANG_PREFIX,
    check_url,
    key_of_environment,
    split_name,
)
from spex.models.servers.concurrency import call, stream
from spex.models.servers.endpoint import (
    CONCURRENCY,
    TIMEOUT_SECONDS,
    WITHOUT_LOG_PROBS,
    Connection,
    Endpoint,
)
from spex.models.servers.failures import RequestFailed, UnusableReply
from spex.models.servers.llama_cpp import TokenGrammar
from spex.models.servers.log_prob_routes import (
    OLLAMA,
    TGI,
    Route,
    TopLogProbs,
    chat_fields,
    first_tokens_limit,
    root,
)
from spex.models.servers.sglang import Generate
from spex.models.servers.usage import Usage
from spex.models.servers.vllm import PromptLogProbs

T = TypeVar("T")

# Fields of a server's list of models that change only with the model.
_TELLING = ("id", "owned_by", "root", "parent")
_TELLING_META = ("n_vocab", "n_embd", "n_params", "size", "ftype")
# Statuses for a route or an option that the server does not have.
_REFUSALS = (400, 404, 405, 422, 501)


def connect(
    name: str,
    price: tuple[float, float] | None = None,
    chat: ChatOptions | None = None,
    notice: Callable[[str], None] | None = None,
) -> "OpenAIModel":
    """The model of a name such as "openai:gpt-4o-mini@https://api.openai.com/v1" or "sglang:...".

    Args:
        name: the name.
        price: dollars per million tokens read and written.
        chat: variables of the chat template, and the start of the answer.
        notice: is told when requests fail and are sent again; default: the log `spex`.

    Raises:
        ArgumentError: the name has another form, or the server does not serve the model.
        MissingExtraError: openai is not installed.
        BackendError: the server cannot be reached, or refuses access.
    """
    model, base_url = split_name(name)
    kind = OpenAIModel
    if name.startswith(SGLANG_PREFIX):
        kind, base_url = SGLangModel, f"{root(base_url)}/v1"
    return kind(model, base_url, name=name, price=price, chat=chat, notice=notice)


class OpenAIModel:
    """A model behind an OpenAI-compatible server; see `LanguageModel` for the methods' contract.

    Prompts are sent as chat messages, several at once, and answers are greedy (temperature 0).
    The server's list of models says what kind of server it is:

    - vLLM, SGLang and llama.cpp's server score whole answers.
    - Others score answers of one token that is among the 20 most probable first tokens.
    - Those without log-probabilities have scores of replies only, such as `Similarity`.

    Only the server knows the model's context and tokens, so a prompt that is too long is refused
    when it is sent. Pictures are sent as PNG data URLs.

    Args:
        model: the model's name on the server.
        base_url: the address of the API, such as "http://127.0.0.1:8000/v1".
        name: the model's name in reports; default: as for `spex.models.load`.
        concurrency: the most requests at once; default: 8, and 1 on llama.cpp's server, whose
            values may depend on the other requests of the moment (docs/models.md).
        timeout: seconds after which a request counts as failed and is sent again.
        price: dollars per million tokens read and written, for `usage.cost`.
        chat: variables of the chat template, sent as `chat_template_kwargs`, and the start of the
            answer, sent to vLLM, SGLang and llama.cpp as the assistant's message.
        notice: is told when requests fail and are sent again; default: the log `spex`, which Python
            writes on standard error.

    The API key is read from the environment variable OPENAI_API_KEY. It appears in no name,
    identity, message or file.

    Raises:
        ArgumentError: an argument is wrong, or the server does not serve the model.
        MissingExtraError: openai is not installed.
        BackendError: the server cannot be reached, or refuses access.
    """

    may_vary = True  # see `spex.values.repeatability`
    _prefix = PREFIX

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        name: str | None = None,
        concurrency: int | None = None,
        timeout: float = TIMEOUT_SECONDS,
        price: tuple[float, float] | None = None,
        chat: ChatOptions | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        check_url(base_url)
        if not isinstance(model, str) or not model:
            raise ArgumentError(f"model={model!r} is no name of a model")
        at_once = CONCURRENCY if concurrency is None else concurrency
        endpoint = Endpoint(
            base_url, key_of_environment(), at_once, timeout, price=price, notice=notice
        )
        self._serve_from(endpoint, model, name, chat or ChatOptions())
        if concurrency is None:
            endpoint.concurrency = self._route.concurrency

    def _serve_from(
        self, endpoint: Endpoint, model: str, name: str | None, chat: ChatOptions
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self.name = name or f"{self._prefix}{model}@{endpoint.base_url}"
        self._answer_tokens: dict[str, list[int]] = {}
        self._entry = self._look_up()
        self._chat = chat
        self._route = self._choose_route(endpoint.base_url)
        if chat.answer_prefix:
            self._check_continues("answer_prefix")

    def _check_continues(self, what: str) -> None:
        """Refuse the start of an answer if the server cannot continue it."""
        if isinstance(self._route, TopLogProbs):
            raise ArgumentError(
                f"{what}: {self._endpoint.base_url} does not continue an answer, as vLLM, SGLang "
                "and llama.cpp do; leave it out, or use such a server"
            )

    def _choose_route(self, base_url: str) -> Route:
        """The way to score answers, by what the server says of itself."""
        owner, model, chat = self._entry.get("owned_by"), self._model, self._chat
        match owner:
            case "vllm":
                return PromptLogProbs(model, base_url, chat)
            case "sglang":
                return Generate(model, base_url, chat)
            case "llamacpp":
                return TokenGrammar(model, base_url, chat)
            case "library":  # Ollama's models come from there
                return TopLogProbs(model, base_url, chat, OLLAMA)
        # Text-generation-inference names the model as its owner.
        kind = TGI if owner is not None and owner == self._entry.get("id") else None
        return TopLogProbs(model, base_url, chat, kind)

    @property
    def identity(self) -> str:
        """Server, model, a hash of the server's entry for it, and the route of log-probabilities.

        A server may serve other weights under the same name without saying so. If you know that it
        does, use another sample store.
        """
        told = {key: self._entry.get(key) for key in _TELLING}
        meta = self._entry.get("meta")
        if isinstance(meta, dict):
            told["meta"] = {key: meta.get(key) for key in _TELLING_META}
        text = json.dumps(told, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        place = f"{self._model}@{self._endpoint.base_url}"
        return f"{PREFIX}{place};served={digest};log_probs={self._route.name}{self._chat.identity}"

    @property
    def takes_images(self) -> bool:
        """False if the server says that the model reads no pictures; llama.cpp and OpenRouter do.

        Other servers refuse the first request with a picture.
        """
        told = self._entry.get("architecture")
        read = told.get("input_modalities") if isinstance(told, dict) else None
        return "image" in read if isinstance(read, list) else True

    @property
    def usage(self) -> Usage:
        """Counts of all requests so far."""
        return self._endpoint.usage

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """See `LanguageModel.generate`."""
        answers = dict(self.replies(prompts, max_new_tokens))
        return [answers[number] for number in range(len(prompts))]

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`."""
        if max_new_tokens < 1:
            raise ArgumentError(f"max_new_tokens={max_new_tokens} is below 1, the least")

        async def reply(session: Connection, number: int) -> str:
            body = {
                "model": self._model,
                **chat_fields(prompts[number], self._chat, self._chat.begun(prompts[number])),
                first_tokens_limit(self._endpoint.base_url): max_new_tokens,
                "temperature": 0,
            }
            answer = await session.post("/chat/completions", body, _reply)
            if not isinstance(self._route, TokenGrammar):
                return answer
            # llama.cpp repeats the start of an answer.
            text = answer.removeprefix(self._chat.begun(prompts[number]))
            return Reply(text, cut_off=answer.cut_off, has_text=answer.has_text)

        return self._stream(reply, len(prompts))

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """Refuse answers that the server cannot score; it is asked for each answer's tokens once.

        Raises:
            ArgumentError: an answer has no tokens, or the server cannot score them or continue the
                start of an answer.
            BackendError: the server failed.
        """
        if any(prompt.answer_prefix for prompt in prompts):
            self._check_continues("the start of the answer, such as its reasoning")
        for answer in answers:
            self._tokens(answer)
        if answers and not self._route.takes_images and any(p.has_images for p in prompts):
            raise ArgumentError(
                f"{self._endpoint.base_url} scores no answers after pictures; {WITHOUT_LOG_PROBS}"
            )

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`.

        Prompts are sent sorted, so that those that begin alike meet in the server's cache.
        """
        OpenAIModel.check_prompts(self, prompts, answers)
        tokens = [self._tokens(answer) for answer in answers]
        order = sorted(range(len(prompts)), key=lambda number: _words(prompts[number]))

        async def score(session: Connection, place: int) -> tuple[int, list[FloatArray]]:
            number = order[place]
            values = await self._route.log_probs(session, prompts[number], answers, tokens)
            return number, values

        return (result for _, result in self._stream(score, len(prompts)))

    def answer_ids(self, answer: str) -> list[int]:
        """The numbers of an answer's tokens, as the server has them; [0] where it tells none."""
        return self._tokens(answer)

    def written(self, prompt: Prompt, max_new_tokens: int) -> tuple[str, FloatArray]:
        """The model's reply, with the log-probability of each token, for a check of scores.

        Args:
            prompt: what the model is given.
            max_new_tokens: where the reply is cut off.

        Returns:
            The greedy reply and (n_tokens,) float64, in nats; without a token that ends it. Both
            are empty if the server refuses such a reply.

        Raises:
            BackendError: the server failed.
        """

        async def written(session: Connection) -> tuple[str, list[float]]:
            try:
                return await self._route.written(session, prompt, max_new_tokens)
            except RequestFailed as failure:
                if failure.status not in _REFUSALS or failure.overlong:
                    raise
                return "", []

        text, values = self._call(written)
        return text, np.array(values, dtype=np.float64)

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """See `LanguageModel.answer_tokens`."""
        return self._call(lambda session: self._route.spans(session, answer))

    def _tokens(self, answer: str) -> list[int]:
        if answer not in self._answer_tokens:
            tokens = self._call(lambda session: self._route.tokens(session, answer))
            if not tokens:
                raise ArgumentError(f"the answer {answer!r} has no tokens; give a longer one")
            self._answer_tokens[answer] = tokens
        return self._answer_tokens[answer]

    def _look_up(self) -> dict[str, Any]:
        """The server's entry for the model; empty if the server lists no models."""
        try:
            served = call(
                self._endpoint.session, lambda session: session.look_up("/models", _list_of_models)
            )
        except RequestFailed as failure:
            if failure.status in (404, 405, 501):  # some servers do not list their models
                return {}
            raise self._endpoint.error(failure) from None
        entry = next((entry for entry in served if entry["id"] == self._model), None)
        if entry is None and served:
            names = ", ".join(repr(entry["id"]) for entry in served[:8])
            more = f" and {len(served) - 8} more" if len(served) > 8 else ""
            raise ArgumentError(
                f"{self._endpoint.base_url} serves no model {self._model!r}; "
                f"it serves {names}{more}"
            )
        return entry or {}

    def _call(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        try:
            return call(self._endpoint.session, work)
        except RequestFailed as failure:
            raise self._endpoint.error(failure) from None

    def _stream(
        self, work: Callable[[Connection, int], Coroutine[Any, Any, T]], count: int
    ) -> Iterator[tuple[int, T]]:
        try:
            yield from stream(self._endpoint.session, work, count, self._endpoint.concurrency)
        except RequestFailed as failure:
            raise self._endpoint.error(failure) from None


class SGLangModel(OpenAIModel):
    """A model on SGLang, whatever the server's list of models calls itself; see `OpenAIModel`."""

    _prefix = SGLANG_PREFIX

    def _choose_route(self, base_url: str) -> Route:
        return Generate(self._model, base_url, self._chat)


def _words(prompt: Prompt) -> list[str]:
    return [message.as_text for message in prompt.messages]


def _list_of_models(reply: Any) -> list[dict[str, Any]]:
    entries = reply["data"]
    if not isinstance(entries, list) or not all(isinstance(e["id"], str) for e in entries):
        raise UnusableReply("it is no list of models")
    return entries


def _reply(answer: Any) -> Reply:
    choice = answer["choices"][0]
    message = choice["message"]
    content = message.get("content")
    if content is None:
        content = message.get("refusal")
    if not isinstance(content, str | None):
        raise UnusableReply("its content is no text")
    # A reply without a text: a filter, a tool call, or reasoning that was cut off. It is paid for,
    # and asking again would give the same.
    cut_off = choice.get("finish_reason") == "length"
    return Reply(content or "", cut_off=cut_off, has_text=content is not None)
