"""Vision-language models, such as LLaVA-NeXT, on transformers and PyTorch."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.models.environment import quiet
from spex.models.protocol import Message, Prompt, Reply
from spex.models.transformers.batching import padded, plan_batches
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.checkpoints.hub import first_line
from spex.models.transformers.checkpoints.loading import from_files
from spex.models.transformers.prefixes.prefix_tree import Readings
from spex.models.transformers.scoring import TokenRow, collected, columns, plan_rows
from spex.models.transformers.torch_backend import LOGIT_POSITIONS, pick


@dataclass(frozen=True)
class _Reading:
    """A prompt, made ready for the network by the processor.

    Attributes:
        tokens: the tokens of the text, with placeholders for the pictures.
        per_token: other arguments with one number per token, each a tensor (n_tokens,).
        pictures: arguments that hold the pictures, stacked along the first axis.
    """

    tokens: list[int]
    per_token: dict[str, Any]
    pictures: dict[str, Any]

    @property
    def shape(self) -> tuple[Any, ...]:
        """Shapes of the pictures: prompts of one batch must have the same."""
        return tuple((name, tuple(value.shape[1:])) for name, value in self.pictures.items())


class VisionLanguageModel(HuggingFaceModel):
    """A causal language model that also reads pictures, as tokens of its prompt.

    Prompts go through the chat template of the model's processor, with each picture before the text
    of its message. The tokens of a picture count for the context length. Prompts without pictures
    share prefixes, as in `HuggingFaceModel`; with pictures, whole rows are scored. Arguments and
    errors are those of `HuggingFaceModel`.
    """

    _kind = "vision-language model"
    _auto_class = "AutoModelForImageTextToText"
    takes_images = True

    def _load_tokenizer(self) -> Any:
        self._processor = from_files("AutoProcessor", self._files, self.name, self._kind)
        tokenizer = getattr(self._processor, "tokenizer", None)
        if tokenizer is None or not hasattr(self._processor, "image_processor"):
            raise BackendError(
                f"{self.name!r} has no processor that reads text and pictures; its folder lacks "
                "processor_config.json or preprocessor_config.json"
            )
        return tokenizer

    @property
    def _template(self) -> str | None:
        return self._default(self._processor.chat_template) or super()._template

    def _rendered(self, prompt: Prompt) -> str:
        if self._processor.chat_template is None:
            return super()._rendered(prompt)
        return str(
            self._processor.apply_chat_template(
                _conversation(prompt), add_generation_prompt=True, **self._chat.chat_template_kwargs
            )
        )

    def _write(
        self, prompts: Sequence[Prompt], encoded: list[list[int]], max_new_tokens: int
    ) -> Iterator[tuple[int, Reply]]:
        if not any(prompt.has_images for prompt in prompts):
            self._forget_pictures()
            return super()._write(prompts, encoded, max_new_tokens)
        return self._write_alone(prompts, encoded, max_new_tokens)

    def _greedy(
        self, prompt: Prompt, tokens: list[int], max_new_tokens: int
    ) -> tuple[Reply, FloatArray]:
        if not prompt.has_images:
            self._forget_pictures()
            return super()._greedy(prompt, tokens, max_new_tokens)
        read = self._read(prompt)
        beginning = {name: value[None] for name, value in read.per_token.items()}
        beginning |= read.pictures
        return self._continue(
            "input_ids", read.tokens, max_new_tokens, beginning=self._placed(beginning)
        )

    def _forget_pictures(self) -> None:
        # Some architectures keep the positions of the last pictures here.
        base: Any = getattr(self._model, "model", None)
        if hasattr(base, "rope_deltas"):
            base.rope_deltas = None

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`."""
        if not any(prompt.has_images for prompt in prompts):
            return super().log_probs(prompts, answers)
        answer_tokens = self._encode_answers(answers)
        read = [self._read(prompt) for prompt in prompts]
        self._check_lengths([each.tokens for each in read], answer_tokens)
        return collected(self._score_read(read, answer_tokens), len(read), answer_tokens)

    def _encode_answers(self, answers: Sequence[str]) -> list[list[int]]:
        for answer in answers:
            self._check_text(answer)
        return super()._encode_answers(answers)

    def _encode_prompts(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        pictured = any(prompt.has_images for prompt in prompts)
        if not pictured and self._processor.chat_template is None:
            return super()._encode_prompts(prompts)
        return [self._read(prompt).tokens for prompt in prompts]

    # Pictures and tokens

    def _read(self, prompt: Prompt) -> _Reading:
        if self._processor.chat_template is None:
            raise ArgumentError(
                f"{self.name!r} has no chat template to place pictures with; add "
                "chat_template.jinja to its folder"
            )
        for message in prompt.messages:
            self._check_text(message.as_text)
        try:
            with quiet():
                inputs = self._processor.apply_chat_template(
                    _conversation(prompt),
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                    **self._chat.chat_template_kwargs,
                )
        except Exception as error:  # templates and processors may raise anything
            raise ArgumentError(
                f"the chat template or the processor of {self.name!r} refuses the prompt: "
                f"{first_line(error)}"
            ) from error
        known = {name: value for name, value in inputs.items() if name in self._network.accepted}
        tokens = known.pop("input_ids")[0].tolist()
        known.pop("attention_mask", None)  # a single prompt has no padding
        # Arguments with one number per token go with the tokens; the others are pictures.
        of_tokens = [name for name in known if tuple(known[name].shape) == (1, len(tokens))]
        per_token = {name: known.pop(name)[0] for name in of_tokens}
        if prompt.has_images and self._image_token not in tokens:
            raise ArgumentError(f"the chat template of {self.name!r} leaves the pictures out")
        length = len(tokens) - self._n_ending(tokens, prompt)
        # 0 stands for text, so also for the start of the answer.
        prefix = self._tokenize(self._chat.begun(prompt), special=False)
        per_token = {
            name: self._torch.cat([values[:length], values.new_zeros(len(prefix))])
            for name, values in per_token.items()
        }
        tokens = [*tokens[:length], *prefix]
        return _Reading(tokens or [self._start_token()], per_token, known)

    def _n_ending(self, tokens: list[int], prompt: Prompt) -> int:
        """How many last tokens, such as </s>, the processor added after the chat template's text.

        They would end the prompt before the answer.
        """
        _, after = self._added_tokens
        if not after or tokens[-len(after) :] != after:
            return 0
        by_template = self._rendered(prompt).endswith(self._tokenizer.decode(after))
        return 0 if by_template else len(after)

    @property
    def _image_token(self) -> int | None:
        """The placeholder of a picture."""
        token: int | None = getattr(self._model.config, "image_token_id", None)
        return token

    def _check_text(self, text: str) -> None:
        """Refuse a text with a picture's placeholder: it would be read as a picture."""
        given = [getattr(self._processor, name, None) for name in ("image_token", "boi_token")]
        if self._image_token is not None:
            given.append(self._tokenizer.convert_ids_to_tokens(self._image_token))
        for mark in given:
            if isinstance(mark, str) and mark in text:
                raise ArgumentError(
                    f"a text holds {mark!r}, which stands for a picture in {self.name!r}; remove "
                    "it, and give pictures as spex.Image"
                )

    # Forward passes

    def _placed(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Tensors on the model's device, pictures in its precision."""
        return {
            name: value.to(self._network.device, self._model.dtype)
            if value.is_floating_point()
            else value.to(self._network.device)
            for name, value in inputs.items()
        }

    def _score_read(
        self, read: Sequence[_Reading], answers: list[list[int]]
    ) -> Iterator[tuple[Readings, FloatArray]]:
        """Score whole rows, in padded batches whose pictures have one shape."""
        rows = plan_rows([each.tokens for each in read], answers)
        alike: dict[tuple[Any, ...], list[TokenRow]] = {}
        for row in rows:
            alike.setdefault(read[row.prompt].shape, []).append(row)
        batches = []
        for group in alike.values():
            longest = max(len(row.tokens) for row in group)
            # With padding on the right, logits are needed from the end of the shortest prompt on.
            kept = [longest - len(row.tokens) + row.kept for row in group]
            lengths = [len(row.tokens) for row in group]
            planned = plan_batches(lengths, kept, self._row_tokens, LOGIT_POSITIONS)
            batches += [[group[number] for number in batch] for batch in planned]
        return self._network.run(batches, lambda batch: self._forward_read(batch, read, answers))

    def _forward_read(
        self, rows: Sequence[TokenRow], read: Sequence[_Reading], answers: list[list[int]]
    ) -> tuple[Readings, FloatArray]:
        torch = self._torch
        first = min(len(row.tokens) - row.kept for row in rows)
        # Padding on the right changes no position, and a causal model does not look ahead.
        tokens, attended = padded([row.tokens for row in rows], self._padding)
        inputs = {"input_ids": torch.from_numpy(tokens)}
        if not attended.all():
            inputs["attention_mask"] = torch.from_numpy(attended)
        own = [read[row.prompt] for row in rows]
        for name, like in own[0].per_token.items():
            # 0 stands for text, so also for answers and padding.
            inputs[name] = like.new_zeros(tokens.shape)
            for number, one in enumerate(own):
                inputs[name][number, : len(one.tokens)] = one.per_token[name]
        for name in own[0].pictures:
            inputs[name] = torch.cat([one.pictures[name] for one in own])
        last = tokens.shape[1] - first
        only = {"logits_to_keep": last} if "logits_to_keep" in self._network.accepted else {}
        logits = self._network(**self._placed(inputs), use_cache=False, **only).logits[:, -last:]
        starts = columns(answers)
        reading = [
            one
            for number, row in enumerate(rows)
            for one in row.readings(
                number * last + len(row.tokens) - row.kept - first, answers, starts
            )
        ]
        readings = Readings(*np.array(reading, dtype=np.int64).T)
        return readings, pick(torch, logits.flatten(0, 1), readings.nodes, readings.tokens)

    @property
    def _padding(self) -> int:
        """A token that is not a picture's placeholder."""
        token = self._tokenizer.eos_token_id
        return 0 if token is None else int(token)


def _conversation(prompt: Prompt) -> list[dict[str, Any]]:
    """The messages as processors take them, with pictures and text in their order."""
    return [
        message.to_json(parsed=True) | {"content": _content(message)} for message in prompt.messages
    ]


def _content(message: Message) -> list[dict[str, Any]]:
    pictures = [{"type": "image", "image": _picture(url)} for url in message.images]
    text = {"type": "text", "text": message.content}
    return [text, *pictures] if message.text_first else [*pictures, text]


def _picture(url: str) -> Any:
    """Decode the picture of a data URL to RGB, on white where it is transparent."""
    pil = require("PIL.Image", "image")
    picture = pil.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    if picture.mode == "RGBA":
        picture = pil.alpha_composite(pil.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
