"""A local network as a differentiable function of the embeddings of its prompt's tokens."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from spex.errors import ArgumentError
from spex.models.protocol import Prompt
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.classifier import SequenceClassifier


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt as the network reads it.

    Attributes:
        text: with the chat template, if there is one.
        tokens: the tokens, special ones included.
        spans: the characters (start, stop) of `text` of each token; equal for special tokens.
    """

    text: str
    tokens: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


class DifferentiableModel:
    """A causal language model or a classifier of transformers.

    Args:
        model: the model.

    Raises:
        ArgumentError: it is of another kind, its network takes no embeddings, or its tokenizer
            does not give the positions of tokens.
    """

    def __init__(self, model: Any) -> None:
        if type(model) not in (HuggingFaceModel, SequenceClassifier):
            raise ArgumentError(
                f"a {type(model).__name__} has no gradients here; load a causal language model or "
                "a classifier of transformers: 'hf:NAME' or 'smollm2'"
            )
        self._model = model
        self._network = self._model._network
        self._torch = self._network.torch
        if "inputs_embeds" not in self._network.accepted:
            raise ArgumentError(f"the network of {self._model.name!r} takes no embeddings")
        if not self._model._tokenizer.is_fast:
            raise ArgumentError(
                f"the tokenizer of {self._model.name!r} does not give the positions of its tokens"
            )

    @property
    def torch(self) -> Any:
        """The module."""
        return self._torch

    def read(self, prompt: Prompt) -> ReadPrompt:
        """The tokens of a prompt, the same ones that `log_probs` reads, and where they stand.

        Raises:
            ArgumentError: the prompt is a pair of texts.
        """
        model = self._model
        has_template = bool(model._tokenizer.chat_template)
        if isinstance(model, SequenceClassifier):
            if prompt.pair is not None:
                raise ArgumentError("gradients of a pair of texts are not offered")
            text = "\n\n".join(message.as_text for message in prompt.messages)
            text = model._apply_template(prompt) if has_template else text
            special = not has_template
        else:
            text, special = model._prompt_text(prompt), False
        is_bare = not has_template and not isinstance(model, SequenceClassifier)
        before: list[int] = model._added_tokens[0] if is_bare else []
        encoding = model._tokenizer(
            text, add_special_tokens=special, return_offsets_mapping=True, verbose=False
        )
        tokens = [*before, *encoding["input_ids"]]
        spans = [*[(0, 0)] * len(before), *map(tuple, encoding["offset_mapping"])]
        return ReadPrompt(text, tuple(tokens), tuple(spans))

    def embeddings(self, tokens: Sequence[int]) -> Any:
        """(1, n_tokens, width), the embedding of each token, detached from the network."""
        ids = self._torch.tensor([list(tokens)], device=self._network.device)
        with self._torch.no_grad():
            return self._network.model.get_input_embeddings()(ids).detach()

    def log_probs(self, embeddings: Any, answer: str) -> Any:
        """Log-probabilities of an answer's tokens, or of a label, with their gradient.

        Args:
            embeddings: (batch, n_tokens, width), of the prompt.
            answer: the answer, or the label.

        Returns:
            (batch, n_answer_tokens) in nats, of float32.
        """
        torch, model = self._torch, self._model
        if isinstance(model, SequenceClassifier):
            outputs = self.outputs(embeddings)
            several = model._model.config.problem_type == "multi_label_classification"
            of_labels = (
                torch.nn.functional.logsigmoid(outputs) if several else outputs.log_softmax(dim=-1)
            )
            return of_labels[:, [model.label_number(answer)]]
        (tokens,) = model._encode_answers([answer])
        following = self.embeddings(tokens).expand(len(embeddings), -1, -1)
        whole = torch.cat([embeddings, following], dim=1)
        logits = self._network(inputs_embeds=whole, use_cache=False).logits
        before = logits[:, -len(tokens) - 1 : -1].float().log_softmax(dim=-1)
        wanted = torch.tensor(tokens, device=before.device).expand(len(embeddings), -1)
        return before.gather(-1, wanted[:, :, None])[:, :, 0]

    def outputs(self, embeddings: Any) -> Any:
        """(batch, n_labels) outputs of a classifier, before any softmax, with their gradient."""
        attended = self._torch.ones(embeddings.shape[:2], dtype=self._torch.int64)
        inputs = {"attention_mask": attended.to(embeddings.device)}
        return self._network(inputs_embeds=embeddings, **inputs).logits.float()

    def label_number(self, label: str) -> int:
        """The number of a label of a classifier."""
        number: int = self._model.label_number(label)
        return number

    @contextmanager
    def with_gradients(self) -> Iterator[None]:
        """Put an attention kernel in place that has gradients, and put back the one there was."""
        network = self._network.model
        before = network.config._attn_implementation
        with self._torch.enable_grad():
            try:
                if before not in ("eager", "sdpa"):
                    network.set_attn_implementation("sdpa")
                yield
            finally:
                if network.config._attn_implementation != before:
                    network.set_attn_implementation(before)
