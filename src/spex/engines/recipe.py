"""Sources of values as bytes: the models in them by name, so that each worker loads its own."""

import io
import pickle
from typing import Any

from spex.errors import ArgumentError, BackendError
from spex.models.servers.address import SERVER_PREFIXES
from spex.values.source import ValueSource

_REMEDY = (
    "give spex.RayEngine(factory=FUNCTION), a function without arguments of a module that makes "
    "the same source in the worker"
)


def to_bytes(source: ValueSource) -> bytes:
    """A source without its models, for `from_bytes` on another machine.

    Raises:
        ArgumentError: it holds something that cannot be sent.
    """
    from ray.cloudpickle import CloudPickler

    class Pickler(CloudPickler):
        def persistent_id(self, one: Any) -> Any:
            return _recipe(one)

    content = io.BytesIO()
    try:
        pickler: Any = Pickler
        pickler(content).dump(source)
    except Exception as error:  # pickling may raise anything
        raise ArgumentError(
            f"the {type(source).__name__} cannot be sent to a worker: "
            f"{type(error).__name__}: {error}; {_REMEDY}"
        ) from error
    return content.getvalue()


def _recipe(one: Any) -> Any:
    """(name, options, identity) of a model that `spex.models.load` gave; else None."""
    made_by = getattr(one, "__dict__", {}).get("made_by")
    if made_by is None:
        return None
    if made_by[0].startswith(SERVER_PREFIXES):
        raise ArgumentError(
            f"{one.name!r} is on a server, which takes many calls at once; leave the engine out"
        )
    return (*made_by, one.identity)


def from_bytes(content: bytes, loaded: dict[Any, Any] | None = None) -> ValueSource:
    """Undo `to_bytes`; loads the models.

    Args:
        content: What it gave.
        loaded: Models of earlier calls, which are not loaded again; new ones are added.

    Raises:
        BackendError: a model here is another one than there.
        SpexError: a model cannot be loaded; see `spex.models.load`.
    """

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, recipe: Any) -> Any:
            from spex.models import load

            name, options, identity = recipe
            key = name, repr(sorted(options.items()))
            model = known.get(key)
            if model is None:
                model = known[key] = load(name, **options)
            if model.identity != identity:
                raise BackendError(
                    f"the worker loaded {name!r} as {model.identity}, and this process has it as "
                    f"{identity}: use the same files and options on all machines"
                )
            return model

    known: dict[Any, Any] = {} if loaded is None else loaded
    source: ValueSource = Unpickler(io.BytesIO(content)).load()
    return source
