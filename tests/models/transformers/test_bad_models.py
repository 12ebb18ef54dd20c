"""Models that cannot be had or do not fit: one line and the right status on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models import fake_openai as fake
from spex.cli import main

KEY = "sk-secret-of-the-test-0123456789"
LABEL = ("--score", "logodds:positive,negative")


@pytest.fixture(scope="module")
def servers():
    """The addresses of the stand-ins: one with a key, one that returns text alone."""
    processes = {
        kind: subprocess.Popen(
            [sys.executable, fake.__file__, kind, *options], stdout=subprocess.PIPE, text=True
        )
        for kind, options in (("openai", ("--key", KEY)), ("text", ()))
    }
    yield {kind: process.stdout.readline().strip() for kind, process in processes.items()}
    for process in processes.values():
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def folder(tmp_path, monkeypatch, servers):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path("review.txt").write_text("Her acting never fails to impress")
    Path("long.txt").write_text("Her acting never fails " + "word " * 96)
    Path("empty").mkdir()
    Path("foreign").mkdir()
    Path("foreign/config.json").write_text('{"model_type": "no such architecture"}')
    Path("broken").mkdir()
    Path("broken/config.json").write_text("{")
    Path("text.gguf").write_text("hello")
    Path("damaged.gguf").write_text("GGUF, it says")
    return tmp_path


@pytest.mark.parametrize(
    ("model", "options", "status", "says"),
    [
        ("gpt-9", (), 2, "model 'gpt-9' is unknown; use 'smollm2'"),
        ("hf:", (), 2, "model 'hf:' is unknown; use 'smollm2'"),
        ("hf:no/such/folder", (), 1, "is neither a folder nor a name on the Hugging Face hub"),
        ("hf:empty", (), 1, "there is no config.json in it; give a folder that save_pretrained"),
        ("hf:foreign", (), 1, "'hf:foreign' cannot be loaded as a model of transformers: "),
        ("hf:broken", (), 1, "'hf:broken' cannot be loaded as a model of transformers: "),
        ("hf:weightless", (), 1, "'hf:weightless' cannot be loaded as a causal language model: "),
        ("hf:tiny", ("--text", "long.txt"), 2, "but the context of 'hf:tiny' is 64; shorten the"),
        ("hf:tiny", ("--image", "review.txt"), 2, "cannot be read as a picture"),
        ("gguf:missing.gguf", (), 2, "missing.gguf cannot be read: No such file or directory;"),
        ("gguf:empty", (), 2, "empty cannot be read: Is a directory; name a GGUF file"),
        ("gguf:text.gguf", (), 1, "is no GGUF file: it does not begin with the letters GGUF"),
        ("gguf:damaged.gguf", (), 1, "the file is damaged, needs more memory than there is, or"),
        ("openai:words", (), 2, "write 'openai:MODEL@BASE_URL', such as"),
        ("openai:words@ftp://127.0.0.1", (), 2, "write 'openai:MODEL@BASE_URL', such as"),
        ("openai:words@http://127.0.0.1:9/v1", (), 1, "cannot be reached or broke off ("),
        ("openai:words@{openai}/v2", LABEL, 1, "HTTP 404"),
        ("openai:other@{openai}/v1", LABEL, 2, "serves no model 'other'; it serves 'words'"),
        ("wrong key", LABEL, 1, "refuses access (HTTP 401); spex takes the key from the"),
        ("openai:words@{openai}/v1", ("--answer", "a whole answer"), 2, "choose a score of"),
        ("openai:words@{openai}/v1", (*LABEL, "--text", "long.txt"), 2, "as too long for the"),
        ("openai:words@{text}/v1", LABEL, 2, "choose a score of the replies: similarity"),
        ("openai:words@{text}/v1", ("--unit", "token"), 2, "the tokens of a text; use unit='word'"),
    ],
)  # fmt: skip
def test_one_line_and_the_status(
    folder, servers, capsys, monkeypatch, save_tiny_model, model, options, status, says
):
    if model.startswith(("hf:tiny", "hf:weightless")):
        place = save_tiny_model(folder / model.removeprefix("hf:"))
        if model == "hf:weightless":
            (place / "model.safetensors").write_bytes(b"no weights")
        capsys.readouterr()  # how far saving it got
    if model == "wrong key":
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-key-9876543210")
        model = "openai:words@{openai}/v1"
    text = () if "--text" in options else ("--text", "review.txt")
    call = ["explain", *text, "--model", model.format(**servers), *options, "--budget", "20", "-q"]
    assert main(call) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("spex: ") and err.count("\n") == 1, err
    assert says in err
    assert KEY not in err and "sk-wrong" not in err


@pytest.mark.parametrize("content", ["{", "[1, 2", "\ufeff", "nul"])
def test_files_that_are_no_json(folder, capsys, content):
    Path("input.json").write_text(content, encoding="utf-8")
    for option in ("--documents", "--messages"):
        assert main(["explain", option, "input.json", "-q"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"spex: {option} input.json: is ") and err.count("\n") == 1
    Path("input.json").write_bytes(json.dumps(["naïve", "b"], ensure_ascii=False).encode("latin-1"))
    assert main(["explain", "--documents", "input.json", "-q"]) == 2
    assert "is not UTF-8 (byte 4); convert it first" in capsys.readouterr().err
