"""A source of values that stops before it exceeds a limit."""

import math
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.errors import ArgumentError
from spex.models.protocol import Prompt
from spex.settings import LEAST_BUDGET
from spex.values.limiting.limits import Ledger
from spex.values.source import ValueSource, Wrapped
from spex.values.value_function import ValueFunction

if TYPE_CHECKING:
    pass

# A token of the usual tokenizers has at least one byte. A chat template adds some tokens around
# each message.
_TOKENS_OF_A_MESSAGE, _TOKENS_OF_A_REPLY = 64, 64
_RENDERED = 16  # prompts at first, and then always twice as many, until a limit is met
# A call on a server is assumed to cost at most this many times the dearest one before.
_DEARER = 1.5


class Limited(Wrapped):
    """A source that raises `LimitReached` instead of exceeding a limit.

    Args:
        source: Source of the values.
        ledger: The limits and the spending so far.

    Raises:
        ArgumentError: the model tells no tokens or no cost, and there is a limit of them.
    """

    def __init__(self, source: ValueSource, ledger: Ledger) -> None:
        super().__init__(source)
        self._ledger = ledger
        limits = ledger.limits
        needs_tokens = limits.tokens is not None or limits.cost is not None
        self._meter = _Meter(source, ledger) if needs_tokens else None

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `ValueSource.stream`.

        Raises:
            LimitReached: what is left does not fit into a limit.
        """
        ledger = self._ledger
        self._check_scoring(masks)
        start = 0  # in the given order: a run asks first for what it needs most
        while start < len(masks):
            is_free = self._is_free
            rows = np.arange(start, start + self._affordable(masks[start:]))
            began, last = ledger.clock(), 0
            ledger.calls += len(rows)
            try:
                batches = iter(self._source.stream(masks[rows]))
                while True:
                    with nullcontext() if is_free else ledger.at_work():
                        batch = next(batches, None)
                    if batch is None:
                        break
                    numbers, values = batch
                    last += len(numbers)
                    ledger.pace = (ledger.clock() - began) / max(last, 1)
                    yield rows[numbers], values
                    if last < len(rows) and not is_free and ledger.seconds_left <= 0:
                        raise ledger.reached("seconds")
            finally:
                ledger.calls -= len(rows) - last  # failed masks are asked again
                if self._meter is not None:
                    self._meter.asked(last)
            start += len(rows)

    def _check_scoring(self, masks: BoolArray) -> None:
        """Check the model first, if due. The calls of a check are not masks, but cost as much.

        Raises:
            LimitReached: it does not fit into a limit.
        """
        ledger, count = self._ledger, getattr(self._source, "n_calls_of_check", 0)
        if not count or not len(masks):
            return
        if ledger.limits.calls is not None and ledger.calls + count >= ledger.limits.calls:
            raise ledger.reached("calls", check=count)
        if self._meter is not None:
            self._meter.checks(count)
        ledger.calls += count
        ledger.calls_of_checks += count
        self._source.check_scoring(masks)  # type: ignore[attr-defined]
        if self._meter is not None:
            self._meter.checked()

    @property
    def _is_free(self) -> bool:
        """Whether seconds do not count yet."""
        ledger = self._ledger
        return ledger.limits.seconds is not None and ledger.masks < LEAST_BUDGET

    def _affordable(self, masks: BoolArray) -> int:
        """Count the next masks that surely fit into every limit, and enter their tokens.

        Raises:
            LimitReached: none does.
        """
        ledger, most = self._ledger, len(masks)
        if ledger.limits.calls is not None:
            most = min(most, ledger.limits.calls - ledger.calls)
            if most < 1:
                raise ledger.reached("calls")
        if ledger.limits.seconds is not None:
            left = ledger.seconds_left
            if self._is_free:
                most = min(most, LEAST_BUDGET - ledger.masks)
            elif left <= 0:
                raise ledger.reached("seconds")
            else:
                most = min(most, max(1, int(left / max(ledger.pace, 1e-9))))
        if self._meter is not None:
            most, name = self._meter.enter(masks[:most])
            if most < 1:
                raise ledger.reached(name)
        return most


class _Meter:
    """Bounds the cost of the next prompts, and reads what they have cost.

    Raises:
        ArgumentError: the model tells no tokens, or no cost.
    """

    def __init__(self, source: ValueSource, ledger: Ledger) -> None:
        if not isinstance(source, ValueFunction):
            raise ArgumentError(
                "a limit of tokens or cost needs a language model; limit calls or seconds instead"
            )
        self._function, self._ledger = source, ledger
        used = ledger.used(source)
        if used is None and not hasattr(source.model, "count_tokens"):
            raise ArgumentError(
                f"{source.model.name!r} tells no tokens; limit calls or seconds instead"
            )
        if ledger.limits.cost is not None and (used is None or used.price is None):
            raise ArgumentError(
                "a limit of cost needs the price of a model on a server: give price= "
                "(--price READ,WRITTEN)"
            )
        self._is_server = used is not None
        self._answers = sum(len(answer.encode()) for one in source.scores for answer in one.answers)
        lengths = [getattr(one, "max_new_tokens", 0) for one in source.scores if not one.answers]
        self._written = max(lengths, default=0)
        self._requests = 1  # requests per mask
        self._dearest: tuple[float, float] | None = None  # tokens read and written for a mask
        full = source.masker.render(np.ones(source.n_features, dtype=np.bool_))
        self._has_images = full.has_images
        # The model's own answer may have been asked for already.
        written = max(self._written, self._answers, _TOKENS_OF_A_REPLY)
        ledger.assume(source, (self._of_server(full), written))
        self._before = ledger.used(source)
        self._entered = np.zeros((2, 0))  # tokens read and written for each mask, at most

    def enter(self, masks: BoolArray) -> tuple[int, str]:
        """Enter the next masks that surely fit: how many, and the limit of the one after them.

        Prompts are rendered no further than that one, or a little.

        Raises:
            ArgumentError: there are pictures, and the server tells no tokens.
        """
        self._before = self._ledger.used(self._function)
        if self._has_images and self._before is not None and self._before.uncounted:
            raise ArgumentError(
                "the server tells no tokens, and how many a picture takes is unknown; limit calls "
                "or seconds instead"
            )
        # On a server the first mask shows how many requests each takes.
        masks = masks[:1] if self._is_server and self._dearest is None else masks
        fit, size, name = 0, _RENDERED, "tokens"
        bounds = np.zeros((2, 0))
        while fit < len(masks):
            bounds = np.concatenate([bounds, self._bounds(masks[fit : fit + size])], axis=1)
            fit, name = self._fitting(*np.cumsum(bounds, axis=1))
            if fit < bounds.shape[1]:
                break
            size *= 2
        self._entered = bounds[:, :fit]
        if not self._is_server:
            self._ledger.local_tokens += int(self._entered.sum())
        return fit, name

    def _fitting(self, read: FloatArray, written: FloatArray) -> tuple[int, str]:
        """How many of growing sums of tokens fit, and the limit of the next one."""
        limits, used = self._ledger.limits, self._ledger.used(self._function)
        most, name = len(read), "tokens"
        if limits.tokens is not None:
            spent = self._ledger.local_tokens
            if used is not None:
                spent = used.prompt_tokens + used.completion_tokens
            most = int((read + written <= limits.tokens - spent).sum())
        if limits.cost is not None:
            assert used is not None and used.price is not None and used.cost is not None
            costs = (read * used.price[0] + written * used.price[1]) / 1e6
            fit = int((costs <= limits.cost - used.cost).sum())
            if fit < most:
                most, name = fit, "cost"
        return most, name

    def checks(self, count: int) -> None:
        """Enter what a check of the model with this many prompts is about to read.

        Raises:
            LimitReached: it may not fit.
        """
        prompts = count
        if self._is_server:  # it may read a prompt again for each answer and the reply
            count *= 2 + len({a for one in self._function.scores for a in one.answers})
        full = np.ones((1, self._function.n_features), dtype=np.bool_)
        read, written = (float(one[0]) for one in self._bounds(full))
        self._before = self._ledger.used(self._function)
        self._entered = np.array([[read], [written]])
        numbers = np.arange(1, count + 2, dtype=np.float64)  # one more mask must fit
        fits, name = self._fitting(read * numbers, written * numbers)
        if fits <= count:
            raise self._ledger.reached(name, prompts, self._needs(name, read, written, count + 1))
        if not self._is_server:
            self._ledger.local_tokens += int((read + written) * count)

    def _needs(self, name: str, read: float, written: float, count: int) -> str:
        """The most that this many prompts can take, in words; more is not known before."""
        most = f"{int((read + written) * count):,} tokens"
        if name == "cost":
            used = self._ledger.used(self._function)
            assert used is not None and used.price is not None
            most = f"${(read * used.price[0] + written * used.price[1]) * count / 1e6:.2g}"
        counted = ", a token for each byte of a prompt" if self._is_server else ""
        return f", and with one mask up to {most}{counted}"

    def checked(self) -> None:
        """Enter an assumed cost if the server does not report it."""
        each = self._entered[:, 0]
        self._ledger.assume(self._function, (each[0], each[1]))

    def asked(self, done: int) -> None:
        """Check the cost of the masks entered, of which this many have a value."""
        ledger, before, entered = self._ledger, self._before, self._entered
        count = entered.shape[1]
        if not self._is_server:
            left = np.sort(entered.sum(axis=0))[: count - done]  # these at least are unused
            ledger.local_tokens -= int(left.sum())  # failed masks are asked again
            return
        used = ledger.used(self._function)
        assert used is not None and before is not None
        since = used.since(before)
        if since.uncounted:
            largest, sums = entered.max(axis=1), entered.sum(axis=1)
            more = max(1.0, since.requests / (self._requests * count))
            most = more * sums if done == count else np.full(2, math.inf)
            each = largest / self._requests
            ledger.assume(self._function, (each[0], each[1]), (most[0], most[1]))
        if done < count:  # some requests may be under way, or failed
            return
        self._requests = max(self._requests, math.ceil(since.requests / count))
        read, written = self._dearest or (0.0, 0.0)
        self._dearest = (
            max(read, since.prompt_tokens / count), max(written, since.completion_tokens / count)
        )  # fmt: skip

    def _bounds(self, masks: BoolArray) -> FloatArray:
        """(2, m) the most tokens read, and written, for each mask."""
        prompts = [self._function.masker.render(mask) for mask in masks]
        if not self._is_server:
            count: Any = self._function.model.count_tokens  # type: ignore[attr-defined]
            read = np.array(count(prompts), dtype=np.float64) + self._answers
            return np.stack([read, np.full(len(masks), float(self._written))])
        dearest = self._dearest or (0.0, 0.0)
        read = np.array([self._of_server(prompt) for prompt in prompts], dtype=np.float64)
        written = self._requests * max(self._written, _TOKENS_OF_A_REPLY)
        return np.stack(
            [
                np.maximum(self._requests * read, _DEARER * dearest[0]),
                np.full(len(masks), max(written, _DEARER * dearest[1])),
            ]
        )

    def _of_server(self, prompt: Prompt) -> int:
        texts = [len(message.as_text.encode()) for message in prompt.messages]
        texts += [len(prompt.answer_prefix.encode())] if prompt.answer_prefix else []
        return sum(texts) + self._answers + _TOKENS_OF_A_MESSAGE * len(texts)
