"""A real Ray cluster of two worker processes on this machine gives the bits of one process."""

import json
import os
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

import spex
from engines.counted import Noted, callers
from spex.cli import main
from spex.engines.ray import _connected
from spex.engines.recipe import from_bytes, to_bytes
from spex.engines.workers import Sent, Worker
from spex.f2.packing import pack
from spex.values.source import as_source

pytestmark = [
    pytest.mark.slow(seconds=6),
    # Ray leaves sockets and files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def patiently(start, times=5):
    """Ray gives a node 15 seconds to begin, and a busy machine may take longer."""
    for _ in range(times - 1):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each."""
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the address is 127.0.0.1 then, on Linux too
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    head = {**node, "include_dashboard": False}
    found = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    second = patiently(lambda: found.add_node(**node))
    ray.init(address=found.address, log_to_driver=False, logging_level="error")
    yield found, second
    ray.shutdown()
    found.shutdown()


def test_two_workers_give_the_same_bits_and_the_driver_keeps_them(cluster, tmp_path):
    folder = tmp_path / "noted"
    folder.mkdir()
    local = spex.explain(Noted(str(folder)), 12, budget=300, method="linear")
    for file in folder.iterdir():
        file.unlink()
    f = Noted(str(folder), together=2)
    store = tmp_path / "s.sqlite"
    found = spex.explain(f, 12, budget=300, method="linear", store=store, engine="ray")
    assert found.to_dict() == local.to_dict()
    called = callers(folder)
    assert len(called) == 2 and str(os.getpid()) not in called  # one worker on each node
    assert min(map(len, called.values())) >= 4
    with spex.Store(store) as kept:
        assert len(kept) == 300


def test_a_killed_worker_changes_nothing(cluster, tmp_path):
    local = spex.explain(Noted(str(tmp_path), 0), 12, budget=300, method="linear")
    for file in tmp_path.iterdir():
        file.unlink()
    f = Noted(str(tmp_path), dies_at=16)
    found = spex.explain(f, 12, budget=300, method="linear", engine="ray")
    assert (tmp_path / "died").exists()
    assert found.to_dict() == local.to_dict()
    assert len(callers(tmp_path)) >= 2  # two, where the new one came too late
    # Only what was in flight is asked again: two blocks of a worker, and stragglers.
    assert sum(map(len, callers(tmp_path).values())) <= 300 + 2 * 64


def test_many_items_share_the_workers(cluster, tmp_path):
    """One worker is killed meanwhile, one item fails, and the others are those of one process."""

    def fails(masks):
        raise ValueError("no such luck")

    def items(folder, **more):
        found = {str(i): Noted(folder, weight=float(i)) for i in range(4)}
        found |= {"wrong": fails, "last": Noted(folder, **more)}
        for f in found.values():
            f.features = ["a", "b"] if f is fails else list("abcdefghijkl")
        return found

    local = spex.explain_many(items(str(tmp_path)), budget=60, method="linear")
    for file in tmp_path.iterdir():
        file.unlink()
    many = spex.explain_many(
        items(str(tmp_path), dies_at=4), budget=60, method="linear", engine="ray"
    )
    assert (tmp_path / "died").exists()
    assert {name: one.to_dict() for name, one in many.items()} == {
        name: one.to_dict() for name, one in local.items()
    }
    assert list(many) == [*"0123", "last"]
    assert list(many.failures) == ["wrong"]
    said = "BackendError: in a worker: ValueError: no such luck ("
    assert many.failures["wrong"].startswith(said)
    asked = callers(tmp_path)
    assert str(os.getpid()) not in asked
    assert sum(map(len, asked.values())) <= 5 * 60 + 3 * 64
    with pytest.raises(spex.ArgumentError, match="factory= makes one source"):
        spex.explain_many({}, engine=spex.RayEngine(factory=lambda: None))


def test_many_by_the_command_line(cluster, tmp_path):
    data = tmp_path / "rows.jsonl"
    rows = [{"id": str(i), "text": text} for i, text in enumerate(("a b c", "b a d e", "c d"))]
    data.write_text("\n".join(map(json.dumps, rows)))
    call = ["explain", "--data", str(data), "--model", "reply:engines.reply:answer"]
    call += ["--score", "matches:yes", "--no-store", "--quiet"]
    for out, more in (("local", []), ("remote", ["--engine", "ray"])):
        assert main([*call, "--out", str(tmp_path / out), *more]) == 0
    local, remote = (spex.ManyExplanations.load(tmp_path / out) for out in ("local", "remote"))
    assert list(remote) == ["0", "1", "2"]
    for name, one in remote.items():
        assert one.to_dict() == local[name].to_dict()
    server = ["--model", "openai:m@http://127.0.0.1:9/v1", "--engine", "ray", "--out", "o"]
    assert main([*call, *server]) == 2


def test_a_worker_loads_a_model_once_for_all_items():
    model = spex.models.load("reply:engines.reply:answer")
    worker, found = Worker(), []
    for number, text in enumerate(("a b", "b c d")):
        value = spex.ValueFunction(spex.Text(text, prompt="{input}"), model, spex.Matches("yes"))
        content = to_bytes(value)
        sent = Sent(number, lambda content=content: content)
        found.append(worker._source(sent))
        assert worker._source(sent) is found[-1]
    assert found[0] is not found[1] and found[0].model is found[1].model is not model


def test_errors_come_from_the_worker_after_what_was_finished():
    def fails(masks):
        if len(masks) > 4:
            raise ValueError("no such luck")
        return masks[:, 0] * 1.0

    masks = np.eye(12, dtype=bool)
    content = to_bytes(as_source(fails, 12))
    rows, values, _, error = Worker().evaluate(Sent(0, lambda: content), pack(masks), 12)
    assert rows.tolist() == [0, 1, 2, 3] and values.tolist() == [1, 0, 0, 0]
    assert str(error).startswith("in a worker: ValueError: no such luck (")
    assert f"test_ray.py:{fails.__code__.co_firstlineno + 2}" in str(error)


def test_a_worker_that_cannot_begin(cluster):
    engine = spex.RayEngine(workers=1, factory=lambda: 1 / 0)
    with pytest.raises(spex.BackendError, match=r"cannot make the source: .*division by zero"):
        spex.explain(Noted("."), 8, budget=100, engine=engine)


def test_a_lost_node_changes_nothing(cluster, tmp_path):
    """The last test: the second node is gone after it."""
    found, second = cluster
    local = spex.explain(Noted(str(tmp_path), 0), 12, budget=200, method="linear")
    for file in tmp_path.iterdir():
        file.unlink()
    count = 0

    def lose(state):
        nonlocal count
        if state.done > 60 and not count:
            count = state.done
            threading.Thread(target=found.remove_node, args=(second, False)).start()

    after = spex.explain(
        Noted(str(tmp_path), 0.02), 12, budget=200, method="linear", engine="ray", progress=lose
    )
    assert count and after.to_dict() == local.to_dict()


def test_what_can_be_sent():
    text = spex.Text("a b c", prompt="{input}")
    value = spex.ValueFunction(
        text, spex.models.load("reply:engines.reply:answer"), spex.Matches("yes")
    )
    again = from_bytes(to_bytes(value))
    masks = np.eye(3, dtype=bool)
    assert np.array_equal(again(masks), value(masks)) and again.identities == value.identities
    with pytest.raises(spex.ArgumentError, match=r"cannot be sent.*RayEngine\(factory="):
        lock = threading.Lock()
        to_bytes(as_source(lambda masks: lock, 3))


def test_wrong_engines():
    for engine in ("rey", 3, "local", "ray:"):
        with pytest.raises(spex.ArgumentError, match="give 'ray', 'ray:ADDRESS'"):
            spex.explain(Noted("."), 8, engine=engine)
    with pytest.raises(spex.ArgumentError, match="at least 1"):
        spex.RayEngine(workers=0)
    with pytest.raises(spex.ArgumentError, match="whole number"):
        spex.RayEngine(workers=2.5)


def test_a_cluster_that_is_not_there_is_told_at_once(cluster):
    with socket.socket() as taken:  # a port where nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(spex.BackendError, match=f"{address}: .*refused"),
            _connected(None, address, None),
        ):
            pass
        with pytest.raises(spex.ArgumentError, match="connected to the Ray cluster at 127"):
            spex.explain(Noted("."), 8, engine=f"ray:{address}")


# In a process of its own, which has imported Ray before.
ALONE = """
import json, os, sys
from pathlib import Path
import numpy as np, psutil, ray
import spex
from engines.counted import Noted

addresses, modes = set(), {}

def look(_):
    for process in psutil.Process().children(recursive=True):
        found = process.net_connections("tcp")
        addresses.update(one.laddr.ip for one in found if one.status == "LISTEN")
        for word in process.cmdline():
            name, _, folder = word.partition("=")
            if name == "--temp-dir":
                modes[str(Path(folder).parent)] = Path(folder).parent.stat().st_mode & 0o777

f = Noted(sys.argv[1])
e = spex.explain(f, 8, budget=64, engine=spex.RayEngine(workers=1), progress=look)
masks = np.eye(8, dtype=bool)
print(json.dumps({
    "same": np.array_equal(e.predict(masks), spex.explain(f, 8, budget=64).predict(masks)),
    "begun": bool(addresses),
    "open": [one for one in addresses if one.split(":")[-1] != "127.0.0.1"],
    "modes": sorted(modes.values()),
    "left": [one for one in modes if os.path.exists(one)],
    "variable": os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"),
}))
"""


def test_a_cluster_of_our_own_is_private(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
    command = [sys.executable, "-c", ALONE, str(tmp_path)]
    printed = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert json.loads(printed) == {
        "same": True,
        "begun": True,
        "open": [],
        "modes": [0o700],
        "left": [],
        "variable": None,
    }


def test_importing_the_engine_loads_no_ray():
    code = "import sys, spex.engines.ray; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
