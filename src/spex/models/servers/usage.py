"""The cost of a model on a server: requests, tokens, dollars."""

import math
from dataclasses import dataclass
from typing import Any

from spex.errors import ArgumentError


@dataclass
class Usage:
    """What a model has cost so far.

    Attributes:
        requests: requests with a usable reply; looking up the list of models is none.
        failures: requests without one; each was sent again or ended in an error.
        prompt_tokens: tokens read, as counted by the server.
        completion_tokens: tokens written, as counted by the server.
        price: dollars per million tokens (read, written); None if unknown.
        uncounted: replies of which the server told no tokens.
    """

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    price: tuple[float, float] | None = None
    uncounted: int = 0

    @property
    def cost(self) -> float | None:
        """In dollars; None without a price."""
        if self.price is None:
            return None
        read, written = self.price
        return (self.prompt_tokens * read + self.completion_tokens * written) / 1e6

    def since(self, before: "Usage") -> "Usage":
        """The usage since an earlier copy."""
        return Usage(
            self.requests - before.requests,
            self.failures - before.failures,
            self.prompt_tokens - before.prompt_tokens,
            self.completion_tokens - before.completion_tokens,
            self.price,
            self.uncounted - before.uncounted,
        )

    def to_json(self) -> dict[str, Any]:
        """The counts; and the cost if it is known, or how many replies are uncounted."""
        counts = {name: value for name, value in vars(self).items() if name != "price"}
        if self.uncounted:
            return counts
        del counts["uncounted"]
        return counts if self.cost is None else {**counts, "cost": self.cost}


def checked_price(price: object) -> tuple[float, float] | None:
    """Check a price: two numbers, or None.

    Raises:
        ArgumentError: it is something else.
    """
    if price is None:
        return None
    if (
        not isinstance(price, tuple | list)
        or len(price) != 2
        or not all(type(one) in (int, float) and 0 <= one < math.inf for one in price)
    ):
        raise ArgumentError(
            f"price={price!r}: give dollars per million tokens read and written, such as "
            "(0.15, 0.60)"
        )
    return (float(price[0]), float(price[1]))
