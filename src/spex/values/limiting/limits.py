"""Limits of cost: calls, tokens, seconds, dollars; and what has been spent."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from spex.checks.arguments import real_number, whole_number
from spex.errors import SpexError
from spex.values.value_function import ValueFunction

if TYPE_CHECKING:
    from spex.models.servers.usage import Usage


class LimitReached(SpexError):
    """The request does not fit into a limit any more; the message names the limit."""


@dataclass(frozen=True)
class Limits:
    """Limits of cost; an explanation stops before it exceeds one. None means no limit.

    Values in a store cost nothing. A call starts only if it surely fits. Only `seconds` may be
    exceeded, by the time of one batch.

    Args:
        calls: Masks that the model answers; a mask that fails and is asked again is one call.
        tokens: Tokens read and written: as the server counts them, or those of prompts and answers
            for local models. If a server does not report them, an upper bound counts: a token for
            each byte of the prompt, and the longest reply.
        seconds: Time of the model. It does not include fits, the check of the log-probabilities,
            or the first four values: a fit needs these, and the first call of a model is slow.
        cost: Dollars, for a model on a server with a price.

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
    """The spending of one or several sources, against their limits.

    Args:
        limits: The most that may be spent.
        clock: Seconds; for tests.

    Attributes:
        calls: Masks asked for, and what checks of the model asked.
        calls_of_checks: The latter alone.
        local_tokens: Tokens of models that are not on a server.
        pace: Seconds of a mask, in the latest portion.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        self.calls = self.calls_of_checks = 0
        self.local_tokens = 0
        self.pace = 0.0
        self._before: Usage | None = None
        self._assumed = [0, 0]  # tokens read and written that a server did not report
        self._n_assumed = 0  # replies without reported tokens
        self._lock = Lock()  # a batch that takes too long goes on in another thread
        self._seconds, self._at_work, self._since = 0.0, 0, 0.0

    @property
    def masks(self) -> int:
        """How many have been asked for."""
        return self.calls - self.calls_of_checks

    @property
    def seconds_left(self) -> float:
        """Until the limit; infinite without one."""
        if self.limits.seconds is None:
            return math.inf
        with self._lock:
            running = self.clock() - self._since if self._at_work else 0.0
            return self.limits.seconds - self._seconds - running

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count seconds while at least one source is at work."""
        with self._lock:
            if not self._at_work:
                self._since = self.clock()
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1
                if not self._at_work:
                    self._seconds += self.clock() - self._since

    def assume(
        self,
        function: ValueFunction,
        each: tuple[float, float],
        most: tuple[float, float] = (math.inf, math.inf),
    ) -> None:
        """Count new replies for which the server of a function reported no tokens.

        Args:
            function: Function of the server.
            each: The most tokens read, and written, for one reply.
            most: For all of them.
        """
        used = self.used(function)
        if used is not None and (new := used.uncounted - self._n_assumed) > 0:
            self._n_assumed = used.uncounted
            for i in range(2):
                self._assumed[i] += math.ceil(min(new * each[i], most[i]))

    def used(self, function: ValueFunction) -> "Usage | None":
        """The usage that a function's server has counted, and the tokens that it did not report.

        None for a local model.
        """
        usage: Usage | None = getattr(function.model, "usage", None)
        if usage is None:
            return None
        if self._before is None:
            self._before = function.usage_before
        since = usage if self._before is None else usage.since(self._before)
        return replace(
            since,
            prompt_tokens=since.prompt_tokens + self._assumed[0],
            completion_tokens=since.completion_tokens + self._assumed[1],
        )

    def reached(self, name: str, check: int = 0, needs: str = "") -> LimitReached:
        """The error for a limit.

        Args:
            name: Name of the limit.
            check: Calls of a check that does not fit into it any more.
            needs: What it and a mask take at most, if not calls.
        """
        how = ""
        if check:
            how = (
                f" (the check of the log-probabilities before the first value takes {check} calls"
                f"{needs})"
            )
        elif name == "calls" and self.calls_of_checks:
            how = f" ({self.calls_of_checks} of them checked the log-probabilities)"
        elif any(self._assumed) and name in ("tokens", "cost"):
            how = (
                " (the server told no tokens of some replies, which count at their upper bound: a "
                "token for each byte of the prompt, and the longest reply)"
            )
        return LimitReached(f"the limit of {self.limits.in_words()[name]} is reached{how}")
