"""Encoder-decoder language models, such as T5 and BART, on transformers and PyTorch."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.protocol import Prompt, Reply
from spex.models.transformers.batching import padded, plan_batches
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.prefixes.prefix_tree import Readings
from spex.models.transformers.scoring import columns
from spex.models.transformers.torch_backend import LOGIT_POSITIONS, backend_errors, pick


class Seq2SeqModel(HuggingFaceModel):
    """A model whose encoder reads the prompt and whose decoder writes the answer.

    The encoder runs once per distinct prompt, whatever the number of answers. Arguments and errors
    are those of `HuggingFaceModel`. Prompt and answer each have the whole context length.
    """

    _kind = "encoder-decoder language model"
    _auto_class = "AutoModelForSeq2SeqLM"

    @functools.cached_property
    def shares_prefixes(self) -> bool:
        """False: an encoder reads in both directions, so prompts cannot share prefixes."""
        return False

    @property
    def _reading(self) -> str:
        return self._chat.identity

    @functools.cached_property
    def notes(self) -> tuple[str, ...]:
        """None: these models are made for bare text."""
        return ()

    def _prompt_text(self, prompt: Prompt) -> str:
        if prompt.answer_prefix:
            raise ArgumentError(
                f"{self.name!r} reads the prompt and writes the answer separately, so reasoning "
                "before the answer cannot be given to it; use a causal language model"
            )
        return self._rendered(prompt)

    @property
    def _before_answers(self) -> tuple[str, list[int]]:
        """Nothing, because the decoder begins a new text."""
        return "", []

    @functools.cached_property
    def _start(self) -> list[int]:
        """The first tokens of the decoder, before every answer."""
        generation = self._model.generation_config
        first = generation.decoder_start_token_id
        if first is None:
            first = self._model.config.decoder_start_token_id
        start = [token for token in (first, generation.forced_bos_token_id) if token is not None]
        return start + self._tokenize(self._chat.answer_prefix, special=False)

    def _encode_text(self, text: str) -> list[int]:
        return self._tokenize(text, special=True)  # an encoder reads the end of a text as well

    def _check_length(self, number: int, n_prompt: int, n_answer: int) -> None:
        super()._check_length(number, n_prompt, 0)
        if self._max_tokens is not None and len(self._start) + n_answer > self._max_tokens:
            raise ArgumentError(
                f"the longest answer has {n_answer} tokens, but the context of {self.name!r} is "
                f"{self._max_tokens}; shorten it"
            )

    def _encoded(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """The encoder's output for a batch, padded on the right, and its attention mask."""
        tokens, attended = padded(prompts)
        mask = self._network.tensor(attended)
        output = self._network(
            self._model.get_encoder(), input_ids=self._network.tensor(tokens), attention_mask=mask
        )
        return {"encoder_outputs": output, "attention_mask": mask}

    def _write(
        self, prompts: Sequence[Prompt], encoded: list[list[int]], max_new_tokens: int
    ) -> Iterator[tuple[int, Reply]]:
        return self._write_alone(prompts, encoded, max_new_tokens)

    def _greedy(
        self, prompt: Prompt, tokens: list[int], max_new_tokens: int
    ) -> tuple[Reply, FloatArray]:
        with self._torch.inference_mode(), backend_errors(self._torch, self.name):
            context = self._encoded([tokens])
        return self._continue("decoder_input_ids", self._start, max_new_tokens, **context)

    def _score_rows(
        self, prompts: list[list[int]], answers: list[list[int]]
    ) -> Iterator[tuple[Readings, FloatArray]]:
        longest = max(map(len, answers), default=0)
        batches = plan_batches(
            [len(prompt) for prompt in prompts],
            [longest] * len(prompts),
            self._row_tokens,
            LOGIT_POSITIONS,
        )
        return self._network.run(
            batches, lambda batch: self._forward_batch(batch, prompts, answers)
        )

    def _forward_batch(
        self, batch: Sequence[int], prompts: list[list[int]], answers: list[list[int]]
    ) -> tuple[Readings, FloatArray]:
        torch = self._torch
        context = self._encoded([prompts[number] for number in batch])
        starts = columns(answers)
        read: list[Readings] = []
        values: list[FloatArray] = []
        for answer, start in zip(answers, starts, strict=False):
            fed = torch.tensor([[*self._start, *answer[:-1]]], device=self._network.device)
            output = self._network(
                decoder_input_ids=fed.expand(len(batch), -1), use_cache=False, **context
            )
            logits = output.logits[:, len(self._start) - 1 :].flatten(0, 1)
            readings = Readings(
                np.arange(len(batch) * len(answer)),
                np.tile(answer, len(batch)),
                np.repeat(batch, len(answer)),
                np.tile(start + np.arange(len(answer)), len(batch)),
            )
            read.append(readings)
            values.append(pick(torch, logits, readings.nodes, readings.tokens))
        return Readings.joined(read), np.concatenate(values)
