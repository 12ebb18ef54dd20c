"""Is a call that was finished before kill -9 paid again?

Each kind of model is explained by a process that is killed at random moments and started again,
until it has been killed often enough; the last one ends. Every call is noted by the one who answers
it, the user's function, a real HTTP server on 127.0.0.1 or the model, when it begins and when it is
finished. Counted are calls that were finished and asked again. Those in flight at a kill may be
among them: the batch that the process was about to keep. The result must be that of a run that
nobody disturbed.

    python benchmarks/kills.py --kills 20
"""

import argparse
import collections
import contextlib
import http.server
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import spex
from spex.cli import main
from spex.models.wrappers import _Wrapper

MODULE = """
import os, time

def note(sign, inputs):
    with open("log", "a") as file:
        file.write("".join(f"{sign}{line}\\n" for line in inputs))

def value(rows):
    shown = ["".join(map(str, map(int, row))) for row in rows.to_numpy()]
    note("?", shown)
    time.sleep(0.01 * len(rows))
    note("!", shown)
    return (2.0 * rows["a"] * rows["b"] - rows["d"]).to_numpy()

def reply(prompt):
    note("?", [prompt])
    time.sleep(0.01)
    note("!", [prompt])
    return "yes" if "alpha" in prompt and "beta" in prompt else "no"

value.identity, reply.identity = "value v1", "reply v1"
"""
WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu"
SETTINGS = ["--method", "linear", "--store", "s.sqlite", "--out", "e.json", "-q"]
RANDOM = random.Random(0)


class Noted(_Wrapper):
    """A model that notes every prompt that it has finished."""

    def log_probs(self, prompts: Any, answers: Any) -> Iterator[tuple[int, Any]]:
        for number, found in self.model.log_probs(prompts, answers):
            with Path("log").open("a") as file:
                file.write(f"!{prompts[number].text}\n")
            yield number, found


class Server(http.server.ThreadingHTTPServer):
    """Answers chats, and notes them."""

    def __init__(self, log: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.log, self.lock = log, threading.Lock()

    def note(self, sign: str, prompt: str) -> None:
        with self.lock, self.log.open("a") as file:
            file.write(f"{sign}{prompt}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    """Says yes where both words are there."""

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        self.server.note("?", prompt)
        time.sleep(0.05)
        text = "yes" if "alpha" in prompt and "beta" in prompt else "no"
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
        }
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        content = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
        sent = json.dumps(content | {"choices": [choice], "usage": usage}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)
        except OSError:  # the process was killed meanwhile
            return
        self.server.note("!", prompt)


def command(kind: str, address: str) -> list[str]:
    text = ["--text", "text.txt", "--score", "matches:yes"]
    match kind:
        case "predict":
            return ["explain", "--table", "rows.csv", "--model", "predict:own:value"]
        case "reply":
            return ["explain", *text, "--model", "reply:own:reply"]
        case "openai":
            return ["explain", *text, "--model", f"openai:m@{address}/v1"]
    return ["explain", "--text", "text.txt", "--score", "logodds:yes,no"]


def finished(folder: Path) -> list[str]:
    log = folder / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line[1:] for line in lines if line.startswith("!")]


def stored(folder: Path) -> int:
    path = folder / "s.sqlite"
    if not path.exists():
        return 0
    with spex.Store(path) as store:
        return len(store)


def measure(kind: str, kills: int, budget: int) -> list[str]:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder / "log")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (folder / "own.py").write_text(MODULE)
        (folder / "text.txt").write_text(WORDS)
        (folder / "rows.csv").write_text(
            f"{','.join('abcdefghijkl')}\n{'1,' * 11}1\n{'0,' * 11}0\n"
        )
        os.chdir(folder)
        sys.path[0] = name
        sys.modules.pop("own", None)
        call = [*command(kind, "http://{}:{}".format(*server.server_address)), *SETTINGS]
        load = None
        if kind == "smollm2":
            model = Noted(spex.models.load("smollm2"))
            load = lambda *_, **__: model  # noqa: E731

        def explain() -> None:
            sys.exit(main([*call, "--budget", str(budget)], load=load))

        def start() -> BaseProcess:
            process = multiprocessing.get_context("fork").Process(target=explain)
            process.start()
            return process

        # This process loads what those that it forks then need not load.
        with contextlib.suppress(SystemExit):
            explain()
        alone = spex.Explanation.load(folder / "e.json").spectrum
        expected = set(finished(folder))
        for file in ("log", "s.sqlite"):
            (folder / file).unlink()
        in_flight = done = 0
        while done < kills:
            before = len(finished(folder))
            # Each process goes on for its share of the calls, more or less.
            share = RANDOM.uniform(0, 1.2 * len(expected) / kills)
            process = start()
            while len(finished(folder)) <= before + share and process.is_alive():
                time.sleep(0.002)
            time.sleep(RANDOM.uniform(0, 0.05))
            process.kill()
            process.join()
            if process.exitcode == 0:
                break  # it had ended
            done += 1
            time.sleep(0.2)  # the server ends what it was answering
            in_flight += max(len(set(finished(folder))) - stored(folder), 0)
        process = start()
        process.join()
        assert process.exitcode == 0
        calls = collections.Counter(finished(folder))
        again = calls.total() - len(calls)
        if kind == "predict":  # asks for the whole row at every start, to learn what comes
            again -= calls["1" * 12] - 1
        found = spex.Explanation.load(folder / "e.json").spectrum
        same = dict(found.items()) == dict(alone.items()) and set(calls) == expected
        server.shutdown()
    return [kind, str(done), f"{len(calls):,}", str(again), str(in_flight), "yes" if same else "no"]


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--budget", type=int, default=1000)
    kinds = ["reply", "predict", "openai", "smollm2"]
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds)
    options = parser.parse_args()
    os.environ |= {"OPENAI_API_KEY": "none", "OMP_NUM_THREADS": "1"}  # forks and threads: no
    print("| model | kills | calls | finished and asked again | in flight | same result |")
    print("|---|---|---|---|---|---|")
    for kind in options.kinds:
        row = measure(kind, options.kills, options.budget)
        print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    run()
