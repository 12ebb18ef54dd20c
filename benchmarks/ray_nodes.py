"""Two nodes of a Ray cluster by `ray start`, as on two machines: is the result that of one process?

A head and a second node are started as processes of their own with `ray start`, at 127.0.0.1, and
what they listen on is listed. Several items are explained by their workers; once a worker is killed
meanwhile, once the whole second node. Every explanation must be that of this process, bit by bit.

    python benchmarks/ray_nodes.py
"""

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

import spex

MODULE = """
import os, time
from pathlib import Path

import numpy as np


class Slow:
    '''A table of 8 features, which takes a while and notes which process looked.'''

    features = list("abcdefgh")

    def __init__(self, seed, folder, seconds):
        self.identity = f"slow {seed}"
        self.seed, self.folder, self.seconds = seed, folder, seconds

    def __call__(self, masks):
        if self.seconds:
            with (Path(self.folder) / str(os.getpid())).open("a") as file:
                file.write("x" * len(masks))
            time.sleep(self.seconds * len(masks))
        values = np.random.default_rng(self.seed).normal(size=256)
        return values[masks @ (1 << np.arange(8))]
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def node(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A node of a cluster; in the end it and all that it started are killed, and nothing else."""
    command = [Path(sys.executable).with_name("ray"), "start", "--block", *options]
    shared = ["--node-ip-address=127.0.0.1", "--num-cpus=1", "--object-store-memory=100000000"]
    quiet = ["--disable-usage-stats"]
    with (folder / f"log-{len(options)}").open("wb") as log:
        process = subprocess.Popen(
            [*command, *shared, *quiet], stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    except SystemExit:
        print((folder / f"log-{len(options)}").read_text())
        raise
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a node with its workers."""
    with suppress(psutil.NoSuchProcess):
        tree = psutil.Process(process.pid)
        for one in [tree, *tree.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def listening(process: subprocess.Popen[bytes]) -> list[tuple[str, str]]:
    """(address, program) of every socket that a node listens on."""
    tree = psutil.Process(process.pid)
    found = []
    for one in [tree, *tree.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            words = " ".join([one.name(), *one.cmdline()])
            named = ("gcs_server", "raylet", "dashboard/agent", "runtime_env/agent", "log_monitor")
            named += ("dashboard/dashboard", "ray.util.client.server", "ray::", "default_worker")
            program = next((name for name in named if name in words), one.name())
            found += [
                (f"{its.laddr.ip}:{its.laddr.port}", program)
                for its in one.net_connections("tcp")
                if its.status == psutil.CONN_LISTEN
            ]
    return sorted(set(found))


def wait_until(what: str, is_so: Callable[[], bool], *nodes: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while not is_so():
        ended = [one for one in nodes if one.poll() is not None]
        if ended or time.monotonic() > until:
            raise SystemExit(f"no {what}: " + ("a node ended" if ended else "120 s are over"))
        time.sleep(0.5)


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as found:
        return found.connect_ex((host, int(port))) == 0


def alive(ray: Any) -> list[str]:
    """The nodes of a cluster."""
    return [one["NodeID"][:8] for one in ray.nodes() if one["Alive"]]


def run(functions: Any, folder: Path, harm: Any = None) -> dict[str, str]:
    """Explain items on the cluster; harm it when a third is done."""
    done = 0

    def watch(state: Any) -> None:
        nonlocal done
        if harm is not None and not done and state.evaluations > 100:
            done = state.evaluations
            threading.Thread(target=harm).start()

    many = spex.explain_many(functions, budget=60, engine="ray", progress=watch)
    assert harm is None or done, "nothing was harmed"
    assert not many.failures, many.failures
    return {name: json.dumps(one.to_dict()) for name, one in many.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=6)
    parser.add_argument("--milliseconds", type=float, default=20.0)
    options = parser.parse_args()
    # A token of this run, which only its own processes know.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory(prefix="sr") as name:
        folder, address = Path(name), f"127.0.0.1:{free_port()}"
        (folder / "slow_table.py").write_text(MODULE)
        noted = folder / "noted"
        noted.mkdir()
        sys.path.insert(0, name)
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        from slow_table import Slow

        def items(seconds: float) -> dict[str, Any]:
            return {str(i): Slow(i, str(noted), seconds) for i in range(options.items)}

        local = spex.explain_many(items(0.0), budget=60)
        expected = {name: json.dumps(one.to_dict()) for name, one in local.items()}
        head = ["--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false"]
        head.append(f"--temp-dir={name}/ray")
        with node(folder, *head) as first:
            wait_until("head", lambda: answers(address), first)
            with node(folder, f"--address={address}") as second:
                import ray

                ray.init(address=address, log_to_driver=False, logging_level="error")
                try:
                    wait_until("second node", lambda: len(alive(ray)) == 2, first, second)
                    print("nodes:", *alive(ray))
                    check(items(options.milliseconds / 1000), noted, expected, first, second)
                finally:
                    ray.shutdown()


def check(functions: Any, noted: Path, expected: Any, first: Any, second: Any) -> None:
    def kill_a_worker() -> None:
        newest = max(noted.iterdir(), key=lambda file: file.stat().st_mtime)
        os.kill(int(newest.name), signal.SIGKILL)
        print(f"killed worker {newest.name}")

    def kill_the_node() -> None:
        kill(second)
        print("killed the second node")

    harms: list[tuple[str, Any]] = [
        ("nobody", None), ("a worker", kill_a_worker), ("the second node", kill_the_node),
    ]  # fmt: skip
    for whom, harm in harms:
        for file in noted.iterdir():
            file.unlink()
        began = time.perf_counter()
        found = run(functions, noted, harm)
        calls = {file.name: file.stat().st_size for file in noted.iterdir()}
        print(
            f"{whom} killed: {len(found)} explanations in {time.perf_counter() - began:.1f} s, "
            f"identical: {found == expected}; masks by process: {calls}",
            flush=True,
        )
        assert found == expected
        if harm is None:
            for number, one in enumerate((first, second), 1):
                for place, program in listening(one):
                    print(f"  node {number} listens on {place:>22}  {program}")


if __name__ == "__main__":
    main()
