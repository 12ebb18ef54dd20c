"""SGLang: its own `/generate`, whose radix cache serves the prefixes that masks share.

Written from its published schema (`GenerateReqInput`, sampling parameters, `/tokenize`) and tested
with a stand-in that follows it, not with SGLang.

A request says from where on log-probabilities of its tokens are wanted: from the prompt's last
token on. The cache holds no logits, so it serves what comes before that token, and the first entry
that comes back is none. From 0 on, the default of many clients, it serves nothing, and the logits
of the whole prompt are held at once. Answers of one token need no token of the prompt:
`token_ids_logprob` names them among the first tokens after it. Nothing is written
(`max_new_tokens: 0`), as in SGLang's own `/v1/score`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import BackendError
from spex.models.protocol import Prompt
from spex.models.servers.endpoint import CONCURRENCY, WITHOUT_LOG_PROBS, Connection
from spex.models.servers.failures import RequestFailed, UnusableReply
from spex.models.servers.log_prob_routes import (
    Tokenizing,
    asked_beside,
    log_prob,
    spans,
    text_of,
)


class Generate(Tokenizing):
    """SGLang: log-probabilities of the tokens of a prompt from its end on, or after it.

    Args:
        model: the model's name on the server.
        base_url: ends in /v1; /generate, /tokenize and /detokenize are beside it.
        chat: variables of the chat template, and the start of the answer.
    """

    name = "generate"
    concurrency = CONCURRENCY
    takes_images = False  # /generate needs a text with them, which only the server can write

    async def spans(self, session: Connection, answer: str) -> list[tuple[int, int]]:
        """See `Route.spans`."""
        tokens = await self.tokens(session, answer)
        starts = [tokens[:count] for count in range(1, len(tokens) + 1)]
        body = {"model": self._model, "tokens": starts}
        texts = await asked_beside(
            session, f"{self._root}/detokenize", body, lambda r: list(map(text_of, r["text"]))
        )
        return spans(answer, texts)

    async def log_probs(
        self, session: Connection, prompt: Prompt, answers: Sequence[str], tokens: list[list[int]]
    ) -> list[FloatArray]:
        """See `Route.log_probs`.

        Sends one request for the prompt's tokens, then one for all answers of one token, then one
        for each other answer. So each next request finds the prompt in the cache.
        """
        start = await self._start(session, prompt)
        labels = [answer[0] for answer in tokens if len(answer) == 1]
        found = await self._first(session, start, labels) if labels else {}
        return [
            np.array([found[answer[0]]])
            if len(answer) == 1
            else await self._in_prompt(session, start, answer)
            for answer in tokens
        ]

    async def _start(self, session: Connection, prompt: Prompt) -> list[int]:
        try:
            start = await super()._start(session, prompt)
        except RequestFailed as failure:
            if failure.status not in (400, 422) or failure.overlong:
                raise
            raise BackendError(
                f"{self._root} {failure}; if this SGLang cannot tokenise messages (releases of "
                f"2025 cannot), update it, or {WITHOUT_LOG_PROBS}"
            ) from None
        if not start:
            raise BackendError(f"{self._root} gives no tokens for the prompt")
        return start

    async def _first(
        self, session: Connection, start: list[int], labels: list[int]
    ) -> dict[int, float]:
        """The log-probability of each label as the first token after a prompt."""

        def parse(told: dict[str, Any]) -> dict[int, float]:
            entries = told["output_token_ids_logprobs"][0]
            found = {token: log_prob(value) for value, token, *_ in entries}
            if missing := set(labels) - set(found):
                raise UnusableReply(f"it lacks the tokens {sorted(missing)}, which were asked for")
            return found

        asked = {"logprob_start_len": -1, "token_ids_logprob": sorted(set(labels))}
        return await self._generate(session, start, asked, parse)

    async def _in_prompt(
        self, session: Connection, start: list[int], answer: list[int]
    ) -> FloatArray:
        """The log-probabilities of an answer's tokens."""

        def parse(told: dict[str, Any]) -> FloatArray:
            first, *entries = told["input_token_logprobs"]
            of_tokens = [token for _, token, *_ in (first, *entries)]
            if of_tokens != [start[-1], *answer]:
                raise UnusableReply("its input_token_logprobs are not those of the tokens sent")
            return np.array([log_prob(value) for value, *_ in entries])

        asked = {"logprob_start_len": len(start) - 1}
        return await self._generate(session, start + answer, asked, parse)

    async def _generate(
        self, session: Connection, tokens: list[int], asked: dict[str, Any], parse: Any
    ) -> Any:
        body = {
            "input_ids": tokens,
            "sampling_params": {"max_new_tokens": 0, "temperature": 0},
            "return_logprob": True,
            **asked,
        }

        def read(reply: Any) -> Any:
            told = reply.get("meta_info")
            reason = told.get("finish_reason") if isinstance(told, dict) else None
            if isinstance(reason, dict) and reason.get("type") == "abort":
                raise UnusableReply(f"it gave up: {reason.get('message')}")
            try:
                return parse(told)
            except (LookupError, TypeError, ValueError):
                raise UnusableReply("it lacks log-probabilities that were asked for") from None

        return await asked_beside(session, f"{self._root}/generate", body, read)
