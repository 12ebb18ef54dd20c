"""Sequence classifiers on transformers and PyTorch; their answers are the labels."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_expit, log_softmax

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.models.protocol import Message, Prompt
from spex.models.transformers.batching import padded, plan_batches
from spex.models.transformers.causal import HuggingFaceModel


@dataclass(frozen=True)
class _Input:
    """A prompt, made ready for the network.

    Attributes:
        tokens: the tokens, special ones included.
        types: the number of the text that each token belongs to, if the tokenizer gives it.
    """

    tokens: tuple[int, ...]
    types: tuple[int, ...] | None = None


class SequenceClassifier(HuggingFaceModel):
    """A classifier of texts, as a language model whose answers are its labels, one token each.

    `generate` gives the most probable label. The log-probability of a label comes from the softmax
    over the classes, or, if a text may have several labels, from the label's own sigmoid.
    A regression, a reward model or a reranker has no probabilities: see `outputs`.

    A prompt of two texts is a pair for the tokenizer, such as the question and the passage of a
    reranker. If the tokenizer has a chat template, the first is the user's message and the second
    the assistant's, as for a reward model. Arguments and errors are those of `HuggingFaceModel`.
    """

    _kind = "sequence classifier"
    _auto_class = "AutoModelForSequenceClassification"
    _opens_answer = False
    # A classifier gets bare text, and writes no answer that a report could describe.
    notes = ()

    def _check_chat(self) -> None:
        super()._check_chat()
        if self._chat.answer_prefix:
            raise ArgumentError(
                f"answer_prefix: {self.name!r} is a classifier and writes no answer; leave it out"
            )

    @property
    def _reading(self) -> str:
        return f";pairs{self._chat.identity}"

    @functools.cached_property
    def labels(self) -> tuple[str, ...]:
        """The names of the outputs."""
        config = self._model.config
        return tuple(config.id2label[number] for number in range(config.num_labels))

    @property
    def is_regression(self) -> bool:
        """Whether the outputs are plain numbers, not the scores of classes."""
        config = self._model.config
        return config.num_labels == 1 or config.problem_type == "regression"

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """The label as one token; raises ArgumentError if there is no such label."""
        self.label_number(answer)
        return [(0, len(answer))]

    def answer_ids(self, answer: str) -> list[int]:
        """The number of the label."""
        return [self.label_number(answer)]

    def written(self, prompt: Prompt, max_new_tokens: int) -> tuple[str, FloatArray]:
        """The most probable label and (1,) float64, its log-probability in nats."""
        (label,) = self.generate([prompt])
        ((_, (values,)),) = self.log_probs([prompt], [label])
        return label, values

    def label_number(self, label: str) -> int:
        """The number of a label; raises ArgumentError if there is no such label."""
        if label not in self.labels:
            shown = ", ".join(map(repr, self.labels[:10]))
            raise ArgumentError(f"{label!r} is no label of {self.name!r}; it has {shown}")
        return self.labels.index(label)

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """See `LanguageModel.check_prompts`."""
        for answer in answers:
            self.label_number(answer)
        self._inputs(prompts)

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`.

        Raises:
            ArgumentError: see `check_prompts`, or the model is a regression.
        """
        if self.is_regression:
            raise ArgumentError(
                f"{self.name!r} gives a score, not probabilities of classes; explain the score "
                "itself: spex.LogProb(), or --score logprob"
            )
        labels = [self.label_number(answer) for answer in answers]
        several = self._model.config.problem_type == "multi_label_classification"
        normalised = log_expit if several else log_softmax
        return (
            (number, [normalised(outputs)[[label]] for label in labels])
            for number, outputs in self.outputs(prompts)
        )

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """The label of the largest output, for each prompt."""
        return (
            (number, self.labels[outputs.argmax()]) for number, outputs in self.outputs(prompts)
        )

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """The label of the largest output, for each prompt."""
        replies = dict(self.replies(prompts))
        return [replies[number] for number in range(len(prompts))]

    def outputs(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, FloatArray]]:
        """The outputs of the network, before any softmax or sigmoid.

        Args:
            prompts: what the model is given.

        Returns:
            (prompt number, (n_labels,) float64), in any order, as soon as a batch is finished.

        Raises:
            ArgumentError: a prompt exceeds the context; raised by the call itself.
            BackendError: the model failed.
        """
        return self._outputs(self._inputs(prompts))

    def _outputs(self, inputs: list[_Input]) -> Iterator[tuple[int, FloatArray]]:
        # Prompts with the same tokens are evaluated once.
        numbers: dict[_Input, list[int]] = {}
        for number, one in enumerate(inputs):
            numbers.setdefault(one, []).append(number)
        distinct = list(numbers)
        # A decoder classifies by its last token, and finds it by the padding token: without one,
        # a row is a batch alone.
        budget = self._row_tokens if self._pad_token is not None else 1
        batches = plan_batches(
            [len(one.tokens) for one in distinct], [1] * len(distinct), budget, len(distinct)
        )
        rows = [[distinct[number] for number in batch] for batch in batches]
        for batch, of_batch in self._network.run(rows, lambda rows: (rows, self._forward(rows))):
            for one, values in zip(batch, of_batch, strict=True):
                for number in numbers[one]:
                    yield number, values

    def _forward(self, inputs: Sequence[_Input]) -> FloatArray:
        """(n_inputs, n_labels) float64; padding on the right changes no position."""
        tokens, attended = padded([one.tokens for one in inputs], self._pad_token or 0)
        arguments = {"input_ids": tokens, "attention_mask": attended}
        types = [one.types for one in inputs if one.types is not None]
        if types:
            arguments["token_type_ids"] = padded(types)[0]
        placed = {name: self._network.tensor(value) for name, value in arguments.items()}
        logits = self._network(**placed).logits.float()
        return np.asarray(logits.cpu().numpy(), dtype=np.float64)

    @property
    def _pad_token(self) -> int | None:
        token: int | None = self._model.config.get_text_config().pad_token_id
        return token

    # Tokens

    def _inputs(self, prompts: Sequence[Prompt]) -> list[_Input]:
        inputs = [self._input(prompt) for prompt in prompts]
        for number, one in enumerate(inputs):
            self._check_length(number, len(one.tokens), 0)
        return inputs

    def _input(self, prompt: Prompt) -> _Input:
        if prompt.answer_prefix:
            raise ArgumentError(
                f"{self.name!r} is a classifier and writes no answer, so there is no reasoning "
                "before one; use a causal language model"
            )
        pair = prompt.pair
        if self._tokenizer.chat_template:
            if pair is not None:
                *before, _ = prompt.messages
                turns = (Message("user", pair[0]), Message("assistant", pair[1]))
                prompt = replace(prompt, messages=(*before, *turns))
            return _Input(tuple(self._tokenize(self._apply_template(prompt), special=False)))
        texts = ["\n\n".join(m.as_text for m in prompt.messages)]
        if pair is not None and len(prompt.messages) == 1:
            texts = list(pair)
        encoding = self._tokenizer(*texts, verbose=False)
        tokens = tuple(encoding["input_ids"]) or (self._start_token(),)
        types = encoding.get("token_type_ids")
        if not types or "token_type_ids" not in self._network.accepted:
            return _Input(tokens)
        return _Input(tokens, tuple(types))

    def _encode_prompts(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        return [list(self._input(prompt).tokens) for prompt in prompts]
