"""The store of a call of `spex explain`: the one that it names, or the one in the cache folder."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from spex.cli.explaining.functions import UNNAMED
from spex.cli.explaining.request import Request
from spex.cli.session import Session
from spex.errors import ArgumentError, StoreError
from spex.models.environment import cache_folder
from spex.values.source import ValueSource
from spex.values.storage.care import removed_if_empty
from spex.values.store import Store


def check_store(store: Path | None, no_store: bool) -> None:
    """Refuse both a store and none.

    Raises:
        ArgumentError: both are asked for.
    """
    if no_store and store is not None:
        raise ArgumentError("--store and --no-store contradict each other; give one of them")


def default_store() -> Path:
    """The store in the user's cache folder, which is made.

    Raises:
        OSError: it cannot be made.
    """
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "samples.sqlite"


def usable_store(
    session: Session, request: Request, source: ValueSource, store: Store | None
) -> Store | None:
    """The store, or None if values of this function cannot be kept.

    Raises:
        ArgumentError: they cannot, and the request names a store.
    """
    if store is None or source.identities is not None:
        return store
    if request.store is not None:
        raise ArgumentError(f"--store: {UNNAMED}; set it, or leave --store out")
    session.notice(f"evaluations are not kept: {UNNAMED}")
    return None


@contextmanager
def _store_at(path: Path) -> Iterator[Store]:
    with removed_if_empty(path), Store(path) as store:
        yield store


def open_store(
    session: Session, request: Request, give_up: Callable[[StoreError], None]
) -> AbstractContextManager[Store | None]:
    """The store that a request names, or the one in the cache folder; None if it wants none."""
    if request.no_store:
        return nullcontext()
    if request.store is not None:
        return _store_at(request.store)
    # The default store is a convenience: if it cannot be used, explain without it.
    try:
        return Store(default_store(), give_up)
    except (OSError, StoreError) as error:
        session.notice(f"evaluations are not kept: {error}; choose a file with --store")
        return nullcontext()
