"""Limits of cost: calls, tokens, seconds, dollars. A source that stops before it exceeds one."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import real_number, whole_number
from spex.errors import ArgumentError, SpexError
from spex.models.protocol import Prompt
from spex.values.source import ValueSource, Wrapped
from spex.values.value_function import ValueFunction

if TYPE_CHECKING:
    from spex.models.servers.endpoint import Usage

# A token of the usual tokenizers is a byte at least; around each message a chat template writes
# some of its own.
_TOKENS_OF_A_MESSAGE, _TOKENS_OF_A_REPLY = 64, 64
_FIRST = 2  # masks, while nobody knows how long one takes
_RENDERED = 16  # prompts at first, and then always twice as many, until a limit is met
# A call on a server is taken to cost at most so many times as the dearest one before.
_DEARER = 1.5


class LimitReached(SpexError):
    """What is asked for does not fit into a limit any more; the message says into which."""


@dataclass(frozen=True)
class Limits:
    """Where an explanation stops, whatever values it has by then; None for no limit.

    Values that a store has cost nothing. What does not surely fit is not begun, so that no limit
    but that of seconds is ever exceeded; of seconds by what one batch takes.

    Args:
        calls: Masks that the model is asked for.
        tokens: Tokens read and written: as a server counts them, of local models those of the
            prompts and answers.
        seconds: Of evaluation; fits come on top.
        cost: Dollars, of a server's model with a price.

    Raises:
        ArgumentError: a limit is no positive number.

    Example:
        >>> import spex
        >>> e = spex.explain(lambda m: 1.0 * m[:, 0], 9, budget=300, limits=spex.Limits(calls=50))
        >>> e.n_evaluations, e.stopped
        (50, 'the limit of 50 calls is reached')
    """

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "tokens"):
            if (value := getattr(self, name)) is not None:
                whole_number(name, value, 1)
        for name in ("seconds", "cost"):
            if (value := getattr(self, name)) is not None:
                positive = "it must be a number above 0"
                real_number(name, value, positive, lambda x: 0 < x < math.inf)

    def __bool__(self) -> bool:
        """Whether there is a limit at all."""
        return any(value is not None for value in vars(self).values())

    def in_words(self) -> dict[str, str]:
        """Those that there are by name, such as `{"calls": "60 calls", "cost": "$0.5"}`."""
        words = {"calls": "{:,} calls", "tokens": "{:,} tokens", "seconds": "{:g} seconds"}
        words["cost"] = "${:g}"
        given = {name: value for name, value in vars(self).items() if value is not None}
        return {
            name: "1 call" if (name, value) == ("calls", 1) else words[name].format(value)
            for name, value in given.items()
        }


class Ledger:
    """What has been spent of limits, by one source or by several.

    Args:
        limits: What may be spent; the seconds run from here.
        clock: Seconds; for tests.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        self._began = clock()
        self.calls = 0
        self.local_tokens = 0
        self.slowest = 0.0  # seconds of a mask
        self._before: Usage | None = None

    @property
    def seconds_left(self) -> float:
        """Until the limit; infinite without one."""
        if self.limits.seconds is None:
            return math.inf
        return self.limits.seconds - (self.clock() - self._began)

    def used(self, function: ValueFunction) -> "Usage | None":
        """What the server of a function has counted for all; None of a local model."""
        usage: Usage | None = getattr(function.model, "usage", None)
        if usage is None:
            return None
        if self._before is None:
            self._before = function.usage_before
        return usage if self._before is None else usage.since(self._before)

    def reached(self, name: str) -> LimitReached:
        """The error for a limit."""
        return LimitReached(f"the limit of {self.limits.in_words()[name]} is reached")


