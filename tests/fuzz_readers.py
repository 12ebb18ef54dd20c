"""Bad inputs for everything that spex reads: files, tables, templates, options.

    python tests/fuzz_readers.py 2000

Each input is a good one with one to three random changes. It goes through the command line, in this
process, up to the point where a model would be asked. Counted are inputs that end in a traceback or
in more than one line of error, the slowest, and the peak of memory. `test_fuzz_readers` runs a
sample.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from spex.cli import main
from spex.models import TableModel

GOLDEN = Path(__file__).parent / "golden"
HUGE = 10**4000
# fmt: off
VALUES = [
    None, True, False, 0, -1, 1.5, 3, 10**9, 10**30, HUGE, 1e300, -1e308, float("nan"),
    float("inf"),
    "", "a", "\x00", "\ud800", "\u202e", "{input}", "x" * 5000, "1e400", [], {}, [[]], [0], [True],
    [0.5], [[[0], 1.0]], {"a": 1}, [None], ["a"] * 3000, [[0, 1]] * 300, {"role": "user"},
    {"role": "user", "content": None}, {"role": 3, "content": "x"}, {"text": None}, {"text": 3},
]
BYTES = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"{", b"]" * 9, b"[" * 3000, b",", b"\r", b"\n\n",
    b"1e400", b"NaN", b"-Infinity", b"9" * 5000, b"-0", b"\\ud800", b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"'", b"\t", b";", b"NA", b"1,2,3\n" * 500, b"{input}", b"{", b"}}", b"\x1b[31m",
]
PIECES = [
    "", ":", "x", "0", "-1", "1.5", "8x8", "0x0", "1x1", "999999999x2", "9" * 5000, "1e9", "nan",
    "inf",
    "word", "sentence", "paragraph", "token", "line", "grid", "superpixels", "regex", "(a+)+$",
    "(", "[a-",
    "(?P<n>a)\\1", "delete", "blur", "mean", "grey", "inpaint", "mask", "replace", "…", "\x00",
    "\ud800",
    "{input}", "{", "}", "{question}", "{input}{input}", "%s", "logodds", "logprob", "sum",
    "matches",
    "json", "a=1", "=", ",", "a,b", "a,a", "similarity", "probability", "SV", "FBII", "auto",
    "exact",
    "predict", "math", "sqrt", "nosuch", "openai", "m@ftp://x", "m@http://u:p@h", "m@", "gguf",
    "none.gguf",
    "uniform", "shapley", "true", "null", " ", "\n", "--", "../..", "/dev/null", "é",
    "\U0001f600" * 40,
]
OPTIONS = [
    "--unit", "--mask", "--score", "--prompt", "--system", "--answer", "--model", "--budget",
    "--seed",
    "--max-degree", "--method", "--target-r2", "--index", "--order", "--top", "--zoom", "--price",
    "--question", "--max-new-tokens", "--missing", "--weighting",
]
# fmt: on
TEXT = "Not a bad film.\nBut hardly  a good one.\n\nThe plot: 1. weak, 2. slow.\n"
DOCUMENTS = {"documents": [{"title": "A", "text": "One. Two."}, "Three."], "question": "Why?"}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Is it good? Say so."},
]
# Of Anthropic, and of OpenAI's Responses.
AGENTS = [
    {
        "model": "m",
        "system": "Be careful.",
        "tools": [{"name": "pay", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Pay the bill."}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "1", "name": "read", "input": {}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "1", "content": "To Bob."}],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "2", "name": "pay", "input": {"to": "Bob"}}],
            },
        ],
    },
    {
        "instructions": "Be careful.",
        "input": [
            {"type": "message", "role": "user", "content": "Pay the bill."},
            {"type": "function_call", "call_id": "1", "name": "read", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "1",
                "output": [{"type": "input_text", "text": "To Bob."}],
            },
            {"type": "function_call", "call_id": "2", "name": "pay", "arguments": "{}"},
        ],
    },
]
TABLE = "age,sex,code,when\n36.5,f,00501,2024-01-17\n40,m,00502,\n,f,NA,2024-01-19\n"
MASKS = "a,b,c,value\n" + "".join(f"{i & 1},{i >> 1 & 1},{i >> 2},{i / 3}\n" for i in range(8))


@dataclass
class Tally:
    """What came of the inputs."""

    statuses: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    seen: set[bytes] = field(default_factory=set)


def damaged_json(rng, content):
    """JSON bytes of content with some of its values replaced, removed or repeated."""
    content = json.loads(json.dumps(content))
    for _ in range(rng.randint(1, 2)):
        parent, key = None, None
        node = content
        while isinstance(node, dict | list) and node and (parent is None or rng.random() < 0.75):
            parent = node
            key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
            node = node[key]
        if parent is None:
            continue
        kind = rng.random()
        if kind < 0.7:
            parent[key] = deepcopy(rng.choice(VALUES))
        elif kind < 0.85:
            del parent[key]
        elif isinstance(parent, list):
            parent += [node] * rng.choice([1, 5, 2000])
        else:
            parent[rng.choice(["x", "text", "content", "format", ""])] = deepcopy(node)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    written = json.dumps(content).encode("utf-8", "surrogatepass")
    sys.set_int_max_str_digits(limit)
    return damaged(rng, written) if rng.random() < 0.2 else written


def damaged(rng, written):
    """Bytes with something cut off, cut out, put in, changed or repeated."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(written) + 1)
        kind = rng.random()
        if kind < 0.2:
            written = written[:at]
        elif kind < 0.3:
            written = written[:at] + written[at + rng.randint(1, 20) :]
        elif kind < 0.85:
            written = written[:at] + rng.choice(BYTES) + written[at + rng.randint(0, 2) :]
        else:
            written = written[:at] + written[:at] * rng.choice([1, 50]) + written[at:]
    return written


