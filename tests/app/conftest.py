"""The app as a process of its own, and pages of a real browser on it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from report.conftest import browser  # noqa: F401 - a fixture

# A model that takes 5 ms a text: `never` and `fails` act together, `acting` alone.
QUICK = """
import time

def score(texts):
    time.sleep(0.005 * len(texts))
    return [1.0 * ("never" in t and "fails" in t) - 0.5 * ("acting" in t) for t in texts]

score.identity = __file__  # what other servers have kept is not known here

def slow(texts):
    time.sleep(0.5 * len(texts))
    return score(texts)

def predict(rows):
    return [float(a * b) for a, b in zip(rows["age"], rows["income"])]
"""


class Server:
    """The app on a port of its own."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "quick.py").write_text(QUICK)
        environment = os.environ | {"SPEX_DATA_DIR": str(folder / "data")}
        script = Path(__file__).parent / "serve.py"
        self.process = subprocess.Popen(
            [sys.executable, script, "app", "--port", "0", "--model", "predict:quick:score"],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stderr.readline()
        assert "open http://127.0.0.1:" in line, line + self.process.stderr.read()
        self.address = next(word for word in line.split() if word.startswith("http"))

    def end(self):
        """Press Ctrl-C; the exit status and what was told."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        told = self.process.communicate(timeout=120)[1]
        return self.process.returncode, told


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("app"))
    yield running
    running.end()


@pytest.fixture
def visit(server, browser):  # noqa: F811
    """Opens the app as one more user; what went wrong or left the machine fails the test."""
    contexts, wrong = [], []

    def opened(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        here = (server.address, "data:", "blob:", "about:")
        page.on("request", lambda one: one.url.startswith(here) or wrong.append(one.url))
        page.goto(server.address)
        page.get_by_role("button", name="Explain", exact=True).wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