class Limited(Wrapped):
    """A source that raises `LimitReached` instead of exceeding a limit.

    Args:
        source: Of the values.
        ledger: What may be spent, and what has been.

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
        start = 0  # in the order given: a run asks for those first that it needs most
        while start < len(masks):
            rows = np.arange(start, start + self._affordable(masks[start:]))
            began, last = ledger.clock(), 0
            ledger.calls += len(rows)
            for numbers, values in self._source.stream(masks[rows]):
                yield rows[numbers], values
                last += len(numbers)
                ledger.slowest = max(ledger.slowest, (ledger.clock() - began) / last)
                if last < len(rows) and ledger.seconds_left <= 0:
                    raise ledger.reached("seconds")
            if self._meter is not None:
                self._meter.asked(len(rows))
            start += len(rows)

    def _affordable(self, masks: BoolArray) -> int:
        """How many of the next masks surely fit into every limit; enters their tokens.

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
            # The first batch is small, for nobody knows how long it takes.
            most = min(most, int(left / ledger.slowest) if ledger.slowest else _FIRST)
            if most < 1 or left <= 0:
                raise ledger.reached("seconds")
        if self._meter is not None:
            most, name = self._meter.enter(masks[:most])
            if most < 1:
                raise ledger.reached(name)
        return most


class _Meter:
    """Bounds what the next prompts cost, and looks at what they have cost.

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
                "a limit of cost needs the price of a model on a server: price (--price "
                "READ,WRITTEN)"
            )
        self._is_server, self._before = used is not None, used
        self._answers = sum(len(answer.encode()) for one in source.scores for answer in one.answers)
        lengths = [getattr(one, "max_new_tokens", 0) for one in source.scores if not one.answers]
        self._written = max(lengths, default=0)
        self._requests = 1  # for a mask
        self._dearest: tuple[float, float] | None = None  # tokens read and written for a mask

    def enter(self, masks: BoolArray) -> tuple[int, str]:
        """Enter the next masks that surely fit: how many, and the limit of the one after them.

        Prompts are rendered no further than that one, or a little.
        """
        # On a server the first mask shows how many requests each takes.
        masks = masks[:1] if self._is_server and self._dearest is None else masks
        fit, size, name = 0, _RENDERED, "tokens"
        read = written = 0.0
        while fit < len(masks):
            bounds = self._bounds(masks[fit : fit + size])
            sums = (read + np.cumsum(bounds[0]), written + np.cumsum(bounds[1]))
            fitting, name = self._fitting(*sums)
            if fitting:
                read, written = (float(one[fitting - 1]) for one in sums)
            fit += fitting
            if fitting < len(sums[0]):
                break
            size *= 2
        if not self._is_server:
            self._ledger.local_tokens += int(read + written)
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

    def asked(self, count: int) -> None:
        """Look at what so many masks have cost on a server."""
        used, before = self._ledger.used(self._function), self._before
        if used is None or before is None:
            return
        since, self._before = used.since(before), used
        self._requests = max(self._requests, math.ceil(since.requests / count))
        read, written = self._dearest or (0.0, 0.0)
        self._dearest = (
            max(read, since.prompt_tokens / count), max(written, since.completion_tokens / count)
        )  # fmt: skip

    def _bounds(self, masks: BoolArray) -> tuple[FloatArray, FloatArray]:
        """(m,) the most tokens read, and written, for each mask."""
        prompts = [self._function.masker.render(mask) for mask in masks]
        if not self._is_server:
            count: Any = self._function.model.count_tokens  # type: ignore[attr-defined]
            read = np.array(count(prompts), dtype=np.float64) + self._answers
            return read, np.full(len(masks), float(self._written))
        dearest = self._dearest or (0.0, 0.0)
        read = np.array([self._of_server(prompt) for prompt in prompts], dtype=np.float64)
        written = self._requests * max(self._written, _TOKENS_OF_A_REPLY)
        return (
            np.maximum(self._requests * read, _DEARER * dearest[0]),
            np.full(len(masks), max(written, _DEARER * dearest[1])),
        )

    def _of_server(self, prompt: Prompt) -> int:
        texts = [len(message.as_text.encode()) for message in prompt.messages]
        texts += [len(prompt.answer_prefix.encode())] if prompt.answer_prefix else []
        return sum(texts) + self._answers + _TOKENS_OF_A_MESSAGE * len(texts)