def damaged_option(rng):
    value = rng.choice(["", ":", "=", ","]).join(rng.choices(PIECES, k=rng.randint(1, 4)))
    return [rng.choice(OPTIONS), value]


def picture(rng):
    from PIL import Image

    file = io.BytesIO()
    Image.new(rng.choice(["RGB", "RGBA", "L"]), (24, 16), rng.randrange(200)).save(file, "png")
    return damaged(rng, file.getvalue()) if rng.random() < 0.7 else file.getvalue()


def case(rng):
    """(arguments without the file, bytes of the file): a bad input."""
    kind = rng.randrange(10)
    if kind < 3:
        name = rng.choice(["explanation-1.json", "explanations-1.json", "zoom.json"])
        shown = rng.choice([[], ["--index", "SV"], ["--top", "3"], ["--html", "page.html"]])
        return ["report", *shown], damaged_json(rng, json.loads((GOLDEN / name).read_text()))
    if kind == 3:
        return ["fit", "-q", "--method", "linear"], damaged(rng, MASKS.encode())
    command = ["explain", "--dry-run", "--no-store", "--budget", "64"]
    options = damaged_option(rng) if rng.random() < 0.6 else []
    if kind == 4:
        written = damaged(rng, TABLE.encode())
        return [*command, "--model", "predict:rows:count", *options, "--table"], written
    if kind == 5:
        return [*command, "--model", "vlm", *options, "--image"], picture(rng)
    if kind == 6:
        return [*command, *options, "--documents"], damaged_json(rng, DOCUMENTS)
    if kind == 7:
        return [*command, *options, "--messages"], damaged_json(rng, MESSAGES)
    if kind == 8:
        return [*command, *options, "--agent"], damaged_json(rng, rng.choice(AGENTS))
    options += damaged_option(rng)
    return [*command, *options, "--text"], damaged(rng, TEXT.encode())


def load(name, notice=None, **options):
    """A table for every name but those whose own reader is tried."""
    if name.startswith(("openai", "gguf", "nosuch", ":")):
        from spex import models

        return models.load(name, notice, **options)
    return TableModel(lambda prompt, answer: -1.0, answer="yes")


def try_one(rng, tally):
    arguments, written = case(rng)
    digest = hashlib.sha256(repr(arguments).encode() + written).digest()
    if digest in tally.seen:
        return
    tally.seen.add(digest)
    file = Path("given")
    file.write_bytes(written)
    shown = f"{' '.join(arguments)!r:.300} file={written[:300]!r}"
    out, err, start = io.StringIO(), io.StringIO(), time.perf_counter()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*arguments, str(file)], load=load)
    except BaseException:
        frames = traceback.format_exc().splitlines()
        where = [line.strip() for line in frames if "/spex/" in line][-1:]
        tally.failures.append(f"{frames[-1][:200]}\n    {where}\n    {shown}")
    else:
        tally.statuses[status] += 1
        errors = [
            line for line in err.getvalue().splitlines() if not line.startswith("spex: wrote")
        ]
        if status and len([line for line in errors if "loading" not in line]) != 1:
            tally.failures.append(f"{len(errors)} lines: {err.getvalue()[:300]!r}\n    {shown}")
        elif status and len(errors[-1]) > 1200:
            tally.failures.append(f"a line of {len(errors[-1])}: {errors[-1][:200]}\n    {shown}")
    tally.slowest = max(tally.slowest, (time.perf_counter() - start, shown))


def fuzz(count, seed=0):
    """Try `count` distinct inputs, in a folder of their own."""
    rng, tally, before = random.Random(seed), Tally(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("rows.py").write_text("def count(table):\n    return table.notna().sum(axis=1)\n")
        try:
            while len(tally.seen) < count:
                try_one(rng, tally)
        finally:
            os.chdir(before)
    return tally


if __name__ == "__main__":
    os.environ["SPEX_CACHE_DIR"] = tempfile.mkdtemp()
    found = fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for failure in found.failures:
        print(failure)
    print(f"{len(found.seen)} inputs, exit statuses {dict(found.statuses)}")
    print(f"{len(found.failures)} failures; slowest {found.slowest[0]:.1f} s: {found.slowest[1]}")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
