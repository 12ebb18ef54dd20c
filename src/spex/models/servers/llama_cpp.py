"""llama.cpp's server: a grammar makes the model write a given answer."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.chat import ChatOptions
from spex.models.protocol import Prompt
from spex.models.servers.endpoint import Connection
from spex.models.servers.failures import UnusableReply
from spex.models.servers.log_prob_routes import (
    asked_beside,
    chat_fields,
    ints,
    log_prob,
    root,
    written_tokens,
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
    takes_images = True

    def __init__(self, model: str, base_url: str, chat: ChatOptions) -> None:
        self._model = model
        self._chat = chat
        self._root = root(base_url)

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
        return await asked_beside(
            session, f"{self._root}/tokenize", body, lambda reply: ints(reply["tokens"])
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

        return await asked_beside(session, f"{self._root}/tokenize", body, parse)

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
            return np.array([log_prob(entry["logprob"]) for entry in written])

        return await session.post(path, body, parse)

    async def written(
        self, session: Connection, prompt: Prompt, max_new_tokens: int
    ) -> tuple[str, list[float]]:
        """See `Route.written`; without a grammar."""
        path, fields = await self._request(session, prompt)
        body = {"model": self._model, **fields, "max_tokens": max_new_tokens, "temperature": 0}
        begun = self._chat.begun(prompt)
        return await session.post(path, body, lambda reply: written_tokens(reply, begun))
