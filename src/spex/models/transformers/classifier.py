"""Sequence classifiers on transformers and PyTorch; their answers are the labels."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError, BackendError
from spex.models.protocol import Prompt
from spex.models.transformers.batching import padded, plan_batches
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.prefix_tree import Readings
from spex.models.transformers.torch_backend import backend_errors


class SequenceClassifier(HuggingFaceModel):
    """A classifier of texts, as a language model whose answers are its labels, one token each.

    `generate` gives the most probable label. The log-probability of a label comes from the softmax
    over the classes, or, if a text may have several labels, from the label's own sigmoid. Arguments
    and errors are those of `HuggingFaceModel`.
    """

    _kind = "sequence classifier"
    _auto_class = "AutoModelForSequenceClassification"

    @functools.cached_property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes.

        Raises:
            BackendError: the model gives a score, not classes.
        """
        config = self._model.config
        if config.num_labels < 2 or config.problem_type == "regression":
            raise BackendError(f"{self.name!r} gives a score, not probabilities of classes")
        return tuple(config.id2label[number] for number in range(config.num_labels))

    @functools.cached_property
    def shares_prefixes(self) -> bool:
        """False: the classes are read off whole prompts."""
        return False

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """The label as one token; raises ArgumentError if there is no such label."""
        self._label(answer)
        return [(0, len(answer))]

    def _label(self, answer: str) -> int:
        if answer not in self.labels:
            shown = ", ".join(map(repr, self.labels[:10]))
            raise ArgumentError(f"{answer!r} is no label of {self.name!r}; it has {shown}")
        return self.labels.index(answer)

    def _encode(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> tuple[list[list[int]], list[list[int]]]:
        prompt_tokens = self._encode_prompts(prompts)
        for number, tokens in enumerate(prompt_tokens):
            self._check_length(number, len(tokens), 0)
        return prompt_tokens, [[self._label(answer)] for answer in answers]

    def _encode_text(self, text: str) -> list[int]:
        return self._tokenize(text, special=True)

    def _check_length(self, number: int, n_prompt: int, n_answer: int) -> None:
        super()._check_length(number, n_prompt, 0)

    def _reply(self, prompts: list[list[int]], max_new_tokens: int) -> Iterator[tuple[int, str]]:
        for number, tokens in enumerate(prompts):
            with self._torch.inference_mode(), backend_errors(self._torch, self.name):
                best = int(self._log_probs_of_classes([tokens]).argmax())
            yield number, self.labels[best]

    def _score_rows(
        self, prompts: list[list[int]], answers: list[list[int]]
    ) -> Iterator[tuple[Readings, FloatArray]]:
        labels = np.array([label for (label,) in answers], dtype=np.int64)

        def forward(batch: Sequence[int]) -> tuple[Readings, FloatArray]:
            values = self._log_probs_of_classes([prompts[number] for number in batch])
            rows, columns = np.indices((len(batch), len(labels))).reshape(2, -1)
            readings = Readings(rows, labels[columns], np.array(batch)[rows], columns)
            return readings, values[rows, readings.tokens]

        lengths = [len(prompt) for prompt in prompts]
        # A decoder classifies by its last token, and finds it by the padding token: without one,
        # a row is a batch alone.
        budget = self._row_tokens if self._pad_token is not None else 1
        return self._network.run(
            plan_batches(lengths, [1] * len(prompts), budget, len(prompts)), forward
        )

    @property
    def _pad_token(self) -> int | None:
        token: int | None = self._model.config.get_text_config().pad_token_id
        return token

    def _log_probs_of_classes(self, prompts: Sequence[Sequence[int]]) -> FloatArray:
        """(n_prompts, n_classes) float64 in nats; padding on the right changes no position."""
        torch = self._torch
        tokens, attended = padded(prompts, self._pad_token or 0)
        logits = self._model(
            input_ids=self._network.tensor(tokens),
            attention_mask=self._network.tensor(attended),
        ).logits.float()
        several = self._model.config.problem_type == "multi_label_classification"
        scores = torch.nn.functional.logsigmoid(logits) if several else logits.log_softmax(dim=-1)
        return np.asarray(scores.cpu().numpy(), dtype=np.float64)
