"""Masks evaluated by the workers of a Ray cluster, each of which holds the model once.

The driver keeps the store: workers get packed masks in blocks and give values back.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from spex.checks.arguments import whole_number
from spex.engines.workers import Workers
from spex.errors import ArgumentError, BackendError
from spex.extras import require
from spex.values.source import ValueSource

# Ray gives a node 15 seconds to begin, and a busy machine may take longer.
_ATTEMPTS, _TOO_LATE = 4, "timed out during startup"
_NO_TOKEN = "InvalidAuthToken"  # error of a cluster that needs a token
_SECONDS_TO_CONNECT = 10.0
_START = "start a cluster with `ray start --head`, or leave the address out"
# The path of a socket has at most 107 bytes, and the names in it take about 80.
_LONGEST_PLACE = 24


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster as a place to evaluate masks.

    Args:
        address: Address of a cluster, such as "10.0.0.1:6379" or "auto". Default: the cluster that
            this process is connected to, or a new one on this machine that ends with the run.
        workers: Number of workers, each with its own model; default: one for each GPU of the
            cluster, or for each core if it has no GPU.
        factory: Makes the source in a worker; default: the source itself is sent, with the models
            that `spex.models.load` gave by their names.

    Raises:
        ArgumentError: the number of workers is no whole number above 0.

    Example:
        >>> import spex
        >>> spex.RayEngine("auto", workers=2).workers
        2
    """

    address: str | None = None
    workers: int | None = None
    factory: Callable[[], ValueSource] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None:
            whole_number("workers", self.workers, 1)

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
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray = require("ray", "ray")
        with ExitStack() as stack:
            if not ray.is_initialized():
                stack.enter_context(_connected(ray, self.address, self.workers))
            elif self.address not in (None, "auto", here := ray.get_runtime_context().gcs_address):
                raise ArgumentError(
                    f"address {self.address!r}: this process is connected to the Ray cluster at "
                    f"{here}; leave the address out, or call ray.shutdown() first"
                )
            found = ray.cluster_resources()
            gpus = int(found.get("GPU", 0))
            n_workers = self.workers or gpus or int(found.get("CPU", 1))
            with Workers(ray, n_workers, gpus, self.factory) as workers:
                yield workers


def engine_of(engine: str | RayEngine) -> RayEngine:
    """The engine that "ray" or "ray:ADDRESS" names.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(engine, RayEngine):
        return engine
    if isinstance(engine, str):
        if engine == "ray":
            return RayEngine()
        name, _, address = engine.partition(":")
        if name == "ray" and address:
            return RayEngine(address)
    raise ArgumentError(f"engine={engine!r}; give 'ray', 'ray:ADDRESS' or a spex.RayEngine")


@contextmanager
def _connected(ray: Any, address: str | None, workers: int | None) -> Iterator[None]:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    with ExitStack() as stack:
        if address is None:
            stack.enter_context(_only_here())
            options |= {
                "include_dashboard": False,
                "num_cpus": workers,
                "_temp_dir": stack.enter_context(_private_folder()),
            }
        else:
            _answers(address)
        _connect(ray, address, options)
        stack.callback(ray.shutdown)
        yield


@contextmanager
def _only_here() -> Iterator[None]:
    """A cluster begun in this context listens on 127.0.0.1 alone.

    Ray reads the variable when it is imported, which may have been long ago; its processes read it
    when they begin.
    """
    from ray._private import ray_constants

    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before = os.environ.get(name), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[name], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before[1]
        if before[0] is None:
            del os.environ[name]
        else:
            os.environ[name] = before[0]


@contextmanager
def _private_folder() -> Iterator[str]:
    """For Ray's logs and sockets, removed at the end.

    What Ray is given it opens to everybody, so that it gets a folder inside one that is ours alone.
    """
    place = tempfile.gettempdir()
    if len(place) > _LONGEST_PLACE:
        place = "/tmp"
    folder = tempfile.mkdtemp(prefix="spex-", dir=place)  # mode 0700
    try:
        yield f"{folder}/ray"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> None:
    """Raise at once where nothing listens at an address: Ray tries for minutes.

    Raises:
        BackendError: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # "auto" and the like
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise BackendError(f"Ray cannot be reached at {address}: {error}; {_START}") from error


def _connect(ray: Any, address: str | None, options: dict[str, Any]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            ray.init(address=address or "local", **options)
            return
        except Exception as error:
            ray.shutdown()
            if address is None and _TOO_LATE in str(error) and attempt < _ATTEMPTS - 1:
                continue
            remedy = _START
            if _NO_TOKEN in str(error):
                remedy = "set RAY_AUTH_MODE=token, with the cluster's token in ~/.ray/auth_token"
            raise BackendError(
                f"Ray cannot be reached at {address or 'this machine'}: {_shown(error)}; {remedy}"
            ) from error


def _shown(error: Exception) -> str:
    """The last line of an error, which may quote a traceback."""
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
