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
from spex.models.protocol import Prompt
from spex.models.transformers.batching import plan_batches
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.hub import first_line
from spex.models.transformers.loading import from_files
from spex.models.transformers.prefix_tree import Readings
from spex.models.transformers.scoring import Row, collected, columns, plan_rows
from spex.models.transformers.torch_backend import LOGIT_POSITIONS, pick


@dataclass(frozen=True)
class _Reading:
    """A prompt as the processor makes it ready for the network.

    Attributes:
        tokens: those of the text, with as many placeholders as the pictures take.
        per_token: other arguments with one number per token, each a tensor (n_tokens,).
        pictures: arguments that hold the pictures, one after the other along the first axis.
    """

    tokens: list[int]
    per_token: dict[str, Any]
    pictures: dict[str, Any]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What must be equal for two prompts to go into one batch."""
        return tuple((name, tuple(value.shape[1:])) for name, value in self.pictures.items())


class VisionLanguageModel(HuggingFaceModel):
    """A causal language model that reads pictures as well, among the tokens of a prompt.

    Prompts go through the chat template of the model's processor, each picture before the text of
    its message. A picture takes as many tokens as the processor says, which count for the context.
    Where no prompt of a call has a picture, they share prefixes as those of any other language
    model do; with pictures whole rows are scored. Arguments and errors are those of
    `HuggingFaceModel`.
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

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`; prompts come in their order."""
        # Refuses what is to be refused, whatever the prompts hold.
        replied = super().replies(prompts, max_new_tokens)
        if not any(prompt.has_images for prompt in prompts):
            return replied
        return self._reply_to_pictures(prompts, max_new_tokens)

    def _reply_to_pictures(
        self, prompts: Sequence[Prompt], max_new_tokens: int
    ) -> Iterator[tuple[int, str]]:
        for number, prompt in enumerate(prompts):
            read = self._read(prompt)
            beginning = {name: value[None] for name, value in read.per_token.items()}
            beginning |= read.pictures
            tokens = self._continue(
                "input_ids", read.tokens, max_new_tokens, beginning=self._placed(beginning)
            )
            yield number, self._tokenizer.decode(tokens, skip_special_tokens=True)

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

    def _greedy(self, prompt: list[int], max_new_tokens: int) -> list[int]:
        # Some architectures keep here how the positions of the last pictures were counted.
        base: Any = getattr(self._model, "model", None)
        if hasattr(base, "rope_deltas"):
            base.rope_deltas = None
        return super()._greedy(prompt, max_new_tokens)

    # Pictures and tokens

    def _read(self, prompt: Prompt) -> _Reading:
        if self._processor.chat_template is None:
            raise ArgumentError(
                f"{self.name!r} has no chat template, which says where pictures go; add "
                "chat_template.jinja to its folder"
            )
        for message in prompt.messages:
            self._check_text(message.content)
        conversation = [
            {
                "role": message.role,
                "content": [
                    *({"type": "image", "image": _picture(url)} for url in message.images),
                    {"type": "text", "text": message.content},
                ],
            }
            for message in prompt.messages
        ]
        try:
            with quiet():
                inputs = self._processor.apply_chat_template(
                    conversation,
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                )
        except Exception as error:  # templates and processors raise what they like
            raise ArgumentError(
                f"the chat template or the processor of {self.name!r} refuses the prompt: "
                f"{first_line(error)}"
            ) from error
        known = {name: value for name, value in inputs.items() if name in self._network.accepted}
        tokens = known.pop("input_ids")[0].tolist()
        known.pop("attention_mask", None)  # nothing is padded yet
        if prompt.has_images and self._image_token not in tokens:
            raise ArgumentError(f"the chat template of {self.name!r} leaves the pictures out")
        # Whatever has one number per token goes with the tokens; the rest are the pictures.
        of_tokens = [name for name in known if tuple(known[name].shape) == (1, len(tokens))]
        per_token = {name: known.pop(name)[0] for name in of_tokens}
        return _Reading(tokens or [self._start_token()], per_token, known)

    @property
    def _image_token(self) -> int | None:
        """The token that stands where a picture is."""
        token: int | None = getattr(self._model.config, "image_token_id", None)
        return token

    def _check_text(self, text: str) -> None:
        """Refuse a text that holds what stands for a picture, which would be taken for one."""
        given = [getattr(self._processor, name, None) for name in ("image_token", "boi_token")]
        if self._image_token is not None:
            given.append(self._tokenizer.convert_ids_to_tokens(self._image_token))
        for mark in given:
            if isinstance(mark, str) and mark in text:
                raise ArgumentError(
                    f"a text holds {mark!r}, which stands for a picture in {self.name!r}; take it "
                    "out, and give pictures as spex.Image"
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
        """Padded batches of whole rows, their pictures of one shape."""
        rows = plan_rows([each.tokens for each in read], answers)
        alike: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            alike.setdefault(read[row.prompt].shape, []).append(row)
        batches = []
        for group in alike.values():
            longest = max(len(row.tokens) for row in group)
            # Padded on the right, logits are needed from the first prompt's end to the longest's.
            kept = [longest - len(row.tokens) + row.kept for row in group]
            lengths = [len(row.tokens) for row in group]
            planned = plan_batches(lengths, kept, self._row_tokens, LOGIT_POSITIONS)
            batches += [[group[number] for number in batch] for batch in planned]
        return self._network.run(batches, lambda batch: self._forward_read(batch, read, answers))

    def _forward_read(
        self, rows: Sequence[Row], read: Sequence[_Reading], answers: list[list[int]]
    ) -> tuple[Readings, FloatArray]:
        torch = self._torch
        width = max(len(row.tokens) for row in rows)
        first = min(len(row.tokens) - row.kept for row in rows)
        # Padded on the right, so that every architecture counts positions as it does for one row:
        # a causal model sees nothing of what comes later.
        tokens = np.full((len(rows), width), self._padding, dtype=np.int64)
        attended = np.zeros((len(rows), width), dtype=np.int64)
        for number, row in enumerate(rows):
            tokens[number, : len(row.tokens)] = row.tokens
            attended[number, : len(row.tokens)] = 1
        inputs = {"input_ids": torch.from_numpy(tokens)}
        if not attended.all():
            inputs["attention_mask"] = torch.from_numpy(attended)
        own = [read[row.prompt] for row in rows]
        for name, like in own[0].per_token.items():
            # Of answers and padding it is 0, that of text.
            inputs[name] = like.new_zeros((len(rows), width))
            for number, one in enumerate(own):
                inputs[name][number, : len(one.tokens)] = one.per_token[name]
        for name in own[0].pictures:
            inputs[name] = torch.cat([one.pictures[name] for one in own])
        last = width - first
        only = {"logits_to_keep": last} if "logits_to_keep" in self._network.accepted else {}
        logits = self._model(**self._placed(inputs), use_cache=False, **only).logits[:, -last:]
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
        """A token that is no picture."""
        token = self._tokenizer.eos_token_id
        return 0 if token is None else int(token)


def _picture(url: str) -> Any:
    """The picture in a data URL, of three colours, on white where it is transparent."""
    pil = require("PIL.Image", "image")
    picture = pil.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    if picture.mode == "RGBA":
        picture = pil.alpha_composite(pil.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
