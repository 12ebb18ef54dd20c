"""Items to explain: a value function, and the features that people marked in the input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spex.errors import ArgumentError
from spex.values.source import ValueSource, as_source
from spex.values.store import Store

# The groups by number of features in the SPEX paper (arXiv 2502.13870, section 6).
_FIRST_OF_GROUP = 8


@dataclass(frozen=True)
class Item:
    """One value function to explain.

    Args:
        name: Differs from that of every other item of a data file.
        n_features: n.
        make: Makes the source of its values; given the store in which the model's own answer is
            kept. Runs in parallel need one that can be pickled.
        annotated: Numbers of the features that people have marked as what the answer rests on;
            None if nobody did.
    """

    name: str
    n_features: int
    make: Callable[[Store | None], ValueSource] = field(repr=False, compare=False)
    annotated: tuple[int, ...] | None = None

    @property
    def group(self) -> str:
        """The range of lengths, as in the paper: 8-15, 16-31, 32-63 and so on."""
        return length_group(self.n_features)


def length_group(n_features: int) -> str:
    """The range between powers of two that a number of features lies in, such as "32-63"."""
    if n_features < _FIRST_OF_GROUP:
        return f"1-{_FIRST_OF_GROUP - 1}"
    first = 1 << (n_features.bit_length() - 1)
    return f"{first}-{2 * first - 1}"


@dataclass(frozen=True)
class _Given:
    """Returns an existing source."""

    source: ValueSource

    def __call__(self, store: Store | None) -> ValueSource:
        return self.source


def as_items(f: Any, features: int | Sequence[str] | None = None) -> list[Item]:
    """Items from a user's functions or sources.

    Args:
        f: A callable from masks to values or a `spex.ValueSource` (see `spex.explain`); several of
            them by name, as a mapping; or items.
        features: n, or n labels, of one callable.

    Raises:
        ArgumentError: it is none of these.
    """
    if isinstance(f, Item):
        return [f]
    if isinstance(f, Mapping):
        return [_item(str(name), one, features) for name, one in f.items()]
    if isinstance(f, Sequence) and not isinstance(f, str):
        if not f or not all(isinstance(one, Item) for one in f):
            raise ArgumentError("give items, such as those of spex.evaluate.read_items, or a dict")
        return list(f)
    return [_item("0", f, features)]


def _item(name: str, f: Any, features: int | Sequence[str] | None) -> Item:
    source = as_source(f, features)
    return Item(name, len(source.features), _Given(source))
