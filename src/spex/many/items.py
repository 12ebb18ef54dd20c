"""The items of a run of many: names, and how to make the source of each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spex.errors import ArgumentError
from spex.evaluate.items import Item
from spex.values.source import ValueSource, as_source
from spex.values.store import Store


@dataclass(frozen=True)
class Named:
    """One item: its name, and a function that makes its source when needed."""

    name: str
    make: Callable[[Store | None], ValueSource]


def named(sources: Mapping[str, Any] | Iterable[Any]) -> Iterator[Named]:
    """The items one by one, so that only those being evaluated need to exist.

    Args:
        sources: See `explain_many`.

    Raises:
        ArgumentError: one is no item, or a name is there twice.
    """
    if isinstance(sources, str | bytes) or not isinstance(sources, Iterable):
        raise ArgumentError(
            f"sources is a {type(sources).__name__}; give a dict from names to value functions, or "
            "(name, value function) one by one"
        )
    seen: set[str] = set()
    for one in sources.items() if isinstance(sources, Mapping) else sources:
        item = _named(one)
        if item.name in seen:
            raise ArgumentError(f"two items have the name {item.name!r}; give each its own")
        seen.add(item.name)
        yield item


def _named(one: Any) -> Named:
    if isinstance(one, Named):
        return one
    if isinstance(one, Item):
        return Named(one.name, one.make)
    if not isinstance(one, tuple) or len(one) != 2 or not isinstance(one[0], str):
        raise ArgumentError(
            f"an item is a {type(one).__name__}; give (name, value function), or items of "
            "spex.evaluate.read_items"
        )
    name, f = one
    return Named(name, lambda _: as_source(f))
