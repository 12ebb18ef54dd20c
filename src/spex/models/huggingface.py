"""Causal language models on transformers and PyTorch."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.models._environment import quiet
from spex.models._hub import ModelFiles, content_hash, first_line, locate
from spex.models._torch import LOGIT_POSITIONS, backend_errors, parse_device, parse_dtype, pick
from spex.models.batching import AnswerContext, plan_batches, plan_contexts
from spex.models.prefix_tree import Readings, plan_tree
from spex.models.protocol import Prompt

# Tokens of a forward pass, on a CPU and elsewhere. Measured with SmolLM2-135M.
# Whole rows (72 to 103 tokens, two cores): 7.4 to 8.0 prompts per second from 512 to 4,096 tokens,
# 5.2 at 128 and 6.6 at 8,192.
_ROW_TOKENS = (2048, 16384)
# Pieces of the tree (40 prompts of about 101 tokens, one busy core, two runs, tokens per second of
# processor time): 186 and 221 at 192, 190 and 194 at 256, 194 and 198 at 384, 182 at 512, 162 and
# 149 at 1,024, for each token is compared with all others of its piece.
# The number for other devices is not measured: some hundred tokens should keep a GPU busy.
_TREE_TOKENS = (256, 2048)


@dataclass(frozen=True)
class _Row:
    """One sequence for the model: a prompt and the context of some answers."""

    prompt: int
    context: AnswerContext
    tokens: list[int]

    @property
    def kept(self) -> int:
        """Positions whose logits are needed: the last of the prompt, and all of the context."""
        return len(self.context.tokens) + 1


class HuggingFaceModel:
    """A causal language model with its tokenizer; see `LanguageModel` for the methods' contract.

    Where the tokenizer has a chat template, prompts go through it, ready for the assistant's
    answer; else the contents of the messages are joined by blank lines, with the special
    tokens that the tokenizer adds by default. An answer's tokens do not depend on the prompt: they
    are the answer tokenised by itself, appended to the prompt's. An empty prompt, for a tokenizer
    that adds nothing, is one beginning-of-text (or end-of-text) token.

    Args:
        source: a folder, a name on the Hugging Face hub, or files that were located.
        name: what to call the model in reports; the source unless given.
        device: such as "cpu" or "cuda:1"; CUDA if there is any, unless given.
        dtype: such as "float32" or "bfloat16"; unless given, float32 on a CPU and the
            checkpoint's own on another device.
        token_budget: the most tokens of a forward pass, padding included; unless given, for
            prefix trees 256 on a CPU and 2,048 on another device, for whole rows 2,048 and 16,384.
        notice: is told what takes long.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BackendError: the model cannot be found or loaded.
        ArgumentError: no such device or dtype.
    """

    _kind = "causal language model"
    _auto_class = "AutoModelForCausalLM"

    def __init__(
        self,
        source: str | Path | ModelFiles,
        *,
        name: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        token_budget: int | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._torch = require("torch", "hf")
        transformers = require("transformers", "hf")
        if token_budget is not None and token_budget < 1:
            raise ArgumentError(f"token_budget={token_budget} is below 1, the least")
        self._device = parse_device(self._torch, device)
        on_cpu = self._device.type == "cpu"
        self._tree_tokens = token_budget or _TREE_TOKENS[not on_cpu]
        self._row_tokens = token_budget or _ROW_TOKENS[not on_cpu]
        self._files = source if isinstance(source, ModelFiles) else locate(str(source), notice)
        self.name = name or self._files.source
        try:
            with quiet():
                self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                    self._files.folder, local_files_only=True, trust_remote_code=False
                )
                self._model: Any = getattr(transformers, self._auto_class).from_pretrained(
                    self._files.folder,
                    dtype=parse_dtype(self._torch, dtype or ("float32" if on_cpu else "auto")),
                    local_files_only=True,
                    trust_remote_code=False,
                )
                self._model = self._model.to(self._device).eval()
        except ArgumentError:
            raise
        except Exception as error:  # a broken or foreign file can raise anything
            raise BackendError(
                f"{self.name!r} cannot be loaded as a {self._kind}: {first_line(error)}"
            ) from error
        text_config = self._model.config.get_text_config()
        self._max_tokens: int | None = getattr(text_config, "max_position_embeddings", None)
        self._accepted = frozenset(inspect.signature(self._model.forward).parameters)
        # The name of the key-value cache, given and returned, was changed in transformers 5.24.
        self._cache_name = "cache" if "cache" in self._accepted else "past_key_values"

    @functools.cached_property
    def identity(self) -> str:
        """Commit on the hub, or hash of the files of a folder; and precision."""
        precision = str(self._model.dtype).removeprefix("torch.")
        if self._files.revision is not None:
            return f"hf:{self._files.source}@{self._files.revision};dtype={precision}"
        return f"hf:sha256:{content_hash(self._files.folder)};dtype={precision}"

    @property
    def max_tokens(self) -> int | None:
        """The model's context length in tokens; None if it has no limit."""
        return self._max_tokens

    @functools.cached_property
    def shares_prefixes(self) -> bool:
        """Whether prompts are scored as a prefix tree; set it to False to score whole rows.

        True where the model's attention follows any mask that it is given, over a cache of all
        keys and values: not with sliding windows, recurrent layers or positions of its own
        counting. What the architecture declares is confirmed by a comparison on a few tokens.
        """
        if not (
            {"position_ids", self._cache_name, "logits_to_keep"} <= self._accepted
            # transformers' own mark of a model whose attention takes its mask from outside.
            and getattr(self._model, "_supports_attention_backend", False)
            and self._model.config._attn_implementation in ("eager", "sdpa")
        ):
            return False
        transformers = require("transformers", "hf")
        prompts, answers = [[0, 1, 2, 0, 1], [0, 1, 1, 2], [0, 2, 1, 0]], [[1, 2], [2]]
        try:
            layers = transformers.DynamicCache(config=self._model.config).layers
            if any(type(layer) is not transformers.cache_utils.DynamicLayer for layer in layers):
                return False
            shared, whole = (dict(self._score(prompts, answers, share)) for share in (True, False))
        except Exception:  # an architecture may refuse such a mask or cache as it likes
            return False
        tolerance = self._torch.finfo(self._model.dtype).eps ** 0.5
        return all(
            np.allclose(of_tree, of_row, rtol=tolerance, atol=tolerance)
            for number in whole
            for of_tree, of_row in zip(shared[number], whole[number], strict=True)
        )

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """See `LanguageModel.generate`.

        The most probable token each time, without the sampling settings, penalties and other
        adjustments that a checkpoint may ask for, so that it is `log_probs` that is maximised.
        """
        return [answer for _, answer in self.replies(prompts, max_new_tokens)]

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`; prompts come in their order."""
        if max_new_tokens < 1:
            raise ArgumentError(f"max_new_tokens={max_new_tokens} is below 1, the least")
        encoded = self._encode_prompts(prompts)
        for number, tokens in enumerate(encoded):
            self._check_length(number, len(tokens), 1)
        return self._reply(encoded, max_new_tokens)

    def _reply(self, prompts: list[list[int]], max_new_tokens: int) -> Iterator[tuple[int, str]]:
        for number, tokens in enumerate(prompts):
            answer = self._tokenizer.decode(
                self._greedy(tokens, max_new_tokens), skip_special_tokens=True
            )
            yield number, answer

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """See `LanguageModel.check_prompts`."""
        self._encode(prompts, answers)

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`."""
        prompt_tokens, answer_tokens = self._encode(prompts, answers)
        return self._score(prompt_tokens, answer_tokens, self.shares_prefixes)

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """See `LanguageModel.answer_tokens`."""
        if not self._tokenizer.is_fast:
            raise ArgumentError(
                f"the tokenizer of {self.name!r} does not tell where its tokens are, so no span of "
                "an answer can be scored; use span=None"
            )
        encoding = self._tokenizer(answer, add_special_tokens=False, return_offsets_mapping=True)
        return [(int(start), int(stop)) for start, stop in encoding["offset_mapping"]]

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        """The number of tokens of each prompt, those of its chat template included."""
        return [len(tokens) for tokens in self._encode_prompts(prompts)]

    # Tokens

    def _encode(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Tokens of the prompts and of the answers, checked to fit the context together."""
        answer_tokens = [self._tokenize(answer, special=False) for answer in answers]
        for answer, tokens in zip(answers, answer_tokens, strict=True):
            if not tokens:
                raise ArgumentError(f"the answer {answer!r} has no tokens; give a longer one")
        prompt_tokens = self._encode_prompts(prompts)
        longest = max((len(tokens) for tokens in answer_tokens), default=0)
        for number, tokens in enumerate(prompt_tokens):
            self._check_length(number, len(tokens), longest)
        return prompt_tokens, answer_tokens

    def _check_length(self, number: int, n_prompt: int, n_answer: int) -> None:
        if self._max_tokens is not None and n_prompt + n_answer > self._max_tokens:
            with_answer = f", {n_prompt + n_answer} with its answer" if n_answer else ""
            raise ArgumentError(
                f"prompt {number} has {n_prompt} tokens{with_answer}, "
                f"but the context of {self.name!r} is {self._max_tokens}; shorten the text or use "
                "a model with a longer context"
            )

    def _encode_prompts(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        if self._tokenizer.chat_template:
            rendered = [self._apply_template(prompt) for prompt in prompts]
        else:
            rendered = ["\n\n".join(m.content for m in prompt.messages) for prompt in prompts]
        # A chat template writes the special tokens itself.
        special = not self._tokenizer.chat_template
        return [self._tokenize(text, special) or [self._start_token()] for text in rendered]

    def _tokenize(self, text: str, special: bool) -> list[int]:
        # verbose=False: the length is checked against the model, not the tokenizer's guess of it.
        encoding = self._tokenizer(text, add_special_tokens=special, verbose=False)
        return list(encoding["input_ids"])

    def _apply_template(self, prompt: Prompt) -> str:
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        try:
            rendered = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False
            )
        except Exception as error:  # templates raise what they like, such as "no system role"
            raise ArgumentError(
                f"the chat template of {self.name!r} refuses the messages: {first_line(error)}"
            ) from error
        return str(rendered)

    def _start_token(self) -> int:
        for token in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        raise ArgumentError(
            f"the prompt is empty and {self.name!r} has no token to begin a text with; put the "
            "text into a prompt template"
        )

    def _end_tokens(self) -> set[int]:
        ends: set[int] = set()
        for end in (self._tokenizer.eos_token_id, self._model.generation_config.eos_token_id):
            ends.update(end if isinstance(end, list) else [] if end is None else [end])
        return ends

    # Forward passes

    def _greedy(self, prompt: list[int], max_new_tokens: int) -> list[int]:
        return self._continue("input_ids", prompt, max_new_tokens)

    def _continue(
        self, argument: str, start: list[int], max_new_tokens: int, **context: Any
    ) -> list[int]:
        """The most probable tokens after those of an argument of the model."""
        if self._max_tokens is not None:
            max_new_tokens = min(max_new_tokens, self._max_tokens - len(start))
        ends = self._end_tokens()
        tokens = list(start)
        fed, cache = 0, None
        last_only = {"logits_to_keep": 1} if "logits_to_keep" in self._accepted else {}
        with self._torch.inference_mode(), backend_errors(self._torch, self.name):
            while len(tokens) < len(start) + max_new_tokens:
                batch = self._torch.tensor([tokens[fed:]], device=self._device)
                past: dict[str, Any] = {} if cache is None else {self._cache_name: cache}
                output = self._model(
                    **{argument: batch}, use_cache=True, **context, **past, **last_only
                )
                # A model without a key-value cache reads everything again.
                cache = getattr(output, self._cache_name, None)
                fed = len(tokens) if cache is not None else 0
                token = int(output.logits[0, -1].argmax())
                if token in ends:
                    break
                tokens.append(token)
        return tokens[len(start) :]

    def _score(
        self, prompts: list[list[int]], answers: list[list[int]], share: bool
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        # Prompts with the same tokens are scored once.
        numbers: dict[tuple[int, ...], list[int]] = {}
        for number, tokens in enumerate(prompts):
            numbers.setdefault(tuple(tokens), []).append(number)
        callers = list(numbers.values())
        distinct = [list(tokens) for tokens in numbers]
        starts = np.cumsum([0, *map(len, answers)])
        values = np.empty((len(distinct), starts[-1]))
        missing = np.full(len(distinct), starts[-1])
        score = self._score_tree if share else self._score_rows
        for readings, of_readings in score(distinct, answers):
            values[readings.prompts, readings.columns] = of_readings
            np.subtract.at(missing, readings.prompts, 1)
            for prompt in np.unique(readings.prompts):
                if not missing[prompt]:
                    for number in callers[prompt]:
                        yield number, np.split(values[prompt].copy(), starts[1:-1])

    def _score_tree(
        self, prompts: list[list[int]], answers: list[list[int]]
    ) -> Iterator[tuple[Readings, FloatArray]]:
        """Each token of the prefix tree once, in pieces of one row."""
        torch = self._torch
        tree = plan_tree(prompts, answers)
        lowest = torch.finfo(self._model.dtype).min
        cache = self._new_cache(())
        cached = np.empty(0, dtype=np.int64)

        def forward(nodes: range) -> tuple[Readings, FloatArray]:
            nonlocal cache, cached
            path = tree.ancestors(nodes.start)
            slots = torch.from_numpy(np.searchsorted(cached, path)).to(self._device)
            # A cache of its own, so that a pass that fails can be tried again in halves.
            grown = self._new_cache(
                (layer.keys[:, :, slots], layer.values[:, :, slots]) for layer in cache.layers
            )
            piece = slice(nodes.start, nodes.stop)
            visible = torch.from_numpy(tree.visible(nodes)).to(self._device)
            bias = torch.zeros(visible.shape, dtype=self._model.dtype, device=self._device)
            readings = tree.readings.within(nodes)
            kept, places = np.unique(readings.nodes - nodes.start, return_inverse=True)
            output = self._model(
                input_ids=torch.from_numpy(tree.tokens[None, piece]).to(self._device),
                position_ids=torch.from_numpy(tree.depths[None, piece]).to(self._device),
                attention_mask=bias.masked_fill_(~visible, lowest)[None, None],
                use_cache=True,
                logits_to_keep=torch.from_numpy(kept).to(self._device),
                **{self._cache_name: grown},
            )
            cache, cached = grown, np.concatenate([path, np.arange(nodes.start, nodes.stop)])
            return readings, pick(torch, output.logits[0], places, readings.tokens)

        nodes = range(len(tree.tokens))
        size = self._tree_tokens
        return self._run([nodes[start : start + size] for start in nodes[::size]], forward)

    def _score_rows(
        self, prompts: list[list[int]], answers: list[list[int]]
    ) -> Iterator[tuple[Readings, FloatArray]]:
        """Padded batches of whole rows, for models that cannot share prefixes."""
        contexts = plan_contexts(answers)
        rows = [
            _Row(number, context, [*tokens, *context.tokens])
            for number, tokens in enumerate(prompts)
            for context in contexts
        ]
        batches = plan_batches(
            [len(row.tokens) for row in rows],
            [row.kept for row in rows],
            self._row_tokens,
            LOGIT_POSITIONS,
        )
        return self._run(
            [[rows[number] for number in batch] for batch in batches],
            lambda batch: self._forward_rows(batch, answers),
        )

    def _forward_rows(
        self, rows: Sequence[_Row], answers: list[list[int]]
    ) -> tuple[Readings, FloatArray]:
        torch = self._torch
        width = max(len(row.tokens) for row in rows)
        kept = max(row.kept for row in rows)
        tokens = np.zeros((len(rows), width), dtype=np.int64)
        attended = np.zeros((len(rows), width), dtype=np.int64)
        # Padded on the left, so that the logits needed are the last ones of every row.
        for number, row in enumerate(rows):
            tokens[number, width - len(row.tokens) :] = row.tokens
            attended[number, width - len(row.tokens) :] = 1
        inputs = {"input_ids": torch.from_numpy(tokens).to(self._device)}
        if not attended.all():
            # Without padding no mask is needed, and attention takes its fast causal path.
            inputs["attention_mask"] = torch.from_numpy(attended).to(self._device)
            if "position_ids" in self._accepted:
                positions = np.maximum(attended.cumsum(axis=1) - 1, 0)
                inputs["position_ids"] = torch.from_numpy(positions).to(self._device)
        if "logits_to_keep" in self._accepted:
            inputs["logits_to_keep"] = kept
        logits = self._model(**inputs, use_cache=False).logits[:, -kept:]
        starts = np.cumsum([0, *map(len, answers)])
        # (place in the logits, token, prompt, column) of each reading, as in `Readings`.
        read = [
            (kept * (number + 1) - row.kept + place, token, row.prompt, starts[answer] + place)
            for number, row in enumerate(rows)
            for answer in row.context.answers
            for place, token in enumerate(answers[answer])
        ]
        readings = Readings(*np.array(read, dtype=np.int64).T)
        return readings, pick(torch, logits.flatten(0, 1), readings.nodes, readings.tokens)

    def _run(
        self,
        batches: Sequence[Sequence[Any]],
        forward: Callable[[Any], tuple[Readings, FloatArray]],
    ) -> Iterator[tuple[Readings, FloatArray]]:
        """The result of each batch in turn; where memory runs out, all that is left is halved."""
        waiting = list(reversed(batches))
        while waiting:
            try:
                with self._torch.inference_mode(), backend_errors(self._torch, self.name):
                    result = forward(waiting[-1])
            except BackendError as error:
                out_of_memory = isinstance(error.__cause__, self._torch.OutOfMemoryError)
                if not out_of_memory or len(waiting[-1]) == 1:
                    raise
                halves = [(batch[len(batch) // 2 :], batch[: len(batch) // 2]) for batch in waiting]
                waiting = [half for pair in halves for half in pair if half]
                continue
            waiting.pop()
            yield result

    def _new_cache(self, layers: Iterable[tuple[Any, Any]]) -> Any:
        return require("transformers", "hf").DynamicCache(layers)
