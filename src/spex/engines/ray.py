"""Masks evaluated by the workers of a Ray cluster, each of which holds the model once.

The driver keeps the store: workers get packed masks in blocks and give values back.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from spex.engines.workers import Workers
from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.values.source import ValueSource

# Ray gives a node 15 seconds to begin, and a busy machine may take longer.
_ATTEMPTS, _TOO_LATE = 4, "timed out during startup"
_NO_TOKEN = "InvalidAuthToken"  # of a cluster that asks for one


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster as a place to evaluate masks.

    Args:
        address: Of a cluster, such as "10.0.0.1:6379" or "auto"; default: the cluster that this
            process is connected to, or else one on this machine that ends with the run.
        workers: How many, each with a model of its own; default: one for each GPU of the cluster,
            or where it has none, one for each core.
        factory: Makes the source in a worker; default: the source itself is sent, with the models
            that `spex.models.load` gave by their names.

    Raises:
        ArgumentError: the number of workers is below 1.

    Example:
        >>> import spex
        >>> spex.RayEngine("auto", workers=2).workers
        2
    """

    address: str | None = None
    workers: int | None = None
    factory: Callable[[], ValueSource] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ArgumentError(f"workers={self.workers}; give at least 1")

    @contextmanager
    def running(self, source: ValueSource) -> Iterator[ValueSource]:
        """The source, whose masks the workers evaluate.

        Raises:
            ArgumentError: the source cannot be sent.
            BackendError: there is no cluster at the address.
            MissingExtraError: Ray is not installed.
        """
        with self._workers() as workers:
            yield workers.source(source)

    @contextmanager
    def shared(self) -> Iterator[Workers]:
        """Workers for many sources.

        Raises:
            ArgumentError: there is a factory, which makes a single source.
            SpexError: see `running`.
        """
        if self.factory is not None:
            raise ArgumentError("factory= makes one source, and there are many; leave it out")
        with self._workers() as workers:
            yield workers

    @contextmanager
    def _workers(self) -> Iterator[Workers]:
        ray = _ray(self.address)
        is_ours = not ray.is_initialized()
        if is_ours:
            _connect(ray, self.address, self.workers)
        try:
            found = ray.cluster_resources()
            gpus = int(found.get("GPU", 0))
            n_workers = self.workers or gpus or int(found.get("CPU", 1))
            with Workers(ray, n_workers, gpus, self.factory) as workers:
                yield workers
        finally:
            if is_ours:
                ray.shutdown()


def engine_of(engine: str | RayEngine) -> RayEngine:
    """The engine that "ray" or "ray:ADDRESS" names.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(engine, RayEngine):
        return engine
    if isinstance(engine, str):
        name, _, address = engine.partition(":")
        if name == "ray":
            return RayEngine(address or None)
    raise ArgumentError(f"engine={engine!r}; give 'ray', 'ray:ADDRESS' or a spex.RayEngine")


def _ray(address: str | None) -> Any:
    if address is None:
        # A cluster of our own has the address 127.0.0.1; Ray reads this when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return require("ray", "ray")


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        options |= {"include_dashboard": False, "num_cpus": workers}
    for attempt in range(_ATTEMPTS):
        try:
            ray.init(address=address or "local", **options)
            return
        except Exception as error:
            if address is None and _TOO_LATE in str(error) and attempt < _ATTEMPTS - 1:
                continue
            remedy = "start a cluster with `ray start --head`, or leave the address out"
            if _NO_TOKEN in str(error):
                remedy = "set RAY_AUTH_MODE=token, with the cluster's token in ~/.ray/auth_token"
            raise BackendError(
                f"Ray cannot be reached at {address or 'this machine'}: {_shown(error)}; {remedy}"
            ) from error


def _shown(error: Exception) -> str:
    """The last line of an error, which may quote a traceback."""
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
