"""Causal language models on transformers and PyTorch."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.extras import require
from spex.models.chat import ChatOptions
from spex.models.protocol import Prompt, Reply
from spex.models.transformers.checkpoints.hub import ModelFiles, content_hash, locate
from spex.models.transformers.checkpoints.loading import Placement, from_files, load_network
from spex.models.transformers.encoding import Encoding
from spex.models.transformers.network import Network
from spex.models.transformers.precision import (
    HalfPrecision,
    compared_with_float32,
    half_precision,
)
from spex.models.transformers.prefixes import blockwise
from spex.models.transformers.prefixes.attention import TreeAttention
from spex.models.transformers.prefixes.comparison import agrees
from spex.models.transformers.prefixes.prefix_tree import Readings
from spex.models.transformers.replies import Limits, write_rows, write_tree
from spex.models.transformers.scoring import collected, score_rows, score_tree

# Tokens per forward pass, on a CPU and on other devices. Measured with SmolLM2-135M.
# Whole rows of 72 to 103 tokens, two cores, prompts per second: 5.2 at 128 tokens, 7.4 to 8.0 from
# 512 to 4,096, 6.6 at 8,192.
_ROW_TOKENS = (2048, 16384)
# Pieces of the tree, 40 prompts of about 101 tokens, one busy core, tokens per second in two runs:
# 186 and 221 at 192, 190 and 194 at 256, 194 and 198 at 384, 182 at 512, 162 and 149 at 1,024. Each
# token is compared with its whole piece, so larger pieces are slower. The number for other devices
# is a guess: a few hundred tokens should keep a GPU busy.
_TREE_TOKENS = (256, 2048)
# Pieces with attention in blocks, on a CPU, 48 prompts of about 154 tokens, tokens per second in
# two runs: 123 and 146 at 512, 140 and 200 at 1,024, 145 and 146 at 2,048; without blocks 114 and
# 131 at 256.
_BLOCKWISE_TREE_TOKENS = 1024


class HuggingFaceModel(Encoding):
    """A causal language model with its tokenizer; see `LanguageModel` for the methods' contract.

    `Encoding` says how prompts and answers become tokens.

    Args:
        source: a folder, a name on the Hugging Face hub, or files that were located.
        name: the model's name in reports; default: the source.
        device: see `Placement`.
        device_map: see `Placement`.
        dtype: see `Placement`.
        attn_implementation: see `Placement`.
        token_budget: the most tokens of a forward pass, padding included. Default for
            prefix trees: 1,024 on a CPU (256 with an attention kernel that was asked for), 2,048 on
            another device; for whole rows: 2,048 and 16,384.
        chat: variables of the chat template, and the start of the answer.
        notice: is told what takes long.

    Raises:
        MissingExtraError: torch, transformers or, for a device map, accelerate is not installed.
        BackendError: the model cannot be found or loaded.
        ArgumentError: no such device, dtype or variable of the chat template, or both a device and
            a device map.
    """

    _kind = "causal language model"
    _auto_class = "AutoModelForCausalLM"

    def __init__(
        self,
        source: str | Path | ModelFiles,
        *,
        name: str | None = None,
        device: str | None = None,
        device_map: str | Mapping[str, Any] | None = None,
        dtype: str | None = None,
        attn_implementation: str | None = None,
        token_budget: int | None = None,
        chat: ChatOptions | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._torch = require("torch", "hf")
        require("transformers", "hf")
        if token_budget is not None and token_budget < 1:
            raise ArgumentError(f"token_budget={token_budget} is below 1, the least")
        placement = Placement(device, device_map, dtype, attn_implementation)
        self._files = source if isinstance(source, ModelFiles) else locate(str(source), notice)
        self.name = name or self._files.source
        self._chat = chat or ChatOptions()
        self._tokenizer: Any = self._load_tokenizer()
        self._check_chat()
        self._model: Any = load_network(
            self._auto_class, self._files, self.name, self._kind, placement
        )
        self._network = Network(self._torch, self._model, self.name)
        on_cpu = self._network.device.type == "cpu"
        self._chosen_attention = attn_implementation
        self._token_budget = token_budget
        self._tree_tokens = token_budget or _TREE_TOKENS[not on_cpu]
        self._row_tokens = token_budget or _ROW_TOKENS[not on_cpu]
        text_config = self._model.config.get_text_config()
        told: int | None = getattr(text_config, "max_position_embeddings", None)
        # The configuration of RoBERTa counts positions that no token uses.
        self._max_tokens = self._network.n_positions or told

    def _load_tokenizer(self) -> Any:
        return from_files("AutoTokenizer", self._files, self.name, self._kind)

    @functools.cached_property
    def identity(self) -> str:
        """The commit on the hub, or a hash of the files of a folder; and the precision."""
        if self._files.revision is not None:
            files = f"{self._files.source}@{self._files.revision}"
        else:
            files = f"sha256:{content_hash(self._files.folder)}"
        return f"hf:{files};dtype={str(self._model.dtype).removeprefix('torch.')}{self._reading}"

    @property
    def _reading(self) -> str:
        """The part of `identity` that says how prompts are read, if not as in earlier releases."""
        _, after = self._added_tokens
        ends = ";ends=no" if after and not self._tokenizer.chat_template else ""
        line = ";answers=line" if self._before_answers[0] else ""
        return ends + line + self._chat.identity

    @property
    def rounding(self) -> float:
        """Nats by which the log-probability of a token may depend on the batch."""
        return 4 * float(self._torch.finfo(self._model.dtype).eps) ** 0.5

    @property
    def half_precision(self) -> str | None:
        """The dtype, "bfloat16" or "float16"; None for a wider one."""
        return half_precision(self._torch, self._model)

    def compared_with_float32(
        self, values: FloatArray, read: Callable[[], FloatArray], unit: str
    ) -> HalfPrecision:
        """The error of values due to half precision, if there is room for float32.

        Args:
            values: (n_prompts, ...), what `read` gives now.
            read: reads them from the model; is called once at most.
            unit: of the values, "nats" or none.
        """
        return compared_with_float32(self._torch, self._model, self.name, values, read, unit)

    @functools.cached_property
    def shares_prefixes(self) -> bool:
        """Whether prompts are scored as a prefix tree. Set it to False to score whole rows.

        A prefix tree needs a model that takes any attention mask and any positions. The model must
        cache all keys and values, or those of a sliding window, which recurrent layers do not. A
        comparison with whole rows decides.
        """
        if self._attention is None or not (
            {"position_ids", self._network.cache_name, "logits_to_keep"} <= self._network.accepted
            # transformers sets it for models whose attention takes a mask from the caller.
            and getattr(self._model, "_supports_attention_backend", False)
            and self._model.config._attn_implementation in ("eager", "sdpa")
        ):
            return False
        on_cpu = self._network.device.type == "cpu"
        if (
            on_cpu
            and self._chosen_attention is None
            and agrees(self._model, blockwise.register(), self._attention, self._score)
        ):
            self._tree_tokens = self._token_budget or _BLOCKWISE_TREE_TOKENS
            return True
        kernel = self._model.config._attn_implementation
        return agrees(self._model, kernel, self._attention, self._score)

    @functools.cached_property
    def _attention(self) -> TreeAttention | None:
        """What the layers see of a prefix tree."""
        return TreeAttention.of(self._model.config)

    @property
    def _shared_attention(self) -> TreeAttention | None:
        """The same; None for whole rows."""
        return self._attention if self.shares_prefixes else None

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int = 64) -> list[str]:
        """See `LanguageModel.generate`.

        Always takes the most probable token. Sampling settings and penalties of the checkpoint are
        ignored, so that the answer maximises `log_probs` token by token.
        """
        answers = dict(self.replies(prompts, max_new_tokens))
        return [answers[number] for number in range(len(prompts))]

    def replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int = 64
    ) -> Iterator[tuple[int, str]]:
        """See `LanguageModel.replies`; equal prompts are answered once."""
        if max_new_tokens < 1:
            raise ArgumentError(f"max_new_tokens={max_new_tokens} is below 1, the least")
        return self._write(prompts, self._prompts_to_continue(prompts), max_new_tokens)

    def written(self, prompt: Prompt, max_new_tokens: int) -> tuple[str, FloatArray]:
        """The model's reply, with the log-probability of each token, for a check of scores.

        A separate program writes it, which shares nothing with `log_probs`.

        Args:
            prompt: what the model is given.
            max_new_tokens: where the reply is cut off.

        Returns:
            The greedy reply and (n_tokens,) float64, in nats; without a token that ends it. None
            where the reply has other tokens when it is read as an answer.

        Raises:
            BackendError: the model failed.
        """
        (tokens,) = self._prompts_to_continue([prompt])
        reply, values = self._greedy(prompt, tokens, max_new_tokens)
        return str(reply), values

    def _prompts_to_continue(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """The tokens of prompts, checked to leave room for a reply."""
        encoded = self._encode_prompts(prompts)
        for number, tokens in enumerate(encoded):
            self._check_length(number, len(tokens), 1)
        return encoded

    def _write(
        self, prompts: Sequence[Prompt], encoded: list[list[int]], max_new_tokens: int
    ) -> Iterator[tuple[int, Reply]]:
        """The reply to each prompt, in any order."""
        if self._attention is None:  # with a cache, recurrent layers read padding
            yield from self._write_alone(prompts, encoded, max_new_tokens)
            return
        callers = _numbers(encoded)
        distinct = [list(tokens) for tokens in callers]
        lengths = [self._most_new_tokens(tokens, max_new_tokens) for tokens in distinct]
        limits = Limits(frozenset(self._end_tokens()), lengths)
        attention = self._shared_attention
        if attention is not None:
            size = self._tree_tokens
            written = write_tree(self._network, attention, distinct, limits, size, 2 * size)
        else:
            written = write_rows(self._network, distinct, limits, self._row_tokens)
        for number, reply in written:
            for caller in callers[tuple(distinct[number])]:
                yield caller, self._reply(reply, lengths[number])

    def _write_alone(
        self, prompts: Sequence[Prompt], encoded: list[list[int]], max_new_tokens: int
    ) -> Iterator[tuple[int, Reply]]:
        """One reply after the other."""
        for number, (prompt, tokens) in enumerate(zip(prompts, encoded, strict=True)):
            yield number, self._greedy(prompt, tokens, max_new_tokens)[0]

    def check_prompts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> None:
        """See `LanguageModel.check_prompts`."""
        self._encode(prompts, answers)

    def log_probs(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        """See `LanguageModel.log_probs`."""
        prompt_tokens, answer_tokens = self._encode(prompts, answers)
        return self._score(prompt_tokens, answer_tokens, self._shared_attention)

    def _end_tokens(self) -> set[int]:
        ends: set[int] = set()
        for end in (self._tokenizer.eos_token_id, self._model.generation_config.eos_token_id):
            ends.update(end if isinstance(end, list) else [] if end is None else [end])
        return ends

    # Forward passes

    def _greedy(
        self, prompt: Prompt, tokens: list[int], max_new_tokens: int
    ) -> tuple[Reply, FloatArray]:
        """One reply, and the log-probability of each of its tokens."""
        return self._continue("input_ids", tokens, max_new_tokens)

    def _continue(
        self, argument: str, start: list[int], max_new_tokens: int, **context: Any
    ) -> tuple[Reply, FloatArray]:
        """Decode greedily within the context; see `Network.continued`."""
        most = self._most_new_tokens(start, max_new_tokens)
        tokens, values = self._network.continued(
            argument, start, most, self._end_tokens(), **context
        )
        reply = self._reply(tokens, most)
        # Some tokenizers put a space before an answer, which makes another token.
        is_read_so = self._encode_answer(str(reply)) == list(tokens)
        return reply, np.array(values if is_read_so else [], dtype=np.float64)

    def _most_new_tokens(self, start: list[int], max_new_tokens: int) -> int:
        """How many tokens the context has room for, and at most those wanted."""
        if self._max_tokens is None:
            return max_new_tokens
        return min(max_new_tokens, self._max_tokens - len(start))

    def _reply(self, tokens: list[int], most: int) -> Reply:
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return Reply(text, cut_off=len(tokens) == most)

    def _score(
        self,
        prompts: list[list[int]],
        answers: list[list[int]],
        attention: TreeAttention | None,
    ) -> Iterator[tuple[int, list[FloatArray]]]:
        # Prompts with the same tokens are scored once.
        numbers = _numbers(prompts)
        callers = list(numbers.values())
        distinct = [list(tokens) for tokens in numbers]
        if attention is not None:
            results = score_tree(self._network, attention, distinct, answers, self._tree_tokens)
        else:
            results = self._score_rows(distinct, answers)
        for prompt, values in collected(results, len(distinct), answers):
            for number in callers[prompt]:
                yield number, [of_answer.copy() for of_answer in values]

    def _score_rows(
        self, prompts: list[list[int]], answers: list[list[int]]
    ) -> Iterator[tuple[Readings, FloatArray]]:
        return score_rows(self._network, prompts, answers, self._row_tokens)


def _numbers(prompts: Sequence[Sequence[int]]) -> dict[tuple[int, ...], list[int]]:
    """The numbers of the prompts by their tokens."""
    numbers: dict[tuple[int, ...], list[int]] = {}
    for number, tokens in enumerate(prompts):
        numbers.setdefault(tuple(tokens), []).append(number)
    return numbers
