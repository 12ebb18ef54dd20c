"""vLLM: answers of one token among the first tokens to write, others among those of a prompt.

`prompt_logprobs` make vLLM read the whole prompt anew, because its prefix cache holds no logits.
They also make it hold the logits of all tokens at once (8,192 tokens of a vocabulary of 152,000:
7.5 GB). So spex asks for them only if an answer has several tokens. spex never asks for
`skip_reading_prefix_cache: false`, which makes vLLM return log-probabilities of other tokens.

Answers of one token are looked up by `logprob_token_ids` among the tokens that the model may write
after the prompt. That reads what the prefix cache lacks, and one row of logits. A server that does
not know the field (vLLM before July 2026) gives the 20 most probable ones. If the answer is not
among them, `prompt_logprobs` are used from then on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.chat import ChatOptions
from spex.models.protocol import Prompt
from spex.models.servers.endpoint import CONCURRENCY, WITHOUT_LOG_PROBS, Connection
from spex.models.servers.failures import RequestFailed, UnusableReply
from spex.models.servers.log_prob_routes import (
    TOP_LOG_PROBS,
    Tokenizing,
    chat_fields,
    log_prob,
    spans,
    text_of,
)


class PromptLogProbs(Tokenizing):
    """vLLM: log-probabilities of the tokens after a prompt, or in it.

    Args:
        model: the model's name on the server.
        base_url: ends in /v1; /tokenize and /detokenize are beside it.
        chat: variables of the chat template, and the start of the answer.
    """

    name = "prompt_logprobs"
    concurrency = CONCURRENCY
    takes_images = True

    def __init__(self, model: str, base_url: str, chat: ChatOptions) -> None:
        super().__init__(model, base_url, chat)
        self._tells_first = True  # until a reply shows that it does not

    async def spans(self, session: Connection, answer: str) -> list[tuple[int, int]]:
        """See `Route.spans`."""
        tokens = await self.tokens(session, answer)

        url = f"{self._root}/detokenize"

        async def text(count: int) -> str:
            body = {"model": self._model, "tokens": tokens[:count]}
            return await session.post(url, body, lambda reply: text_of(reply["prompt"]))

        return spans(answer, [await text(count) for count in range(1, len(tokens) + 1)])

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
        start = await self._start(session, prompt)
        if self._tells_first and all(len(answer) == 1 for answer in tokens):
            found = await self._first(session, start, [answer[0] for answer in tokens])
            if found is not None:
                return found
            self._tells_first = False
        return await self._in_prompt(session, start, tokens)

    async def _first(
        self, session: Connection, start: list[int], labels: list[int]
    ) -> list[FloatArray] | None:
        """Log-probabilities of first tokens after a prompt; None if the server has others."""
        body = {
            "model": self._model,
            "prompt": start,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": TOP_LOG_PROBS,
            "logprob_token_ids": sorted(set(labels)),
            "return_tokens_as_token_ids": True,  # two tokens may have the same text
        }

        def parse(reply: Any) -> list[FloatArray] | None:
            (told,) = reply["choices"][0]["logprobs"]["top_logprobs"]
            names = [f"token_id:{label}" for label in labels]
            if not all(name in told for name in names):
                return None
            return [np.array([log_prob(told[name])]) for name in names]

        try:
            return await session.post("/completions", body, parse)
        except RequestFailed as failure:
            if failure.status not in (400, 422) or failure.overlong:
                raise
            return None  # for example, --max-logprobs allows fewer

    async def _in_prompt(
        self, session: Connection, start: list[int], tokens: list[list[int]]
    ) -> list[FloatArray]:
        """Log-probabilities of answers among the tokens of a prompt, in one request."""
        body = {
            "model": self._model,
            "prompt": [start + answer for answer in tokens],
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,  # only the prompt's own tokens, no alternatives
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
                    f"the tokens of the answer {answer!r} after the chat template of "
                    f"{self._model!r} are not those of the answer alone; give another answer, such "
                    f"as one without white space at its ends, or {WITHOUT_LOG_PROBS}"
                )
            return _of_tokens(last, 0, tokens)

        return await session.post("/chat/completions", body, parse)


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
            log_prob(entry[str(token)]["logprob"])
            for entry, token in zip(entries, tokens, strict=True)
        ]
    )
