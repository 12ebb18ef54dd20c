"""Several processes on one store: each mask is evaluated by one of them."""

import multiprocessing
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import spex
from spex.values.storage import kept

FORK = multiprocessing.get_context("fork")


class Slow:
    """Notes who evaluated which mask."""

    identity = "slow v1"

    def __init__(self, seconds=0.003):
        self.seconds = seconds

    def __call__(self, masks):
        with Path("log").open("a") as file:
            file.writelines(f"{os.getpid()} {mask.tobytes().hex()}\n" for mask in masks)
        time.sleep(self.seconds * len(masks))
        return masks @ np.arange(1.0, masks.shape[1] + 1) + masks[:, 0] * masks[:, 1]


def explain(seconds, seed, out, together=None):
    if together is not None:
        together.wait()
    spex.explain(Slow(seconds), 20, 320, method="linear", seed=seed, store="s.sqlite").save(out)


def start(*arguments):
    process = FORK.Process(target=explain, args=arguments)
    process.start()
    return process


def calls():
    return [line.split() for line in Path("log").read_text().splitlines()]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kept, "_FIRST_PORTION", 8)
    monkeypatch.setattr(kept, "_LEAST_PORTION", 2)
    monkeypatch.setattr(kept, "_SECONDS_ALONE", 0.2)


@pytest.mark.parametrize("count", [2, 8])
def test_each_mask_is_evaluated_once(count):
    explain(0, 0, "alone.json")
    Path("s.sqlite").unlink()
    Path("log").unlink()
    together = FORK.Barrier(count)
    processes = [start(0.003, 0, f"{number}.json", together) for number in range(count)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    masks = [mask for _, mask in calls()]
    assert len(set(masks)) == 320 and len(masks) <= 1.05 * 320
    assert len({process for process, _ in calls()}) > 1  # they share the work
    results = {Path(f"{number}.json").read_text() for number in range(count)}
    assert results == {Path("alone.json").read_text()}


def test_nobody_waits_for_a_process_that_was_killed():
    explain(0, 0, "alone.json")
    Path("s.sqlite").unlink()
    Path("log").unlink()
    held = start(60, 0, "never.json")  # its first batch takes minutes
    while not Path("log").exists():
        time.sleep(0.01)
    waiting = []
    other = FORK.Process(target=told, args=("waits",))
    other.start()
    while not Path("waits").exists():
        time.sleep(0.01)
        assert other.is_alive()
    done = [mask for process, mask in calls() if int(process) == other.pid]
    assert len(done) == 320 - 8  # all but what the other one holds
    held.kill()
    held.join()
    other.join()
    assert other.exitcode == 0 and not waiting
    assert (
        max(Counter(mask for process, mask in calls() if int(process) == other.pid).values()) == 1
    )
    assert Path("waits.json").read_text() == Path("alone.json").read_text()


def told(name):
    def note(state):
        if state.is_waiting:
            Path(name).touch()

    f = Slow(0)
    spex.explain(f, 20, 320, method="linear", store="s.sqlite", progress=note).save(f"{name}.json")
